"""Rewards that are mostly one value: whether a customer buys at all, then how much (Cragg 1971, Econometrica 39(5)).

    E[reward | stays] = atom[action] + P(purchase | context, action) * E[spend | context, action, purchase]

The atom is what an action earns without a purchase: nothing, or less what the action costs. Spend is reward - atom;
where all spends are positive and skewed it is modelled in logs, and its mean brought back by smearing (Duan 1983,
JASA 78), here as a ratio an action, so that predicted spends add up to logged ones whatever the residuals depend on.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions

LEAST_SHARE, MOST_SHARE = 0.05, 0.995  # of an action's rounds on its atom
MIN_ROUNDS = 50  # of an action, before its own rounds can tell whether it has an atom
MIN_PURCHASES = 30  # in the log; fewer tell nothing about spend
SPREAD = 0.5  # largest share of one value among the other rewards, where the atom is above zero
SKEWED = 1.0  # skewness from which positive spends are modelled in logs
PRIOR_PURCHASES = 10.0  # of all actions together, added to an action's own when smearing


@dataclass(frozen=True)
class Hurdle:
    """What no purchase earns, and the form of spend."""

    atom: FloatArray  # (n_actions,)
    in_logs: bool  # spend = exp(linear) * residual, else linear + residual

    def spend(self, reward: FloatArray, action: IntArray) -> FloatArray:
        """(n,) reward above the atom; exactly zero without a purchase."""
        return reward - self.atom[action]

    def target(self, spend: FloatArray) -> FloatArray:
        """(n,) what the regression of spend sees; zero without a purchase."""
        return np.log(np.where(spend > 0, spend, 1.0)) if self.in_logs else spend

    def expected_spend(self, linear: FloatArray) -> FloatArray:
        """(n,) of a purchase, from the regression's mean."""
        return np.exp(linear) if self.in_logs else linear

    def drawn_spend(self, linear: FloatArray, residual: FloatArray) -> FloatArray:
        """(n,) of a purchase, with a residual of the pool."""
        return np.exp(linear) * residual if self.in_logs else linear + residual


def find_hurdle(log: LoggedDecisions, stays: BoolArray) -> Hurdle | None:
    """The hurdle of the rewards of rounds `stays` (n_rounds,); None where some action often tried has no atom."""
    modes = [_mode(log.reward[stays & (log.action == a)]) for a in range(log.n_actions)]
    rewards = log.reward[stays]
    own = np.array([n >= MIN_ROUNDS for _, _, n in modes])
    if not own.any():
        modes, own = [_mode(rewards)] * log.n_actions, np.array([len(rewards) >= MIN_ROUNDS] * log.n_actions)
    if not own.any() or any(share < LEAST_SHARE for (_, share, _), kept in zip(modes, own, strict=True) if kept):
        return None
    overall = _mode(np.array([value for (value, _, _), kept in zip(modes, own, strict=True) if kept]))[0]
    atom = np.array([value if kept else overall for (value, _, _), kept in zip(modes, own, strict=True)])
    spend = (log.reward - atom[log.action])[stays]
    bought = spend != 0
    if bought.sum() < MIN_PURCHASES or 1 - bought.mean() > MOST_SHARE:
        return None
    if (atom > 0).any() and _mode(spend[bought])[1] > SPREAD:  # a few price tiers, not a purchase
        return None
    return Hurdle(atom, in_logs=bool((spend[bought] > 0).all() and _skewness(spend[bought]) > SKEWED))


def smeared(spend: FloatArray, predicted: FloatArray, weight: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """(n_groups,) factor that makes `predicted` spends add up to the logged ones; rare groups borrow from all."""
    overall, n = float((weight * spend).sum() / (weight * predicted).sum()), float(weight.sum())
    mean = float((weight * predicted).sum()) / n
    logged = np.bincount(group, weights=weight * spend, minlength=n_groups) + PRIOR_PURCHASES * mean * overall
    foretold = np.bincount(group, weights=weight * predicted, minlength=n_groups) + PRIOR_PURCHASES * mean
    return np.asarray(logged / foretold, dtype=np.float64)


def _mode(values: FloatArray) -> tuple[float, float, int]:
    """The most frequent value, its share, and how many values there are."""
    if not len(values):
        return 0.0, 0.0, 0
    distinct, counts = np.unique(values, return_counts=True)
    place = int(counts.argmax())
    return float(distinct[place]), float(counts[place] / len(values)), len(values)


def _skewness(values: FloatArray) -> float:
    away = values - values.mean()
    variance = float((away**2).mean())
    return float((away**3).mean() / variance**1.5) if variance > 0 else 0.0
