"""Percentile intervals by resampling customers: no delta method, no formula for the variance.

Customers are dealt into blocks at random, and blocks are drawn with replacement. A block is a sum of independent
customers, so the spread of resampled totals is that of resampled customers, at the price of adding up a thousand
numbers instead of all rounds; every estimator of a policy is computed on the same draws. It is the interval to set
beside the analytic one where an estimator is far from linear; it corrects neither skewness nor bias.
References: Davison and Hinkley (1997), sections 2.4 and 5.3; Field and Welsh (2007), JRSS B 69(3), for clusters.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.estimates import PolicyValueEstimate
from evaluation.estimator import Estimator, estimate_rounds
from evaluation.rounds import Rounds

MAX_BLOCKS = 1000


def bootstrap_intervals(
    estimators: Sequence[Estimator],
    rounds: Rounds,
    policy: str,
    *,
    confidence: float,
    n_samples: int = 1000,
    rng: np.random.Generator,
) -> tuple[PolicyValueEstimate, ...]:
    """The estimates with percentile intervals and the standard deviation of the resampled values."""
    n_blocks = min(MAX_BLOCKS, rounds.clusters.n)
    block = _deal(rounds.clusters.n, n_blocks, rng)
    counts = _draw(n_blocks, n_samples, rng)
    tails = (0.5 - confidence / 2, 0.5 + confidence / 2)
    found = []
    for estimator in estimators:
        sums = rounds.clusters.sum(estimator.terms(rounds))
        totals = counts @ np.stack([np.bincount(block, weights=row, minlength=n_blocks) for row in sums], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw without any weight has no value
            values = np.array([estimator.value(total) for total in totals])
        low, high = np.nanquantile(values, tails)
        estimate = estimate_rounds(estimator, rounds, policy, confidence)
        found.append(replace(estimate, low=float(low), high=float(high), stderr=float(np.nanstd(values, ddof=1))))
    return tuple(found)


def _deal(n_clusters: int, n_blocks: int, rng: np.random.Generator) -> IntArray:
    """(n_clusters,) block of each, sizes as equal as can be."""
    return rng.permutation(n_clusters) % n_blocks


def _draw(n_blocks: int, n_samples: int, rng: np.random.Generator) -> FloatArray:
    """(n_samples, n_blocks) how often each block is drawn."""
    drawn = rng.integers(0, n_blocks, (n_samples, n_blocks))
    drawn += np.arange(0, n_samples * n_blocks, n_blocks)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_samples * n_blocks).reshape(n_samples, n_blocks).astype(np.float64)
