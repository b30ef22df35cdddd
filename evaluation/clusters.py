"""Customers as clusters: rounds of one unit are not independent, sums over units are."""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Clusters:
    """Which rounds belong together."""

    code: IntArray | None  # (n_rounds,) from 0, without gaps; None where every round is its own cluster
    n: int

    def sum(self, terms: FloatArray) -> FloatArray:
        """(n_terms, n_clusters) sums of (n_terms, n_rounds)."""
        if self.code is None:
            return terms
        return np.stack([np.bincount(self.code, weights=row, minlength=self.n) for row in terms])


def clusters_of(unit: IntArray) -> Clusters:
    """From unit codes (n_rounds,), at least 0.

    >>> clusters_of(np.array([4, 0, 4])).sum(np.array([[1.0, 2.0, 3.0]]))
    array([[2., 4.]])
    """
    counts = np.bincount(unit)
    present = counts > 0
    n = int(np.count_nonzero(present))
    if n == len(unit):
        return Clusters(None, n)
    return Clusters(unit if n == len(counts) else np.cumsum(present)[unit] - 1, n)


def sum_by_cluster(terms: FloatArray, unit: IntArray) -> FloatArray:
    """(n_clusters, n_terms) sums of (n_rounds, n_terms) over the rounds of each unit."""
    return clusters_of(unit).sum(terms.T).T
