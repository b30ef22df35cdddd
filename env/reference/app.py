"""An app that decides weekly how many ads a player sees, or which purchase is offered instead (720 states).

A player is a relation to paying x engagement x ad fatigue x recent offers x age in the game. What makes planning pay:

- ads earn by the session and cost later ones: the load is felt after weeks (Huang, Reiley and Riabov 2018, Measuring
  consumer sensitivity to audio advertising; Goldstein et al. 2014, Journal of Marketing Research 51(6));
- a first purchase, however small, makes the next one likelier, so the starter pack is worth more than it earns;
- offers wear out when they come too often, and gifts cost now and keep players.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.grid import Grid, by_action, logistic, push_or_rest, up_or_down
from env.reference.parameters import Ranges, uniform_in
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("no_ads", "light_ads", "heavy_ads", "starter_pack", "full_pack", "gift"))
GRID = Grid(
    {
        "payer": ("never", "once", "regular"),
        "engagement": (0.0, 1.0, 2.0, 3.0, 4.0),
        "ad_fatigue": (0.0, 1.0, 2.0, 3.0),
        "offers_recent": (0.0, 1.0, 2.0),
        "age_weeks": (0.0, 4.0, 12.0, 26.0),  # start of the band
    }
)


@dataclass(frozen=True)
class AppParameters:
    """Rates are probabilities a week; weights act on the logit; amounts are EUR."""

    session_amount: float = 0.5  # of an hour of heavy ads, a level of engagement (and one more)
    light_share: float = 0.5  # of it, of light ads
    starter_amount: float = 2.0  # after the store's commission
    full_amount: float = 10.0
    gift_cost_amount: float = 0.4
    accept_level: float = -4.2  # logit at no engagement, of the full pack, who never paid
    accept_engagement: float = 0.5  # a level
    accept_payer: tuple[float, float, float] = (0.0, 1.3, 2.4)  # never, once, regular
    accept_worn: float = 1.1  # a level of recent offers
    starter_lift: float = 1.5  # of the low price
    churn_level: float = -0.9  # logit at no engagement and no ad fatigue, first week
    engagement_hold: float = 0.75  # a level
    ad_push: float = 0.5  # a level
    age_hold: float = 0.25  # a band
    heavy_tiring_rate: float = 0.85  # that heavy ads add a level of fatigue
    light_tiring_rate: float = 0.08
    ad_rest_rate: float = 0.35
    wear_rate: float = 0.9  # that an offer adds a level of recent offers
    offer_rest_rate: float = 0.4
    engagement_rate: float = 0.2  # up, and down
    gift_lift: float = 0.2  # on engagement
    ad_drain: float = 0.08  # a level of ad fatigue
    offer_drain: float = 0.05  # a level of recent offers, while offering
    age_rate: float = 0.2  # to the next band
    forget_rate: float = 0.04  # that a payer stops being one, a level
    noise_amount: float = 0.3  # standard deviation of a week's ad income
    discount: float = 0.96


RANGES: Ranges = {
    "session_amount": (0.4, 0.6),
    "light_share": (0.45, 0.55),
    "full_amount": (8.0, 12.0),
    "gift_cost_amount": (0.3, 0.5),
    "accept_level": (-4.4, -4.0),
    "accept_engagement": (0.4, 0.6),
    "accept_worn": (0.9, 1.3),
    "starter_lift": (1.2, 1.8),
    "churn_level": (-1.1, -0.7),
    "engagement_hold": (0.65, 0.85),
    "ad_push": (0.4, 0.6),
    "heavy_tiring_rate": (0.8, 0.95),
    "gift_lift": (0.17, 0.24),
    "ad_drain": (0.06, 0.1),
}


def draw(rng: np.random.Generator) -> TabularMarket:
    """A market whose parameters are uniform in `RANGES`."""
    return app_market(replace(AppParameters(), **uniform_in(RANGES, rng)))


def app_market(parameters: AppParameters | None = None) -> TabularMarket:
    p = AppParameters() if parameters is None else parameters
    accepts = _accept_rate(p)
    load = by_action(ACTIONS, {"light_ads": p.light_share, "heavy_ads": 1.0})
    next_state, next_rate = _moves(p, accepts)
    return TabularMarket(
        actions=ACTIONS,
        states=GRID.context(),
        initial_distribution=_initial_distribution(),
        churn_rate=_churn_rate(p),
        base_amount=p.session_amount * (1 + GRID.level("engagement")) * load,
        bonus_rate=accepts,
        bonus_amount=by_action(ACTIONS, {"starter_pack": p.starter_amount, "full_pack": p.full_amount})
        * np.ones((GRID.n_states, 1)),
        cost_amount=by_action(ACTIONS, {"gift": p.gift_cost_amount}),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
    )


def rules(context: Context) -> list[tuple[BoolArray, str]]:
    """How the app acted: sell to who plays much, ads for the rest, gifts for who hardly plays."""
    engagement, payer = context.numbers("engagement"), context.column("payer")
    return [
        (engagement == 0, "gift"),
        ((engagement >= 3) & (payer != "never"), "full_pack"),
        ((engagement >= 3) & (context.numbers("offers_recent") == 0), "starter_pack"),
        (context.numbers("ad_fatigue") <= 1, "heavy_ads"),
        (engagement >= 0, "light_ads"),
    ]


def _accept_rate(p: AppParameters) -> FloatArray:
    """(n_states, n_actions) probability that the pack on offer is bought; zero where none is."""
    level = p.accept_level + p.accept_engagement * GRID.level("engagement") + GRID.of("payer", p.accept_payer)
    offered = by_action(ACTIONS, {"starter_pack": 1.0, "full_pack": 1.0})
    lift = by_action(ACTIONS, {"starter_pack": p.starter_lift})
    return logistic(level - p.accept_worn * GRID.level("offers_recent") + lift) * offered


def _churn_rate(p: AppParameters) -> FloatArray:
    """(n_states, n_actions); an ad load drives away by the fatigue it leaves."""
    level = p.churn_level - p.engagement_hold * GRID.level("engagement") + p.ad_push * GRID.level("ad_fatigue")
    level = level - p.age_hold * GRID.level("age_weeks")
    return np.broadcast_to(logistic(level), (GRID.n_states, len(ACTIONS)))


def _moves(p: AppParameters, accepts: FloatArray) -> tuple[IntArray, FloatArray]:
    """Next states and their rates: who buys becomes a payer, who sees ads tires, who is given something plays."""
    tires = by_action(ACTIONS, {"light_ads": p.light_tiring_rate, "heavy_ads": p.heavy_tiring_rate})
    offered = by_action(ACTIONS, {"starter_pack": 1.0, "full_pack": 1.0})
    drain = p.ad_drain * GRID.level("ad_fatigue") + p.offer_drain * offered * GRID.level("offers_recent")
    lift = by_action(ACTIONS, {"gift": p.gift_lift}) - drain
    return GRID.moves(
        len(ACTIONS),
        {
            "payer": up_or_down(accepts, p.forget_rate * (1 - accepts)),
            "engagement": up_or_down(
                np.clip(p.engagement_rate + lift, 0.01, 0.6), np.clip(p.engagement_rate - lift, 0.01, 0.4)
            ),
            "ad_fatigue": push_or_rest(tires, p.ad_rest_rate),
            "offers_recent": push_or_rest(p.wear_rate * offered, p.offer_rest_rate),
            "age_weeks": [(0, 1 - p.age_rate), (1, p.age_rate)],
        },
    )


def _initial_distribution() -> FloatArray:
    """Mostly new players who never paid."""
    return GRID.distribution(
        {
            "payer": (0.8, 0.15, 0.05),
            "engagement": (0.2, 0.25, 0.25, 0.2, 0.1),
            "ad_fatigue": (0.5, 0.3, 0.15, 0.05),
            "offers_recent": (0.7, 0.2, 0.1),
            "age_weeks": (0.5, 0.25, 0.15, 0.1),
        }
    )
