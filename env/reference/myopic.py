"""A checkout that shows one offer a month, and nothing that it shows changes who comes back (384 states).

A customer is a segment x engagement x cart x recent visits x device. Churn and every move are the customer's own
affair, so the action that earns most now is the best there is, and the best bandit is optimal: who plans here only
adds noise.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from env.reference.grid import Grid, by_action, logistic, up_or_down
from env.reference.parameters import Ranges, uniform_in
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("nothing", "free_shipping", "discount", "bundle", "premium"))
GRID = Grid(
    {
        "segment": ("bargain", "regular", "affluent"),
        "engagement": (0.0, 1.0, 2.0, 3.0),
        "cart_amount": (15.0, 30.0, 60.0, 120.0),
        "visits_recent": (0.0, 1.0, 2.0, 3.0),
        "device": ("desktop", "phone"),
    }
)


@dataclass(frozen=True)
class MyopicParameters:
    """Rates are probabilities a month; weights act on the logit; amounts are EUR."""

    margin_rate: float = 0.4  # share of the cart
    shipping_amount: float = 5.0  # what free shipping costs where something is bought
    discount_rate: float = 0.15
    bundle_amount: float = 7.0  # margin of what is added
    premium_amount: float = 30.0  # margin of the better version
    buy_level: float = -1.2  # logit at no engagement, first visit
    buy_engagement: float = 0.4  # a level
    buy_visits: float = 0.2  # a level
    shipping_lift: tuple[float, float, float, float] = (2.6, 1.4, 0.3, 0.0)  # by cart: who buys little minds shipping
    discount_lift: tuple[float, float, float] = (2.4, 0.6, 0.0)  # bargain, regular, affluent
    bundle_push: float = -0.1
    premium_push: tuple[float, float, float] = (-3.0, -1.4, 0.4)  # bargain, regular, affluent
    phone_push: float = -0.8  # on a phone nobody reads about bundles and better versions
    churn_level: float = -1.6  # logit at no engagement
    engagement_hold: float = 0.5  # a level
    move_rate: float = 0.2  # up, and down, of engagement and recent visits
    cart_rate: float = 0.3  # up, and down
    noise_amount: float = 4.0  # standard deviation of a month's margin, which is an average over its visits
    discount: float = 0.95


RANGES: Ranges = {
    "margin_rate": (0.35, 0.45),
    "shipping_amount": (4.0, 6.0),
    "discount_rate": (0.12, 0.18),
    "bundle_amount": (5.0, 9.0),
    "premium_amount": (24.0, 36.0),
    "buy_level": (-1.4, -1.0),
    "buy_engagement": (0.3, 0.5),
    "phone_push": (-1.0, -0.6),
    "churn_level": (-1.8, -1.4),
}


def draw(rng: np.random.Generator) -> TabularMarket:
    """A market whose parameters are uniform in `RANGES`."""
    return myopic_market(replace(MyopicParameters(), **uniform_in(RANGES, rng)))


def myopic_market(parameters: MyopicParameters | None = None) -> TabularMarket:
    p = MyopicParameters() if parameters is None else parameters
    buys = _buy_rate(p)
    next_state, next_rate = GRID.moves(
        len(ACTIONS),
        {
            "engagement": up_or_down(p.move_rate, p.move_rate),
            "cart_amount": up_or_down(p.cart_rate, p.cart_rate),
            "visits_recent": up_or_down(p.move_rate, p.move_rate),
        },
    )
    churn_rate = logistic(p.churn_level - p.engagement_hold * GRID.level("engagement"))
    return TabularMarket(
        actions=ACTIONS,
        states=GRID.context(),
        initial_distribution=GRID.distribution({"segment": (0.4, 0.4, 0.2), "device": (0.45, 0.55)}),
        churn_rate=np.broadcast_to(churn_rate, buys.shape),
        base_amount=buys * _margin(p),
        bonus_rate=np.zeros(buys.shape),
        bonus_amount=np.zeros(buys.shape),
        cost_amount=np.zeros(len(ACTIONS)),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
    )


def rules(context: Context) -> list[tuple[BoolArray, str]]:
    """How the shop acted: free shipping for small carts, the better version for who comes often."""
    cart, visits = context.numbers("cart_amount"), context.numbers("visits_recent")
    return [
        (cart <= 15, "free_shipping"),
        ((visits == 0) & (cart <= 60), "discount"),
        (visits == 3, "premium"),
        (context.numbers("engagement") >= 2, "bundle"),
        (cart >= 0, "nothing"),
    ]


def _buy_rate(p: MyopicParameters) -> FloatArray:
    """(n_states, n_actions) logistic."""
    level = p.buy_level + p.buy_engagement * GRID.level("engagement") + p.buy_visits * GRID.level("visits_recent")
    lift = by_action(ACTIONS, {"free_shipping": 1.0}) * GRID.of("cart_amount", p.shipping_lift)
    lift = lift + by_action(ACTIONS, {"discount": 1.0}) * GRID.of("segment", p.discount_lift)
    lift = lift + by_action(ACTIONS, {"premium": 1.0}) * GRID.of("segment", p.premium_push)
    lift = lift + by_action(ACTIONS, {"bundle": p.bundle_push})
    unread = by_action(ACTIONS, {"bundle": p.phone_push, "premium": p.phone_push}) * GRID.level("device")
    return logistic(level + lift + unread)


def _margin(p: MyopicParameters) -> FloatArray:
    """(n_states, n_actions) EUR of a purchase."""
    rate = p.margin_rate - by_action(ACTIONS, {"discount": p.discount_rate})
    added = {"free_shipping": -p.shipping_amount, "bundle": p.bundle_amount, "premium": p.premium_amount}
    return GRID.number("cart_amount") * rate + by_action(ACTIONS, added)
