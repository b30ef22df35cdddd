"""Doubly robust scores: one number a unit of observation, whose weighted mean is a policy's value.

A unit of observation is a round, or on a panel an episode. Differences of policies, also inside a segment, are means
of differences of scores; intervals are clustered by customer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import InsufficientOverlap
from domain.estimates import Diagnostics
from evaluation.clusters import clusters_of
from evaluation.diagnostics import effective_sample_size
from evaluation.intervals import interval, spread_of_influences


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval."""

    value: float
    low: float
    high: float
    stderr: float
    n: int


@dataclass(frozen=True)
class PolicyScores:
    """Scores of several policies on the same units of observation."""

    names: tuple[str, ...]
    scores: FloatArray  # (n, n_policies)
    importance_weight: FloatArray  # (n, n_policies) a panel: largest of the episode
    weight: FloatArray  # (n,) 1 / keep-probability
    cluster: IntArray  # (n,) unit codes
    first_row: IntArray  # (n,) its (first) row in the log: where segment masks are read
    diagnostics: tuple[Diagnostics, ...]
    refusals: tuple[tuple[str, ...], ...]  # a policy: what forbids to trust it; empty = nothing
    per: str  # what a value is counted in: "round", or "episode of up to 12 periods"

    def value(self, policy: int, rows: BoolArray | None = None, confidence: float = 0.95) -> Interval:
        """Expected reward of one policy a unit of observation, among `rows` (n,)."""
        return self._mean(self.scores[:, policy], rows, confidence)

    def difference(
        self, candidate: int, baseline: int, rows: BoolArray | None = None, confidence: float = 0.95
    ) -> Interval:
        """Candidate minus baseline on the same units of observation, among `rows` (n,)."""
        return self._mean(self.scores[:, candidate] - self.scores[:, baseline], rows, confidence)

    def ess(self, policy: int, rows: BoolArray | None = None) -> float:
        """Effective sample size of one policy among `rows` (n,)."""
        weight = self.weight * self.importance_weight[:, policy]
        return effective_sample_size(weight if rows is None else weight[rows])

    def _mean(self, scores: FloatArray, rows: BoolArray | None, confidence: float) -> Interval:
        if rows is None:
            return mean_interval(scores, self.weight, self.cluster, confidence)
        return mean_interval(scores[rows], self.weight[rows], self.cluster[rows], confidence)


def mean_interval(scores: FloatArray, weight: FloatArray, cluster: IntArray, confidence: float) -> Interval:
    """The weighted mean of scores (n,) with an interval clustered by unit.

    Raises:
        InsufficientOverlap: fewer than two units.
    """
    clusters = clusters_of(cluster)
    if clusters.n < 2:
        raise InsufficientOverlap(
            f"{clusters.n} unit cannot give an interval; expected at least 2", "choose a larger segment"
        )
    mean = float(np.average(scores, weights=weight))
    influence = clusters.sum((weight * (scores - mean))[None, :])[0] / weight.sum()
    spread = spread_of_influences(influence)
    low, high = interval(mean, spread, confidence)
    return Interval(mean, low, high, spread.stderr, len(scores))


def combine(parts: Sequence[FloatArray]) -> FloatArray:
    """(n, n_policies) from one array (n,) a policy."""
    return np.column_stack(list(parts))
