"""A newspaper that decides weekly how a reader meets the paywall (720 states).

A reader is a relation x habit x interest x recent walls x channel. What makes planning pay:

- reading freely earns ads and builds the habit that sells subscriptions; a wall sells now and costs readers
  (Chiou and Tucker 2013, Information Economics and Policy 25(2); Lambrecht and Misra 2017, Management Science 63(4);
  Aral and Dhillon 2021, the same, 67(4));
- a subscriber pays every week, so a conversion is worth far more than its first payment; a trial earns nothing and
  converts who has the habit;
- walls wear out: who was turned away lately is turned away for good.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.grid import Grid, Moves, by_action, logistic, push_or_rest, up_or_down
from env.reference.parameters import Ranges, uniform_in
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("open", "meter", "hard_wall", "trial_offer", "newsletter"))
GRID = Grid(
    {
        "relation": ("anonymous", "registered", "trial", "subscriber"),
        "habit": (0.0, 1.0, 2.0, 3.0, 4.0),
        "interest": (0.0, 1.0, 2.0),  # in what is news this week
        "walls_recent": (0.0, 1.0, 2.0, 3.0),
        "channel": ("direct", "search", "social"),
    }
)
_ANONYMOUS, _REGISTERED, _TRIAL, _SUBSCRIBER = (GRID.of("relation", row) for row in np.eye(4).tolist())
_OUTSIDE = _ANONYMOUS + _REGISTERED  # who meets the wall


@dataclass(frozen=True)
class PaywallParameters:
    """Rates are probabilities a week; weights act on the logit; amounts are EUR a week."""

    page_amount: float = 0.22  # ad income, a level of habit (and one more)
    interest_lift: float = 0.3  # a level, on pages read
    meter_share: float = 0.8  # of the pages that a meter leaves
    wall_share: float = 0.1
    price_amount: float = 3.0  # of a subscription, after costs
    trial_amount: float = 0.25
    retention_rate: float = 0.5  # off the price, of who is offered a trial and subscribes already
    newsletter_cost_amount: float = 0.3
    convert_level: float = -4.0  # logit of subscribing at a wall, anonymous, no habit
    convert_habit: float = 0.6  # a level
    convert_interest: float = 0.4  # a level
    convert_registered: float = 1.2
    convert_walls: float = 0.7  # a recent wall
    register_level: float = -1.8  # logit of registering, no habit
    register_habit: float = 0.6  # a level
    register_metered: float = 1.2
    register_open: float = -1.5
    trial_lift: float = 1.2  # on the logit, of an offer to try
    keep_level: float = -2.2  # logit of subscribing after the trial, no habit
    keep_habit: float = 0.7  # a level
    cancel_level: float = -1.6  # logit of cancelling a subscription, no habit
    cancel_habit: float = 0.6  # a level
    cancel_hold: float = 1.2  # of the retention price
    churn_level: float = -1.8  # logit of never coming back, no habit, not turned away
    habit_hold: float = 0.5  # a level
    wall_push: float = 0.4  # a recent wall
    turned_push: float = 0.9  # of a hard wall now
    channel_push: tuple[float, float, float] = (0.0, 0.3, 0.6)  # direct, search, social
    habit_rate: float = 0.2  # up, and down
    free_lift: float = 0.1  # of reading freely, on habit
    newsletter_lift: float = 0.15
    meter_drain: float = 0.05
    wall_drain: float = 0.15
    wall_rate: float = 0.9  # that a wall or an offer is remembered; a meter less often
    forget_rate: float = 0.35
    noise_amount: float = 0.3  # standard deviation of a week's income
    discount: float = 0.96


RANGES: Ranges = {
    "page_amount": (0.18, 0.26),
    "meter_share": (0.75, 0.85),
    "price_amount": (2.6, 3.4),
    "convert_level": (-4.2, -3.8),
    "convert_habit": (0.5, 0.7),
    "convert_walls": (0.55, 0.85),
    "trial_lift": (1.0, 1.4),
    "keep_level": (-2.4, -2.0),
    "keep_habit": (0.6, 0.8),
    "cancel_level": (-1.8, -1.4),
    "churn_level": (-2.0, -1.6),
    "habit_hold": (0.4, 0.6),
    "turned_push": (0.7, 1.1),
    "newsletter_lift": (0.12, 0.18),
    "wall_drain": (0.1, 0.2),
}


def draw(rng: np.random.Generator) -> TabularMarket:
    """A market whose parameters are uniform in `RANGES`."""
    return paywall_market(replace(PaywallParameters(), **uniform_in(RANGES, rng)))


def paywall_market(parameters: PaywallParameters | None = None) -> TabularMarket:
    p = PaywallParameters() if parameters is None else parameters
    converts = _convert_rate(p)
    next_state, next_rate = _moves(p, converts)
    return TabularMarket(
        actions=ACTIONS,
        states=GRID.context(),
        initial_distribution=_initial_distribution(),
        churn_rate=_churn_rate(p),
        base_amount=_base_amount(p),
        bonus_rate=converts,
        bonus_amount=by_action(ACTIONS, {"hard_wall": p.price_amount, "trial_offer": p.trial_amount})
        * np.ones((GRID.n_states, 1)),
        cost_amount=by_action(ACTIONS, {"newsletter": p.newsletter_cost_amount}),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
    )


def rules(context: Context) -> list[tuple[BoolArray, str]]:
    """How the newspaper acted: registered readers meet the wall, offers go to who comes often."""
    relation, habit = context.column("relation"), context.numbers("habit")
    outside = (relation == "anonymous") | (relation == "registered")
    return [
        (~outside & (habit >= 2), "open"),
        (~outside, "newsletter"),
        ((relation == "registered") & (habit >= 3), "trial_offer"),
        ((relation == "registered") & (context.numbers("walls_recent") <= 1), "hard_wall"),
        (habit >= 1, "meter"),
        (habit >= 0, "open"),
    ]


def _base_amount(p: PaywallParameters) -> FloatArray:
    """(n_states, n_actions) ads from who reads without paying, the subscription from who pays."""
    read = by_action(ACTIONS, {"meter": p.meter_share, "hard_wall": p.wall_share}, default=1.0)
    pages = (1 + GRID.level("habit")) * (1 + p.interest_lift * GRID.level("interest"))
    paid = p.price_amount * (1 - by_action(ACTIONS, {"trial_offer": p.retention_rate}))
    return p.page_amount * pages * read * _OUTSIDE + p.trial_amount * _TRIAL + paid * _SUBSCRIBER


def _convert_rate(p: PaywallParameters) -> FloatArray:
    """(n_states, n_actions) that a wall sells a subscription, or an offer a trial."""
    level = p.convert_level + p.convert_habit * GRID.level("habit") + p.convert_interest * GRID.level("interest")
    level = level + p.convert_registered * _REGISTERED - p.convert_walls * GRID.level("walls_recent")
    asks = by_action(ACTIONS, {"hard_wall": 1.0, "trial_offer": 1.0})
    return logistic(level + by_action(ACTIONS, {"trial_offer": p.trial_lift})) * asks * _OUTSIDE


def _churn_rate(p: PaywallParameters) -> FloatArray:
    """(n_states, n_actions) never to come back; subscribers cancel first."""
    level = p.churn_level - p.habit_hold * GRID.level("habit") + p.wall_push * GRID.level("walls_recent")
    turned = by_action(ACTIONS, {"hard_wall": p.turned_push})
    outside = logistic(level + GRID.of("channel", p.channel_push) + turned)
    return outside * _OUTSIDE + 0.01 * (1 - _OUTSIDE)


def _moves(p: PaywallParameters, converts: FloatArray) -> tuple[IntArray, FloatArray]:
    """Next states and their rates."""
    walls = by_action(ACTIONS, {"hard_wall": 1.0, "trial_offer": 1.0, "meter": 0.4}) * _OUTSIDE
    lift = by_action(ACTIONS, {"meter": -p.meter_drain, "hard_wall": -p.wall_drain}, default=p.free_lift) * _OUTSIDE
    lift = lift + by_action(ACTIONS, {"newsletter": p.newsletter_lift})
    return GRID.moves(
        len(ACTIONS),
        {
            "relation": _relation_moves(p, converts),
            "habit": up_or_down(np.clip(p.habit_rate + lift, 0.01, 0.6), np.clip(p.habit_rate - lift, 0.01, 0.4)),
            "interest": up_or_down(0.25, 0.25),
            "walls_recent": push_or_rest(p.wall_rate * walls, p.forget_rate),
        },
    )


def _relation_moves(p: PaywallParameters, converts: FloatArray) -> Moves:
    """Registering, trying, subscribing, cancelling: one step up or down a week, its height by state and action."""
    level = p.register_level + p.register_habit * GRID.level("habit")
    invites = by_action(ACTIONS, {"meter": p.register_metered, "open": p.register_open}, default=-np.inf)
    registers = logistic(level + invites) * _ANONYMOUS
    keeps = logistic(p.keep_level + p.keep_habit * GRID.level("habit")) * _TRIAL
    held = by_action(ACTIONS, {"trial_offer": p.cancel_hold})
    cancels = logistic(p.cancel_level - p.cancel_habit * GRID.level("habit") - held) * _SUBSCRIBER
    up, down = registers + converts + keeps, _TRIAL - keeps + cancels
    target = by_action(ACTIONS, {"hard_wall": 3.0, "trial_offer": 2.0}, default=1.0)  # of who is outside
    height = np.where(_OUTSIDE > 0, target - GRID.level("relation"), 1)
    return [(height, up), (-_TRIAL - 2 * _SUBSCRIBER, down), (0, 1 - up - down)]


def _initial_distribution() -> FloatArray:
    """Readers as they arrive: mostly anonymous, without habit, from search."""
    return GRID.distribution(
        {
            "relation": (0.65, 0.25, 0.02, 0.08),
            "habit": (0.3, 0.3, 0.2, 0.15, 0.05),
            "interest": (0.3, 0.4, 0.3),
            "walls_recent": (0.6, 0.25, 0.1, 0.05),
            "channel": (0.35, 0.4, 0.25),
        }
    )
