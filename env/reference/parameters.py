"""The numbers of the subscription market, their default, and the ranges from which a seed draws others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

Ranges: TypeAlias = Mapping[str, tuple[float, float]]  # name of a parameter -> lowest and highest


@dataclass(frozen=True)
class SubscriptionParameters:
    """Rates are probabilities a month; weights act on the logit; amounts are EUR a month."""

    list_price_amount: tuple[float, float, float] = (12.0, 20.0, 35.0)  # basic, standard, premium
    price_sensitivity: tuple[float, float, float] = (1.6, 1.0, 0.6)  # basic, standard, premium
    service_cost_rate: float = 0.3  # share of the list price
    rise_rate: float = 0.25  # above the list price
    discount_rate: float = 0.25  # below the list price
    churn_level: float = -1.4  # logit at no engagement, no fatigue, first month, nothing felt
    loss_weight: float = 7.0  # of paying above the reference price
    gain_weight: float = 3.0  # of paying below it
    engagement_hold: float = 0.75  # a level
    tenure_hold: float = 0.2  # a band
    fatigue_push: float = 0.35  # a level
    contact_hold: float = 0.5  # of a retention contact, on this month's churn
    contact_cost_amount: float = 2.5
    upsell_cost_amount: float = 0.5
    upsell_rate: float = 1.2  # what an accepted upsell brings, share of the list price
    upsell_level: float = -2.0  # logit of acceptance at no engagement
    upsell_engagement: float = 0.9  # a level
    upsell_fatigue: float = 0.6  # a level
    tenure_rate: float = 0.15  # to the next band
    tiring_rate: float = 0.9  # that a contact adds a level of fatigue
    rest_rate: float = 0.45  # that a month without contact takes one away
    engagement_rate: float = 0.18  # up, and down
    contact_lift: float = 0.28  # of a retention contact on engagement
    upsell_drain: float = 0.12  # of an upsell on engagement
    price_lift: float = 0.2  # of a price below list on engagement
    fatigue_drain: float = 0.05  # a level
    reference_rate: float = 0.6  # that the reference price moves one level toward what was paid
    noise_amount: float = 2.0  # standard deviation of a staying customer's payment
    discount: float = 0.95


# Over 400 draws the best constant action scored at most .83.
RANGES: Ranges = {
    "rise_rate": (0.15, 0.27),
    "discount_rate": (0.15, 0.3),
    "churn_level": (-1.7, -1.1),
    "loss_weight": (5.0, 9.0),
    "gain_weight": (2.0, 4.0),
    "engagement_hold": (0.6, 0.9),
    "fatigue_push": (0.3, 0.5),
    "contact_hold": (0.3, 0.6),
    "contact_cost_amount": (2.0, 3.5),
    "upsell_rate": (1.0, 1.5),
    "upsell_engagement": (0.7, 1.0),
    "upsell_fatigue": (0.4, 0.8),
    "rest_rate": (0.4, 0.55),
    "contact_lift": (0.22, 0.3),
    "upsell_drain": (0.08, 0.16),
    "fatigue_drain": (0.03, 0.07),
    "reference_rate": (0.45, 0.75),
}


def draw_parameters(rng: np.random.Generator) -> SubscriptionParameters:
    """Each number of `RANGES` uniform in its range, the others at their default."""
    return replace(SubscriptionParameters(), **uniform_in(RANGES, rng))


def uniform_in(ranges: Ranges, rng: np.random.Generator) -> dict[str, Any]:
    """One number a range, drawn in their order; `Any` because records hold more kinds of fields than these."""
    return {name: float(rng.uniform(low, high)) for name, (low, high) in ranges.items()}
