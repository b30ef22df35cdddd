"""A gift shop whose year has a season: what pays in November does not in March (864 states).

A customer is a kind x bond x wish x recent mail x month of the year, which turns by itself. What makes planning pay:

- demand and what it answers to move through the year (Gijsenberg 2017, Journal of Marketing Research 54(2)), and
  markdowns with it (Warner and Barsky 1995, Quarterly Journal of Economics 110(2));
- a wish raised before the season is sold at the full price in it; one sold early, at a discount, is gone when the
  season comes;
- mail tires, and off season it sells nothing; care builds the bond that lasts until the next year.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.grid import Grid, by_action, logistic, push_or_rest, up_or_down
from env.reference.parameters import Ranges, uniform_in
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("nothing", "catalogue", "early_bird", "clearance", "care"))
GRID = Grid(
    {
        "kind": ("planner", "spontaneous"),
        "bond": (0.0, 1.0, 2.0, 3.0),
        "wish": (0.0, 1.0, 2.0),
        "mail_recent": (0.0, 1.0, 2.0),
        "month": tuple(float(m) for m in range(1, 13)),
    }
)


@dataclass(frozen=True)
class SeasonalParameters:
    """Rates are probabilities a month; weights act on the logit; amounts are EUR."""

    basket_amount: tuple[float, float] = (60.0, 45.0)  # planner, spontaneous
    goods_cost_rate: float = 0.35  # share of the list price
    early_rate: float = 0.15  # below the list price
    clearance_rate: float = 0.3
    catalogue_cost_amount: float = 1.5
    care_cost_amount: float = 1.5
    peak_month: float = 11.5  # of the demand
    season_weight: float = 1.6  # half the way from the lowest to the highest logit of the year
    buy_level: float = -2.6  # logit at no wish, no bond, in the middle of the year's range
    buy_wish: float = 1.1  # a level
    buy_bond: float = 0.3  # a level
    catalogue_push: float = 0.3
    price_weight: tuple[float, float] = (4.0, 9.0)  # of a discount, off season; the season leaves a third of it
    mail_wear: float = 0.4  # a recent mail, on buying
    wish_rate: float = 0.1  # that a wish comes by itself
    catalogue_lift: float = 0.6  # on the wish
    wish_decay: float = 0.3  # in the quietest month, none at the peak
    churn_level: float = -1.9  # logit at no bond, no mail
    bond_hold: float = 0.7  # a level
    mail_push: float = 0.35  # a recent mail
    bond_rate: float = 0.15  # up, and down
    bond_bought: float = 0.3  # of a purchase, on the bond
    care_lift: float = 0.4
    cheap_drain: float = 0.04  # of a clearance offer, on the bond
    tiring_rate: float = 0.85
    rest_rate: float = 0.6
    noise_amount: float = 1.5  # standard deviation of what a staying customer pays beside
    discount: float = 0.96


RANGES: Ranges = {
    "goods_cost_rate": (0.32, 0.38),
    "early_rate": (0.12, 0.18),
    "clearance_rate": (0.27, 0.33),
    "catalogue_cost_amount": (1.0, 2.0),
    "care_cost_amount": (1.2, 1.8),
    "peak_month": (10.5, 12.5),
    "season_weight": (1.3, 1.9),
    "buy_level": (-2.9, -2.3),
    "buy_wish": (0.9, 1.3),
    "catalogue_lift": (0.5, 0.7),
    "churn_level": (-2.1, -1.7),
    "bond_hold": (0.6, 0.8),
    "mail_push": (0.25, 0.45),
    "care_lift": (0.35, 0.45),
}


def draw(rng: np.random.Generator) -> TabularMarket:
    """A market whose parameters are uniform in `RANGES`."""
    return seasonal_market(replace(SeasonalParameters(), **uniform_in(RANGES, rng)))


def seasonal_market(parameters: SeasonalParameters | None = None) -> TabularMarket:
    p = SeasonalParameters() if parameters is None else parameters
    off = by_action(ACTIONS, {"early_bird": p.early_rate, "clearance": p.clearance_rate})
    buys = _buy_rate(p, off)
    next_state, next_rate = _moves(p, buys)
    return TabularMarket(
        actions=ACTIONS,
        states=GRID.context(),
        initial_distribution=_initial_distribution(),
        churn_rate=_churn_rate(p),
        base_amount=np.zeros(buys.shape),
        bonus_rate=buys,
        bonus_amount=GRID.of("kind", p.basket_amount) * (1 - off - p.goods_cost_rate),
        cost_amount=by_action(ACTIONS, {"catalogue": p.catalogue_cost_amount, "care": p.care_cost_amount}),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
    )


def season(p: SeasonalParameters) -> FloatArray:
    """(n_states, 1) from -1 in the quietest month to 1 at the peak."""
    return np.asarray(np.cos((GRID.number("month") - p.peak_month) * np.pi / 6))


def rules(context: Context) -> list[tuple[BoolArray, str]]:
    """How the shop acted: by the calendar, and by who seemed to want something."""
    month, wish = context.numbers("month"), context.numbers("wish")
    return [
        ((month >= 9) & (wish >= 1), "early_bird"),
        (month >= 9, "catalogue"),
        ((month <= 2) | (wish == 2), "clearance"),
        (context.numbers("bond") == 0, "care"),
        (month >= 0, "nothing"),
    ]


def _buy_rate(p: SeasonalParameters, off: FloatArray) -> FloatArray:
    """(n_states, n_actions); in the season people buy at the list price too."""
    level = (
        p.buy_level + p.season_weight * season(p) + p.buy_wish * GRID.level("wish") + p.buy_bond * GRID.level("bond")
    )
    felt = GRID.of("kind", p.price_weight) * (2 - season(p)) / 3 * off
    level = level + felt + by_action(ACTIONS, {"catalogue": p.catalogue_push})
    return logistic(level - p.mail_wear * GRID.level("mail_recent"))


def _churn_rate(p: SeasonalParameters) -> FloatArray:
    """(n_states, n_actions); no action keeps or drives away by itself, only by what it leaves behind."""
    level = p.churn_level - p.bond_hold * GRID.level("bond") + p.mail_push * GRID.level("mail_recent")
    return np.broadcast_to(logistic(level), (GRID.n_states, len(ACTIONS)))


def _moves(p: SeasonalParameters, buys: FloatArray) -> tuple[IntArray, FloatArray]:
    """Next states and their rates: a purchase takes the wish with it, the month turns."""
    wishes = np.clip(p.wish_rate + by_action(ACTIONS, {"catalogue": p.catalogue_lift}), 0.0, 1.0) * (1 - buys)
    fades = p.wish_decay * (1 - season(p)) / 2 * (1 - buys - wishes)
    lift = p.bond_bought * buys + by_action(ACTIONS, {"care": p.care_lift, "clearance": -p.cheap_drain})
    mailed = by_action(ACTIONS, {"nothing": 0.0, "care": 0.4}, default=1.0)
    last = len(GRID.levels["month"]) - 1
    return GRID.moves(
        len(ACTIONS),
        {
            "bond": up_or_down(np.clip(p.bond_rate + lift, 0.01, 0.6), np.clip(p.bond_rate - lift, 0.01, 0.4)),
            "wish": [(-2, buys), (1, wishes), (-1, fades), (0, 1 - buys - wishes - fades)],
            "mail_recent": push_or_rest(p.tiring_rate * mailed, p.rest_rate),
            "month": [(np.where(GRID.level("month") == last, -last, 1), 1.0)],
        },
    )


def _initial_distribution() -> FloatArray:
    """Customers arrive in any month."""
    return GRID.distribution(
        {
            "kind": (0.45, 0.55),
            "bond": (0.35, 0.3, 0.2, 0.15),
            "wish": (0.5, 0.35, 0.15),
            "mail_recent": (0.6, 0.3, 0.1),
        }
    )
