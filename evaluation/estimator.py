"""The contract of an estimator: terms that add up over rounds, and a smooth function of their totals.

Whatever adds (a + b) can be streamed, sharded and bootstrapped by the same code. The standard error is the delta
method's: the gradient at the totals, applied to the cluster sums, is the influence of each unit.
Reference: van der Vaart (1998), Asymptotic Statistics, chapter 3.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from domain.arrays import FloatArray
from domain.estimates import PolicyValueEstimate
from evaluation.intervals import Spread, interval, spread_of
from evaluation.rounds import Rounds


class Estimator(Protocol):
    """value(totals) must not change when all rounds are doubled (homogeneous of degree 0)."""

    @property
    def name(self) -> str: ...

    @property
    def uses_weights(self) -> bool:
        """Whether it says nothing where no logged action could be the policy's."""
        ...

    @property
    def is_consistent(self) -> bool:
        """Whether right propensities alone make it right: else its interval leaves out its bias, and is not trusted."""
        ...

    def terms(self, rounds: Rounds) -> FloatArray:
        """(n_terms, n_rounds), to be summed."""
        ...

    def value(self, total: FloatArray) -> float:
        """The policy value, from summed terms (n_terms,)."""
        ...

    def gradient(self, total: FloatArray) -> FloatArray:
        """(n_terms,) d value / d total."""
        ...


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of one estimator on some rounds; they add as long as no unit is on both sides."""

    total: FloatArray  # (n_terms,)
    cross: FloatArray  # (n_terms, n_terms) sum over clusters of the products of their sums
    third: FloatArray  # (n_terms, n_terms, n_terms) the same of three at a time
    n_clusters: int
    n_rounds: int
    weight: float  # sum of sample weight x importance weight
    squared_weight: float  # sum of their squares

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.total + other.total,
            self.cross + other.cross,
            self.third + other.third,
            self.n_clusters + other.n_clusters,
            self.n_rounds + other.n_rounds,
            self.weight + other.weight,
            self.squared_weight + other.squared_weight,
        )

    @property
    def ess(self) -> float:
        """Kish's effective sample size."""
        return self.weight**2 / self.squared_weight if self.squared_weight > 0 else 0.0


def collect_moments(estimator: Estimator, rounds: Rounds) -> Moments:
    """The moments of some rounds."""
    sums = rounds.clusters.sum(estimator.terms(rounds))
    n_terms = len(sums)
    above, right = np.triu_indices(n_terms)
    pairs = sums[above] * sums[right]
    third = np.empty((n_terms, n_terms, n_terms))
    third[above, right] = third[right, above] = pairs @ sums.T
    return Moments(sums.sum(axis=1), sums @ sums.T, third, rounds.clusters.n, len(rounds), *rounds.weight_sums)


def estimate_value(estimator: Estimator, moments: Moments, policy: str, confidence: float) -> PolicyValueEstimate:
    """Value and interval; at least two clusters."""
    value, spread = value_and_spread(estimator, moments)
    low, high = interval(value, spread, confidence)
    return PolicyValueEstimate(
        policy,
        estimator.name,
        value,
        low,
        high,
        spread.stderr,
        moments.ess,
        moments.n_rounds,
        trusted=estimator.is_consistent,
    )


def value_and_spread(estimator: Estimator, moments: Moments) -> tuple[float, Spread]:
    """The value and how uncertain it is, by the delta method."""
    gradient = estimator.gradient(moments.total)
    second = float(gradient @ moments.cross @ gradient)
    third = float(moments.third @ gradient @ gradient @ gradient)
    return estimator.value(moments.total), spread_of(second, third, moments.n_clusters)


def ratio(total: FloatArray) -> float:
    """total[1] / total[0]."""
    return float(total[1] / total[0])


def ratio_gradient(total: FloatArray) -> FloatArray:
    """(2,) gradient of `ratio`."""
    return np.array([-total[1] / total[0] ** 2, 1.0 / total[0]])
