"""How a subscription business acted before anyone optimised: rules of thumb, partly randomised.

The rules help who is about to leave and sell to who is happy. So an action's average reward says as much about whom it
went to as about what it did: the upsell, sold to engaged customers, looks a quarter better than it is.
"""

from dataclasses import dataclass

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.subscription import ACTIONS


@dataclass(frozen=True)
class TargetedBehavior:
    """The rule of thumb with probability 1 - `uniform_share`, any action alike with the rest.

    >>> context = Context({"engagement": np.array([0.0]), "contacts_recent": np.array([3.0]),
    ...                    "tenure_months": np.array([1.0])}, n_rounds=1)
    >>> TargetedBehavior(uniform_share=0.5).distribution(context).round(2)
    array([[0.1, 0.1, 0.6, 0.1, 0.1]])
    """

    uniform_share: float = 0.4

    @property
    def name(self) -> str:
        return "rule_of_thumb"

    @property
    def actions(self) -> ActionSet:
        return ACTIONS

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions); ineligible actions leave their share to the others."""
        n_actions = len(self.actions)
        ruled = np.eye(n_actions)[self._rule(context)]
        distribution: FloatArray = (1 - self.uniform_share) * ruled + self.uniform_share / n_actions
        if eligible is None:
            return distribution
        allowed = distribution * eligible
        restricted: FloatArray = allowed / allowed.sum(axis=1, keepdims=True)
        return restricted

    def _rule(self, context: Context) -> IntArray:
        engagement, contacts, tenure = (
            context.column(name).astype(np.float64) for name in ("engagement", "contacts_recent", "tenure_months")
        )
        rules = [
            (engagement == 0, "discount"),
            ((engagement == 1) & (contacts <= 1), "retention_contact"),
            ((engagement >= 2) & (contacts == 0), "upsell"),
            ((engagement == 3) & (tenure >= 12), "price_rise"),
        ]
        chosen = [self.actions.index(action) for _, action in rules]
        return np.select([mask for mask, _ in rules], chosen, default=self.actions.index("nothing"))
