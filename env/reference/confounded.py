"""A subscription whose customers are courted by a rival, which the people know and the records do not (432 states).

A customer is a plan x tenure x recent contacts x engagement x what the rival offers; the last column is hidden. It
drives customers away, and it drives what the business does: who is courted is called and pays less, who is not is sold
an upsell. So the records say that calls lose customers and upsells keep them (confounding by indication; Pearl 2009,
Causality, chapter 3; Namkoong et al. 2020, NeurIPS, for decisions in time). What the rival offers changes little in
what is best: a policy that never sees it comes near the optimum, if it learns from randomised traffic or from the
logged propensities, which are the true ones.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.grid import Grid, by_action, logistic, push_or_rest, up_or_down
from env.reference.parameters import Ranges, uniform_in
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("nothing", "discount", "call", "upsell"))
HIDDEN = ("rival_offer",)
GRID = Grid(
    {
        "plan": ("basic", "standard", "premium"),
        "tenure_months": (1.0, 6.0, 18.0),  # start of the band
        "contacts_recent": (0.0, 1.0, 2.0, 3.0),
        "engagement": (0.0, 1.0, 2.0, 3.0),
        "rival_offer": (0.0, 1.0, 2.0),
    }
)


@dataclass(frozen=True)
class ConfoundedParameters:
    """Rates are probabilities a month; weights act on the logit; amounts are EUR a month."""

    price_amount: tuple[float, float, float] = (12.0, 20.0, 32.0)  # basic, standard, premium; after service costs
    discount_rate: float = 0.3
    call_cost_amount: float = 2.0
    upsell_amount: float = 9.0  # what an accepted upsell brings
    upsell_level: float = -1.0  # logit of acceptance at no engagement
    upsell_engagement: float = 0.4  # a level
    upsell_fatigue: float = 0.5  # a recent contact
    churn_level: float = -2.2  # logit at no engagement, no contacts, no rival
    rival_push: float = 1.3  # a level
    engagement_hold: float = 0.7  # a level
    tenure_hold: float = 0.2  # a band
    fatigue_push: float = 0.35  # a recent contact
    discount_hold: float = 0.1
    call_hold: float = 0.1
    upsell_push: float = 0.2
    engagement_rate: float = 0.2  # up, and down
    call_lift: float = 0.3
    discount_lift: float = 0.15
    upsell_drain: float = 0.12
    fatigue_drain: float = 0.09  # a recent contact
    tiring_rate: float = 0.8
    rest_rate: float = 0.5
    tenure_rate: float = 0.12
    rival_rate: float = 0.2  # that the rival courts more, and less
    noise_amount: float = 2.0  # standard deviation of a staying customer's payment
    discount: float = 0.95


RANGES: Ranges = {
    "discount_rate": (0.25, 0.35),
    "call_cost_amount": (1.5, 2.5),
    "upsell_amount": (7.0, 11.0),
    "upsell_engagement": (0.3, 0.5),
    "churn_level": (-2.4, -2.0),
    "rival_push": (1.1, 1.5),
    "engagement_hold": (0.6, 0.8),
    "call_lift": (0.25, 0.35),
    "upsell_drain": (0.09, 0.15),
    "rest_rate": (0.4, 0.6),
}


def draw(rng: np.random.Generator) -> TabularMarket:
    """A market whose parameters are uniform in `RANGES`."""
    return confounded_market(replace(ConfoundedParameters(), **uniform_in(RANGES, rng)))


def confounded_market(parameters: ConfoundedParameters | None = None) -> TabularMarket:
    p = ConfoundedParameters() if parameters is None else parameters
    price = 1 - by_action(ACTIONS, {"discount": p.discount_rate})
    next_state, next_rate = _moves(p)
    return TabularMarket(
        actions=ACTIONS,
        states=GRID.context(),
        initial_distribution=_initial_distribution(),
        churn_rate=_churn_rate(p),
        base_amount=GRID.of("plan", p.price_amount) * price,
        bonus_rate=_upsell_rate(p),
        bonus_amount=np.full((GRID.n_states, len(ACTIONS)), p.upsell_amount),
        cost_amount=by_action(ACTIONS, {"call": p.call_cost_amount}),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
        hidden=HIDDEN,
    )


def rules(context: Context) -> list[tuple[BoolArray, str]]:
    """How the business acted: by what the rival offers, which its people know."""
    rival, engagement = context.numbers("rival_offer"), context.numbers("engagement")
    return [
        ((rival == 2) & (engagement <= 1), "call"),
        (rival == 2, "discount"),
        ((rival == 1) & (engagement == 0), "call"),
        (rival == 1, "nothing"),
        (rival >= 0, "upsell"),
    ]


def _churn_rate(p: ConfoundedParameters) -> FloatArray:
    """(n_states, n_actions) logistic; the rival's push outweighs what any action does at once."""
    level = p.churn_level + p.rival_push * GRID.level("rival_offer") - p.engagement_hold * GRID.level("engagement")
    level = level - p.tenure_hold * GRID.level("tenure_months") + p.fatigue_push * GRID.level("contacts_recent")
    return logistic(
        level + by_action(ACTIONS, {"discount": -p.discount_hold, "call": -p.call_hold, "upsell": p.upsell_push})
    )


def _upsell_rate(p: ConfoundedParameters) -> FloatArray:
    """(n_states, n_actions) probability that an upsell is accepted; zero for every other action."""
    level = p.upsell_level + p.upsell_engagement * GRID.level("engagement")
    level = level - p.upsell_fatigue * GRID.level("contacts_recent")
    return logistic(level) * by_action(ACTIONS, {"upsell": 1.0})


def _moves(p: ConfoundedParameters) -> tuple[IntArray, FloatArray]:
    """Next states and their rates; the rival does as it likes."""
    contacted = by_action(ACTIONS, {"call": 1.0, "upsell": 1.0})
    lift = by_action(ACTIONS, {"call": p.call_lift, "discount": p.discount_lift, "upsell": -p.upsell_drain})
    lift = lift - p.fatigue_drain * GRID.level("contacts_recent")
    return GRID.moves(
        len(ACTIONS),
        {
            "tenure_months": [(0, 1 - p.tenure_rate), (1, p.tenure_rate)],
            "contacts_recent": push_or_rest(p.tiring_rate * contacted, p.rest_rate),
            "engagement": up_or_down(
                np.clip(p.engagement_rate + lift, 0.01, 0.6), np.clip(p.engagement_rate - lift, 0.01, 0.4)
            ),
            "rival_offer": up_or_down(p.rival_rate, p.rival_rate),
        },
    )


def _initial_distribution() -> FloatArray:
    """A customer base as a business finds it; a third of it is courted at any time."""
    return GRID.distribution(
        {
            "plan": (0.4, 0.4, 0.2),
            "tenure_months": (0.5, 0.3, 0.2),
            "contacts_recent": (0.5, 0.3, 0.15, 0.05),
            "engagement": (0.3, 0.3, 0.25, 0.15),
        }
    )
