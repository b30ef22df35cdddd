"""A shop that decides monthly which promotion a customer gets, if any (960 states).

A customer is a segment x habit x pantry x recent messages x reference price. What makes planning pay:

- promotions are remembered: the price seen becomes the reference price, and the list price then feels like a loss
  (Kalyanaram and Winer 1995, Marketing Science 14(3); Greenleaf 1995, the same, 14(1));
- a sale sells next month's purchase too: the pantry fills, and who is stocked up does not buy (Hendel and Nevo 2006,
  Econometrica 74(6));
- what was bought because it was cheap builds no habit (Dodson, Tybout and Sternthal 1978, Journal of Marketing
  Research 15(1)); a reminder builds it, costs now, and messages tire.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.grid import Grid, by_action, logistic, push_or_rest, up_or_down
from env.reference.parameters import Ranges, uniform_in
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("nothing", "reminder", "coupon", "sale", "bundle"))
GRID = Grid(
    {
        "segment": ("bargain", "regular", "devoted"),
        "habit": (0.0, 1.0, 2.0, 3.0),
        "pantry": (0.0, 1.0, 2.0, 3.0),  # packs at home
        "messages_recent": (0.0, 1.0, 2.0, 3.0),
        "seen_price_ratio": (0.7, 0.775, 0.85, 0.925, 1.0),  # reference price / list price
    }
)


@dataclass(frozen=True)
class PromotionParameters:
    """Rates are probabilities a month; weights act on the logit; amounts are EUR."""

    basket_amount: tuple[float, float, float] = (28.0, 40.0, 55.0)  # at the list price; bargain, regular, devoted
    price_sensitivity: tuple[float, float, float] = (2.5, 1.0, 0.3)
    goods_cost_rate: float = 0.32  # share of the list price
    coupon_rate: float = 0.1  # below the list price
    sale_rate: float = 0.3
    bundle_rate: float = 0.25  # of two packs, the second of them often a smaller one
    reminder_cost_amount: float = 1.5
    coupon_cost_amount: float = 0.2
    buy_level: float = -1.6  # logit at no habit, an empty pantry, nothing felt
    buy_habit: float = 0.6  # a level
    buy_pantry: float = 0.9  # a pack that is still at home
    buy_reminded: float = 0.4
    loss_weight: float = 4.5  # of a price above the reference price, on buying
    gain_weight: float = 8.0  # of a price below it
    use_rate: float = 0.7  # that a pack is used up
    stock_rate: float = 0.6  # that a pack bought on sale goes to the pantry; fewer from a coupon, more of a bundle
    churn_level: float = -1.3  # logit at no habit and no messages
    habit_hold: float = 0.8  # a level
    message_push: float = 0.3  # a level
    tiring_rate: float = 0.7  # that a message adds a level of fatigue
    rest_rate: float = 0.45
    habit_rate: float = 0.6  # that a purchase at the list price adds a level of habit
    deal_share: float = 0.8  # of it, what is left of a purchase at a lower price
    habit_decay: float = 0.2
    reminder_lift: float = 0.2  # on habit
    message_drain: float = 0.04  # a level, on habit
    deal_drain: float = 0.06  # a level, of a sale or bundle, on habit
    reference_rate: float = 0.45  # that the reference price moves one level toward the price seen
    noise_amount: float = 2.0  # standard deviation of what a staying customer pays beside the promoted goods
    discount: float = 0.95


RANGES: Ranges = {
    "goods_cost_rate": (0.28, 0.36),
    "sale_rate": (0.25, 0.33),
    "bundle_rate": (0.22, 0.28),
    "reminder_cost_amount": (1.0, 2.0),
    "buy_level": (-1.8, -1.4),
    "buy_habit": (0.5, 0.7),
    "buy_pantry": (0.7, 1.1),
    "loss_weight": (3.5, 5.5),
    "gain_weight": (7.0, 9.0),
    "use_rate": (0.6, 0.8),
    "churn_level": (-1.5, -1.1),
    "habit_hold": (0.7, 0.9),
    "message_push": (0.25, 0.4),
    "rest_rate": (0.4, 0.55),
    "reminder_lift": (0.17, 0.23),
    "deal_drain": (0.04, 0.08),
    "reference_rate": (0.35, 0.55),
}


def draw(rng: np.random.Generator) -> TabularMarket:
    """A market whose parameters are uniform in `RANGES`."""
    return promotion_market(replace(PromotionParameters(), **uniform_in(RANGES, rng)))


def promotion_market(parameters: PromotionParameters | None = None) -> TabularMarket:
    p = PromotionParameters() if parameters is None else parameters
    off = by_action(ACTIONS, {"coupon": p.coupon_rate, "sale": p.sale_rate, "bundle": p.bundle_rate})
    packs = by_action(ACTIONS, {"bundle": 1.5}, default=1.0)
    buys = _buy_rate(p, 1 - off)
    next_state, next_rate = _moves(p, 1 - off, buys)
    return TabularMarket(
        actions=ACTIONS,
        states=GRID.context(),
        initial_distribution=_initial_distribution(),
        churn_rate=_churn_rate(p),
        base_amount=np.zeros(buys.shape),
        bonus_rate=buys,
        bonus_amount=GRID.of("segment", p.basket_amount) * packs * (1 - off - p.goods_cost_rate),
        cost_amount=by_action(ACTIONS, {"reminder": p.reminder_cost_amount, "coupon": p.coupon_cost_amount}),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
    )


def rules(context: Context) -> list[tuple[BoolArray, str]]:
    """How the shop acted: the cheaper, the longer it had not sold."""
    habit, pantry = context.numbers("habit"), context.numbers("pantry")
    return [
        ((habit <= 1) & (pantry == 0), "sale"),
        ((habit >= 2) & (pantry == 0), "bundle"),
        (pantry == 1, "coupon"),
        (context.numbers("messages_recent") == 0, "reminder"),
        (pantry >= 0, "nothing"),
    ]


def _buy_rate(p: PromotionParameters, price: FloatArray) -> FloatArray:
    """(n_states, n_actions) logistic; a loss against the reference price weighs more than an equal gain."""
    gap = price - GRID.number("seen_price_ratio")
    felt = p.gain_weight * np.maximum(-gap, 0) - p.loss_weight * np.maximum(gap, 0)
    level = p.buy_level + p.buy_habit * GRID.level("habit") - p.buy_pantry * GRID.level("pantry")
    return logistic(
        level + GRID.of("segment", p.price_sensitivity) * felt + by_action(ACTIONS, {"reminder": p.buy_reminded})
    )


def _churn_rate(p: PromotionParameters) -> FloatArray:
    """(n_states, n_actions); no action keeps or drives away by itself, only by what it leaves behind."""
    level = p.churn_level - p.habit_hold * GRID.level("habit") + p.message_push * GRID.level("messages_recent")
    return np.broadcast_to(logistic(level), (GRID.n_states, len(ACTIONS)))


def _moves(p: PromotionParameters, price: FloatArray, buys: FloatArray) -> tuple[IntArray, FloatArray]:
    """Next states and their rates: what was bought fills the pantry and, at the list price, builds habit."""
    stocked = by_action(ACTIONS, {"coupon": 0.3, "sale": 1.0, "bundle": 1.6}) * p.stock_rate * buys
    used = p.use_rate * (1 - stocked)
    messaged = by_action(ACTIONS, {"nothing": 0.0}, default=1.0)
    toward = np.sign(price - GRID.number("seen_price_ratio"))
    rises = p.habit_rate * buys * np.where(price == 1, 1.0, p.deal_share) + by_action(
        ACTIONS, {"reminder": p.reminder_lift}
    )
    falls = p.habit_decay + p.message_drain * messaged * GRID.level("messages_recent")
    falls = falls + by_action(ACTIONS, {"sale": p.deal_drain, "bundle": p.deal_drain}) * GRID.level("habit")
    rises = np.clip(rises, 0.0, 0.6)
    return GRID.moves(
        len(ACTIONS),
        {
            "habit": up_or_down(rises, np.clip(falls * (1 - rises), 0.0, 0.4)),
            "pantry": up_or_down(stocked, used),
            "messages_recent": push_or_rest(p.tiring_rate * messaged, p.rest_rate),
            "seen_price_ratio": [(toward, p.reference_rate), (0, 1 - p.reference_rate)],
        },
    )


def _initial_distribution() -> FloatArray:
    """A customer base as a shop finds it: used to some promotions, most pantries nearly empty."""
    return GRID.distribution(
        {
            "segment": (0.35, 0.45, 0.2),
            "habit": (0.3, 0.3, 0.25, 0.15),
            "pantry": (0.4, 0.3, 0.2, 0.1),
            "messages_recent": (0.5, 0.3, 0.15, 0.05),
            "seen_price_ratio": (0.1, 0.15, 0.25, 0.25, 0.25),
        }
    )
