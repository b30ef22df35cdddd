"""The reference families: markets of one kind whose parameters a seed draws, with the business that left their logs.

Learn one, know all: every family's file has its actions, its grid of states, its parameters with their ranges, `draw`,
the market, the rules of thumb by which the business acted, and the laws of motion, in this order.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from domain.arrays import FloatArray
from domain.log import LoggedDecisions
from env.reference import app, confounded, myopic, paywall, promotion, seasonal, subscription
from env.reference.behavior import RuleOfThumb
from env.reference.log import N_CUSTOMERS, N_PERIODS, panel_log
from env.reference.tabular import TabularMarket


@dataclass(frozen=True)
class Family:
    """Markets of one kind.

    >>> market = FAMILIES["app"].draw(np.random.default_rng(0))
    >>> len(FAMILIES["app"].log(market, 10, 1, rng=np.random.default_rng(1)))
    10
    """

    name: str
    draw: Callable[[np.random.Generator], TabularMarket]
    behavior: RuleOfThumb  # reads hidden columns too
    is_dynamic: bool = True  # actions change where customers go: on every draw planning pays, and nothing is hidden

    def log(
        self,
        market: TabularMarket,
        n_customers: int = N_CUSTOMERS,
        n_periods: int = N_PERIODS,
        *,
        uniform_share: float | None = None,
        rng: np.random.Generator,
    ) -> LoggedDecisions:
        """The panel of the business as it was, with the full propensities; hidden columns are not in it.

        `uniform_share` of the traffic is randomised, as much as the family's behavior does where None.
        """
        behavior = self.behavior if uniform_share is None else replace(self.behavior, uniform_share=uniform_share)
        return panel_log(market, n_customers, n_periods, behavior, rng=rng)

    def logged(self, market: TabularMarket) -> FloatArray:
        """(n_states, n_actions) how the business acts in every state, hidden columns and all."""
        return self.behavior.distribution(market.states)


FAMILIES = {
    family.name: family
    for family in (
        Family("subscription", subscription.draw, RuleOfThumb(subscription.ACTIONS, subscription.rules)),
        Family("promotion", promotion.draw, RuleOfThumb(promotion.ACTIONS, promotion.rules)),
        Family("app", app.draw, RuleOfThumb(app.ACTIONS, app.rules)),
        Family("paywall", paywall.draw, RuleOfThumb(paywall.ACTIONS, paywall.rules)),
        Family("seasonal", seasonal.draw, RuleOfThumb(seasonal.ACTIONS, seasonal.rules)),
        Family("myopic", myopic.draw, RuleOfThumb(myopic.ACTIONS, myopic.rules), is_dynamic=False),
        Family(
            "confounded",
            confounded.draw,
            RuleOfThumb(confounded.ACTIONS, confounded.rules, uniform_share=0.1),
            is_dynamic=False,
        ),
    )
}
