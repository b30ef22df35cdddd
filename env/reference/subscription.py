"""The first reference market: a subscription business that decides monthly, per customer.

A customer is a plan x tenure x recent contacts x engagement x reference price (960 states). What makes planning pay:

- what was paid becomes the reference price; paying above it drives customers away, below it keeps them, so a discount
  is bought twice: once now, once when the list price returns (Popescu and Wu 2007, Operations Research 55(3));
- contacts tire: the fatigue they leave lowers engagement and raises churn for months;
- an upsell earns now and costs engagement; a retention contact costs now and builds it.
"""

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.grid import Grid, by_action, logistic, up_or_down
from env.reference.parameters import SubscriptionParameters, draw_parameters
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("nothing", "price_rise", "discount", "retention_contact", "upsell"))
GRID = Grid(
    {
        "plan": ("basic", "standard", "premium"),
        "tenure_months": (1.0, 4.0, 12.0, 24.0),  # start of the band
        "contacts_recent": (0.0, 1.0, 2.0, 3.0),
        "engagement": (0.0, 1.0, 2.0, 3.0),
        "paid_price_ratio": (0.75, 0.875, 1.0, 1.125, 1.25),  # reference price / list price
    }
)
_CONTACTS = np.array([False, False, False, True, True])  # which actions the customer feels as a contact


def draw(rng: np.random.Generator) -> TabularMarket:
    """A market whose parameters are uniform in their ranges."""
    return subscription_market(draw_parameters(rng))


def subscription_market(parameters: SubscriptionParameters | None = None) -> TabularMarket:
    """The market of `parameters`, by default the one that demo and documentation use."""
    p = SubscriptionParameters() if parameters is None else parameters
    price = np.array([1.0, 1.0 + p.rise_rate, 1.0 - p.discount_rate, 1.0, 1.0])
    list_price = GRID.of("plan", p.list_price_amount)
    next_state, next_rate = _moves(p, price)
    return TabularMarket(
        actions=ACTIONS,
        states=GRID.context(),
        initial_distribution=_initial_distribution(),
        churn_rate=_churn_rate(p, price),
        base_amount=list_price * (price - p.service_cost_rate),
        bonus_rate=_upsell_rate(p),
        bonus_amount=list_price * p.upsell_rate * np.ones(len(ACTIONS)),
        cost_amount=np.array([0.0, 0.0, 0.0, p.contact_cost_amount, p.upsell_cost_amount]),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
    )


def rules(context: Context) -> list[tuple[BoolArray, str]]:
    """How the business acted: discounts for who is leaving, upsells for who is happy."""
    engagement, contacts = context.numbers("engagement"), context.numbers("contacts_recent")
    return [
        (engagement == 0, "discount"),
        ((engagement == 1) & (contacts <= 1), "retention_contact"),
        ((engagement >= 2) & (contacts == 0), "upsell"),
        ((engagement == 3) & (context.numbers("tenure_months") >= 12), "price_rise"),
        (engagement >= 0, "nothing"),
    ]


def _churn_rate(p: SubscriptionParameters, price: FloatArray) -> FloatArray:
    """(n_states, n_actions) logistic; a loss against the reference price weighs more than an equal gain."""
    gap = price - GRID.number("paid_price_ratio")
    felt = p.loss_weight * np.maximum(gap, 0) - p.gain_weight * np.maximum(-gap, 0)
    level = p.churn_level - p.engagement_hold * GRID.level("engagement") - p.tenure_hold * GRID.level("tenure_months")
    level = level + p.fatigue_push * GRID.level("contacts_recent")
    contacted = by_action(ACTIONS, {"retention_contact": -p.contact_hold})
    return logistic(level + GRID.of("plan", p.price_sensitivity) * felt + contacted)


def _upsell_rate(p: SubscriptionParameters) -> FloatArray:
    """(n_states, n_actions) probability that an upsell is accepted; zero for every other action."""
    fatigue = p.upsell_fatigue * GRID.level("contacts_recent")
    accepts = logistic(p.upsell_level + p.upsell_engagement * GRID.level("engagement") - fatigue)
    return accepts * by_action(ACTIONS, {"upsell": 1.0})


def _moves(p: SubscriptionParameters, price: FloatArray) -> tuple[IntArray, FloatArray]:
    """Next states and their rates, (n_states, n_actions, 24): four independent small moves at once."""
    pushed, rested = np.where(_CONTACTS, p.tiring_rate, 0.0), np.where(_CONTACTS, 0.0, p.rest_rate)
    toward = np.sign(price - GRID.number("paid_price_ratio"))
    return GRID.moves(
        len(ACTIONS),
        {
            "tenure_months": [(0, 1 - p.tenure_rate), (1, p.tenure_rate)],
            "contacts_recent": [(0, 1 - pushed - rested), (1, pushed), (-1, rested)],
            "engagement": up_or_down(*_engagement_rates(p, price)),
            "paid_price_ratio": [(0, 1 - p.reference_rate), (toward, p.reference_rate)],
        },
    )


def _engagement_rates(p: SubscriptionParameters, price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(n_states, n_actions) probabilities that engagement rises and falls by one."""
    lift = by_action(ACTIONS, {"retention_contact": p.contact_lift, "upsell": -p.upsell_drain})
    lift = lift + p.price_lift * (1 - price)
    tired = np.where(_CONTACTS, 1.0, 0.5) * GRID.level("contacts_recent") * p.fatigue_drain
    rises = np.clip(p.engagement_rate + lift - tired, 0.01, 0.6)
    falls = np.clip(p.engagement_rate - lift + tired, 0.01, 0.39)
    return rises, falls


def _initial_distribution() -> FloatArray:
    """A customer base as a business finds it: all plans, mostly young, mostly rested, near the list price."""
    return GRID.distribution(
        {
            "plan": (0.4, 0.4, 0.2),
            "tenure_months": (0.4, 0.3, 0.2, 0.1),
            "contacts_recent": (0.6, 0.25, 0.1, 0.05),
            "engagement": (0.2, 0.3, 0.3, 0.2),
            "paid_price_ratio": (0.1, 0.2, 0.5, 0.15, 0.05),
        }
    )
