"""The contract of an estimator: terms that add up over rounds, and a smooth function of their totals.

Whatever adds (a + b) can be streamed, sharded and bootstrapped by the same code. The standard error is the delta
method's: the gradient at the totals, applied to the cluster sums, is the influence of each unit.
Reference: van der Vaart (1998), Asymptotic Statistics, chapter 3.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Protocol

import numpy as np

from domain.arrays import FloatArray
from domain.estimates import PolicyValueEstimate
from evaluation.intervals import Spread, interval, spread_of, spread_of_influences
from evaluation.rounds import Rounds

LEAST_DIGITS = 1e-10  # of the terms of a variance that may cancel; doubles hold 1e-16 of them


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
    return moments_of(rounds.clusters.sum(estimator.terms(rounds)), len(rounds), *rounds.weight_sums)


def moments_of(sums: FloatArray, n_rounds: int, weight: float, squared_weight: float) -> Moments:
    """From the terms (n_terms, n_clusters) of each cluster."""
    n_terms, n_clusters = sums.shape
    third = np.empty((n_terms, n_terms, n_terms))
    for i, j in combinations_with_replacement(range(n_terms), 2):
        third[i, j] = third[j, i] = sums @ (sums[i] * sums[j])
    return Moments(sums.sum(axis=1), sums @ sums.T, third, n_clusters, n_rounds, weight, squared_weight)


def estimate_value(estimator: Estimator, moments: Moments, policy: str, confidence: float) -> PolicyValueEstimate:
    """Value and interval from moments; at least two clusters."""
    point = point_of(estimator.value(moments.total), estimator.gradient(moments.total), moments)
    return _estimate(estimator, point, policy, confidence, moments.ess, moments.n_rounds)


def estimate_rounds(estimator: Estimator, rounds: Rounds, policy: str, confidence: float) -> PolicyValueEstimate:
    """The same from the rounds themselves: keeps the digits that moments of large rewards lose, and is faster."""
    point = locate(estimator, rounds)
    weight, squared = rounds.weight_sums
    return _estimate(estimator, point, policy, confidence, weight**2 / squared if squared > 0 else 0.0, len(rounds))


@dataclass(frozen=True)
class Point:
    """A value and how uncertain it is."""

    value: float
    spread: Spread
    has_digits: bool = True  # False: the spread is what rounding left over


def point_of(value: float, gradient: FloatArray, moments: Moments) -> Point:
    """A value with its gradient (n_terms,) at the totals."""
    second = float(gradient @ moments.cross @ gradient)
    third = float(moments.third @ gradient @ gradient @ gradient)
    largest = float(np.abs(gradient) @ np.abs(moments.cross) @ np.abs(gradient))
    return Point(value, spread_of(second, third, moments.n_clusters), has_digits=second >= LEAST_DIGITS * largest)


def locate(estimator: Estimator, rounds: Rounds) -> Point:
    """Value and spread on rounds in memory."""
    sums = rounds.clusters.sum(estimator.terms(rounds))
    total = sums.sum(axis=1)
    return Point(estimator.value(total), spread_of_influences(estimator.gradient(total) @ sums))


def _estimate(
    estimator: Estimator, point: Point, policy: str, confidence: float, ess: float, n_rounds: int
) -> PolicyValueEstimate:
    low, high = interval(point.value, point.spread, confidence)
    stderr, trusted = point.spread.stderr, estimator.is_consistent and point.has_digits
    return PolicyValueEstimate(policy, estimator.name, point.value, low, high, stderr, ess, n_rounds, trusted=trusted)


def ratio(total: FloatArray) -> float:
    """total[1] / total[0]."""
    return float(total[1] / total[0])


def ratio_gradient(total: FloatArray) -> FloatArray:
    """(2,) gradient of `ratio`."""
    return np.array([-total[1] / total[0] ** 2, 1.0 / total[0]])
