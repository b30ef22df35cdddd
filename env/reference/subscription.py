"""The first reference market: a subscription business that decides monthly, per customer.

A customer is a plan x tenure x recent contacts x engagement x reference price (960 states). What makes planning pay:

- what was paid becomes the reference price; paying above it drives customers away, below it keeps them, so a discount
  is bought twice: once now, once when the list price returns (Popescu and Wu 2007, Operations Research 55(3));
- contacts tire: the fatigue they leave lowers engagement and raises churn for months;
- an upsell earns now and costs engagement; a retention contact costs now and builds it.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from domain.actions import ActionSet
from domain.arrays import FloatArray, IntArray
from domain.context import Context
from env.reference.parameters import SubscriptionParameters
from env.reference.tabular import TabularMarket

ACTIONS = ActionSet(("nothing", "price_rise", "discount", "retention_contact", "upsell"))
PLANS = ("basic", "standard", "premium")
TENURE_MONTHS = (1.0, 4.0, 12.0, 24.0)  # start of the band
PRICE_RATIOS = (0.75, 0.875, 1.0, 1.125, 1.25)  # reference price / list price
LEVELS = 4  # of recent contacts and of engagement: 0..3
_SHAPE = (len(PLANS), len(TENURE_MONTHS), LEVELS, LEVELS, len(PRICE_RATIOS))
_CONTACTS = np.array([False, False, False, True, True])  # which actions the customer feels as a contact


def subscription_market(parameters: SubscriptionParameters | None = None) -> TabularMarket:
    """The market of `parameters`, by default the one that demo and documentation use."""
    p = SubscriptionParameters() if parameters is None else parameters
    s = _States.all()
    price = np.array([1.0, 1.0 + p.rise_rate, 1.0 - p.discount_rate, 1.0, 1.0])
    list_price = np.array(p.list_price_amount)[s.plan][:, None]
    next_state, next_rate = _moves(p, s, price)
    return TabularMarket(
        actions=ACTIONS,
        states=s.context(),
        initial_distribution=_initial_distribution(s),
        churn_rate=_churn_rate(p, s, price),
        base_amount=list_price * (price - p.service_cost_rate),
        bonus_rate=_upsell_rate(p, s),
        bonus_amount=list_price * p.upsell_rate * np.ones(len(ACTIONS)),
        cost_amount=np.array([0.0, 0.0, 0.0, p.contact_cost_amount, p.upsell_cost_amount]),
        noise_amount=p.noise_amount,
        next_state=next_state,
        next_rate=next_rate,
        discount=p.discount,
    )


@dataclass(frozen=True)
class _States:
    """Every combination of levels, in the order of the state index; each (n_states,)."""

    plan: IntArray
    tenure: IntArray
    fatigue: IntArray
    engagement: IntArray
    reference: IntArray

    @staticmethod
    def all() -> "_States":
        return _States(*np.unravel_index(np.arange(int(np.prod(_SHAPE))), _SHAPE))

    def context(self) -> Context:
        columns = {
            "plan": np.array(PLANS, dtype=object)[self.plan],
            "tenure_months": np.array(TENURE_MONTHS)[self.tenure],
            "contacts_recent": self.fatigue.astype(np.float64),
            "engagement": self.engagement.astype(np.float64),
            "paid_price_ratio": np.array(PRICE_RATIOS)[self.reference],
        }
        return Context(columns, len(self.plan))


def _churn_rate(p: SubscriptionParameters, s: _States, price: FloatArray) -> FloatArray:
    """(n_states, n_actions) logistic; a loss against the reference price weighs more than an equal gain."""
    gap = price[None, :] - np.array(PRICE_RATIOS)[s.reference][:, None]
    felt = p.loss_weight * np.maximum(gap, 0) - p.gain_weight * np.maximum(-gap, 0)
    level = p.churn_level - p.engagement_hold * s.engagement - p.tenure_hold * s.tenure + p.fatigue_push * s.fatigue
    sensitivity = np.array(p.price_sensitivity)[s.plan]
    contacted = -p.contact_hold * (np.arange(len(ACTIONS)) == ACTIONS.index("retention_contact"))
    return _logistic(level[:, None] + sensitivity[:, None] * felt + contacted)


def _upsell_rate(p: SubscriptionParameters, s: _States) -> FloatArray:
    """(n_states, n_actions) probability that an upsell is accepted; zero for every other action."""
    accepts = _logistic(p.upsell_level + p.upsell_engagement * s.engagement - p.upsell_fatigue * s.fatigue)
    rate = np.zeros((len(s.plan), len(ACTIONS)))
    rate[:, ACTIONS.index("upsell")] = accepts
    return rate


def _moves(p: SubscriptionParameters, s: _States, price: FloatArray) -> tuple[IntArray, FloatArray]:
    """Next states and their probabilities, (n_states, n_actions, 24): four independent small moves at once."""
    shape = (len(s.plan), len(ACTIONS))
    one = np.ones(shape)
    tenure = [(0, one - p.tenure_rate), (1, p.tenure_rate * one)]
    fatigue = [(0, np.where(_CONTACTS, 1 - p.tiring_rate, 1 - p.rest_rate) * one)]
    fatigue += [(1, np.where(_CONTACTS, p.tiring_rate, 0.0) * one), (-1, np.where(_CONTACTS, 0.0, p.rest_rate) * one)]
    rises, falls = _engagement_rates(p, s, price)
    engagement = [(1, rises), (-1, falls), (0, 1 - rises - falls)]
    toward = np.sign(price[None, :] - np.array(PRICE_RATIOS)[s.reference][:, None]).astype(np.int64)
    reference = [(toward * 0, one - p.reference_rate), (toward, p.reference_rate * one)]
    branches = [(t, f, e, r) for t in tenure for f in fatigue for e in engagement for r in reference]
    next_state = np.empty((*shape, len(branches)), dtype=np.int64)
    next_rate = np.empty((*shape, len(branches)))
    for b, (t, f, e, r) in enumerate(branches):
        levels = (s.plan, s.tenure + t[0], s.fatigue + f[0], s.engagement + e[0])
        columns = [np.broadcast_to(np.asarray(level)[:, None], shape) for level in levels]
        columns.append(s.reference[:, None] + r[0])
        clipped = [np.clip(c, 0, n - 1) for c, n in zip(columns, _SHAPE, strict=True)]
        next_state[:, :, b] = np.ravel_multi_index(tuple(clipped), _SHAPE)
        next_rate[:, :, b] = reduce(np.multiply, (t[1], f[1], e[1], r[1]))
    return next_state, next_rate


def _engagement_rates(p: SubscriptionParameters, s: _States, price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(n_states, n_actions) probabilities that engagement rises and falls by one."""
    lift = np.zeros(len(ACTIONS))
    lift[ACTIONS.index("retention_contact")] = p.contact_lift
    lift[ACTIONS.index("upsell")] = -p.upsell_drain
    lift = lift + p.price_lift * (1 - price)
    tired = np.where(_CONTACTS, 1.0, 0.5)[None, :] * s.fatigue[:, None] * p.fatigue_drain
    rises = np.clip(p.engagement_rate + lift - tired, 0.01, 0.6)
    falls = np.clip(p.engagement_rate - lift + tired, 0.01, 0.39)
    return rises, falls


def _initial_distribution(s: _States) -> FloatArray:
    """A customer base as a business finds it: all plans, mostly young, mostly rested, near the list price."""
    shares = (
        np.array([0.4, 0.4, 0.2])[s.plan],
        np.array([0.4, 0.3, 0.2, 0.1])[s.tenure],
        np.array([0.6, 0.25, 0.1, 0.05])[s.fatigue],
        np.array([0.2, 0.3, 0.3, 0.2])[s.engagement],
        np.array([0.1, 0.2, 0.5, 0.15, 0.05])[s.reference],
    )
    return reduce(np.multiply, shares)


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))
