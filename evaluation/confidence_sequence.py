"""Confidence sequences: intervals of a running mean that hold at all times at once, however often one looks.

With S the sum of n scores in time order, V the sum of their variances and rho the variance of the mixture, S stays
within

    one-sided  u(V) = sqrt(2 (V + rho) log(sqrt((V + rho) / rho) / (2 alpha) + 1))
    two-sided  u(V) = sqrt(2 (V + rho) log(sqrt((V + rho) / rho) / alpha))

of the sum of the conditional means, at every n, with probability 1 - alpha (normal mixture: Robbins 1970, Annals of
Mathematical Statistics 41(5); Howard, Ramdas, McAuliffe, Sekhon 2021, Annals of Statistics 49(2), proposition 6).
With V estimated it holds asymptotically, from a burn-in on, for independent scores and for martingale differences
under Lindeberg's condition: means and variances may move, the sampler may adapt (Waudby-Smith, Arbour, Sinha,
Kennedy, Ramdas 2024, Annals of Statistics 52(6), section 2.5). V is n times the variance around the running mean,
which counts movements of the mean as well: never too small.

u(V) / sqrt(V), the number of standard errors, depends on V / rho alone, and so on the progress: rounds over those at
which the sequence is tightest, `tightest_at`, which must be chosen before looking; another choice makes it wider, never
wrong. Progress in rounds lets rho follow the average variance (ibid., theorem 2.2), which has to settle; held at that
of a burn-in it would need no such thing, but the variance of a hundred rounds with five clicks is a guess that costs an
eighth of the power. The ends lie equally far away: of rare, heavily weighted rewards they cover somewhat too little
early on, which the gate makes up for by bending its intervals to their skewness. Where a sampler adapts to drifting
rewards, benchmarks/evaluation/adapting.py counts the coverage of both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from domain.arrays import FloatArray, IntArray

BURN_IN = 100  # rounds; before, an estimated variance is a guess and the sequence says nothing
TIGHTEST_AT = 20_000  # rounds


@dataclass(frozen=True)
class ConfidenceSequence:
    """A running mean and what it may be; infinitely wide during the burn-in."""

    mean: FloatArray  # (..., n_looks)
    low: FloatArray  # (..., n_looks)
    high: FloatArray  # (..., n_looks)


def critical_value(progress: ArrayLike, alpha: float, *, sides: int = 1) -> FloatArray:
    """How many standard errors the mean may be off at this progress; `alpha` is the error of all sides together.

    >>> [round(float(critical_value(p, 0.05)), 2) for p in (0.1, 1, 10)]
    [3.68, 2.78, 2.99]
    """
    a_side = alpha * 2 / sides  # two-sided error of which this is one side, or both
    log = -2 * np.log(a_side)
    ratio = 1 / (np.asarray(progress, dtype=np.float64) * (log + np.log1p(log)))  # rho / V (Howard et al., section 3.5)
    spread = np.sqrt((1 + ratio) / ratio) / a_side
    return np.asarray(np.sqrt(2 * (1 + ratio) * np.log(spread + (sides == 1))))


def sequence_of_scores(
    scores: FloatArray, *, alpha: float, sides: int = 2, tightest_at: float = TIGHTEST_AT, burn_in: int = BURN_IN
) -> ConfidenceSequence:
    """The sequence after every one of the scores (n,), which are in time order."""
    n = np.arange(1, len(scores) + 1)
    center = float(scores[:burn_in].mean())  # the difference of large sums of squares would lose digits
    shifted = scores - center
    found = sequence_of_sums(
        n, shifted.cumsum(), np.square(shifted).cumsum(), alpha=alpha, sides=sides, tightest_at=tightest_at,
        burn_in=burn_in,
    )  # fmt: skip
    return ConfidenceSequence(found.mean + center, found.low + center, found.high + center)


def sequence_of_sums(
    n: IntArray,
    total: FloatArray,
    squares: FloatArray,
    *,
    alpha: float,
    sides: int = 2,
    tightest_at: float = TIGHTEST_AT,
    burn_in: int = BURN_IN,
) -> ConfidenceSequence:
    """The same at some looks, from what adds up.

    Args:
        n: (n_looks,) scores so far, rising.
        total: (..., n_looks) their sum.
        squares: (..., n_looks) the sum of their squares.
        alpha: chance that the mean is ever outside.
        sides: 2, or 1: then `low` holds with 1 - alpha and `high` holds with 1 - alpha, each for itself.
        tightest_at: scores at which the sequence is tightest.
        burn_in: scores before which it says nothing; longer while they do not vary.
    """
    mean = total / n
    variance = np.maximum(squares / n - mean * mean, 0.0)
    says_something = np.logical_or.accumulate((n >= burn_in) & (variance > 0), axis=-1)
    radius = np.sqrt(variance / n) * critical_value(n / tightest_at, alpha, sides=sides)
    radius = np.where(says_something, radius, np.inf)
    return ConfidenceSequence(mean, mean - radius, mean + radius)
