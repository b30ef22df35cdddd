"""The contract of an estimator: terms that add up over rounds, and a smooth function of their totals.

Whatever adds (a + b) can be streamed, sharded and bootstrapped by the same code. The standard error is the delta
method's: the gradient at the totals, applied to the cluster sums, is the influence of each unit.
Reference: van der Vaart (1998), Asymptotic Statistics, chapter 3.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import stdtrit

from domain.arrays import FloatArray, IntArray
from domain.estimates import PolicyValueEstimate
from evaluation.rounds import Rounds


class Estimator(Protocol):
    """value(totals) must not change when all rounds are doubled (homogeneous of degree 0)."""

    @property
    def name(self) -> str: ...

    @property
    def uses_weights(self) -> bool:
        """Whether it says nothing where no logged action could be the policy's."""
        ...

    def terms(self, rounds: Rounds) -> FloatArray:
        """(n_rounds, n_terms), to be summed."""
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
    cross: FloatArray  # (n_terms, n_terms) sum over clusters of the outer products of their sums
    n_clusters: int
    n_rounds: int
    weight: float  # sum of sample weight x importance weight
    squared_weight: float  # sum of their squares

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.total + other.total,
            self.cross + other.cross,
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
    terms = estimator.terms(rounds)
    sums = sum_by_cluster(terms, rounds.cluster)
    weight = rounds.sample_weight * rounds.importance_weight
    return Moments(
        terms.sum(axis=0), sums.T @ sums, len(sums), len(rounds), float(weight.sum()), float((weight**2).sum())
    )


def estimate_value(estimator: Estimator, moments: Moments, policy: str, confidence: float) -> PolicyValueEstimate:
    """Value and interval; at least two clusters.

    An estimator that uses no weights is as good as its model, whose error its interval leaves out: not to be trusted.
    """
    value = estimator.value(moments.total)
    gradient = estimator.gradient(moments.total)
    variance = max(float(gradient @ moments.cross @ gradient), 0.0)
    stderr = float(np.sqrt(variance * moments.n_clusters / (moments.n_clusters - 1)))
    half = interval_half_width(stderr, moments.n_clusters, confidence)
    return PolicyValueEstimate(
        policy,
        estimator.name,
        value,
        value - half,
        value + half,
        stderr,
        moments.ess,
        moments.n_rounds,
        trusted=estimator.uses_weights,
    )


def interval_half_width(stderr: float, n_clusters: int, confidence: float) -> float:
    """Student's t with n_clusters - 1 degrees of freedom."""
    return float(stdtrit(n_clusters - 1, 0.5 + confidence / 2)) * stderr


def sum_by_cluster(terms: FloatArray, cluster: IntArray) -> FloatArray:
    """(n_clusters, n_terms) sums of (n_rounds, n_terms)."""
    codes, place = np.unique(cluster, return_inverse=True)
    if len(codes) == len(cluster):
        return terms
    return np.column_stack([np.bincount(place, weights=column, minlength=len(codes)) for column in terms.T])


def ratio(total: FloatArray) -> float:
    """total[1] / total[0]."""
    return float(total[1] / total[0])


def ratio_gradient(total: FloatArray) -> FloatArray:
    """(2,) gradient of `ratio`."""
    return np.array([-total[1] / total[0] ** 2, 1.0 / total[0]])
