"""How heavy is the tail of the importance weights? The shape k of a Pareto distribution fitted to the largest ones.

Moments of order above 1 / k do not exist: from k = 0.5 on the variance is infinite. k is
estimated from the largest min(n / 5, 3 sqrt(n)) weights, with the prior that keeps it calm where they are few: Vehtari,
Simpson, Gelman, Yao, Gabry (2024), "Pareto Smoothed Importance Sampling", JMLR 25(72); the fit is that of Zhang and
Stephens (2009), Technometrics 51(3).
"""

import numpy as np
from scipy.special import softmax

from domain.arrays import FloatArray

MIN_TAIL = 5  # weights above the threshold
PRIOR_ROUNDS, PRIOR_SHAPE = 10.0, 0.5  # section 3.4


def tail_index(weight: FloatArray) -> float | None:
    """k of the weights (n,); None where there is no tail, as of two or three distinct weights."""
    size = tail_size(len(weight))
    return None if size < MIN_TAIL else tail_index_of(np.partition(weight, len(weight) - size - 1)[-size - 1 :])


def tail_size(n: int) -> int:
    """How many of n weights make the tail."""
    return int(min(0.2 * n, 3 * np.sqrt(n)))


def tail_index_of(largest: FloatArray) -> float | None:
    """The same from the weights of the tail and the largest one below it, (tail_size + 1,)."""
    size = len(largest) - 1
    excess = np.sort(largest - largest.min())
    excess = excess[excess > 1e-12 * largest.max()]
    if len(excess) < max(MIN_TAIL, size // 2) or len(np.unique(excess)) < MIN_TAIL:
        return None
    shape = _fit_shape(excess)
    return float((shape * len(excess) + PRIOR_SHAPE * PRIOR_ROUNDS) / (len(excess) + PRIOR_ROUNDS))


def _fit_shape(excess: FloatArray) -> float:
    """The mean of theta over its profile likelihood on a grid, then k at that theta."""
    n = len(excess)
    n_grid = 30 + int(np.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1]
    theta = 1 / excess[-1] + (1 - np.sqrt(n_grid / (np.arange(n_grid) + 0.5))) / (3 * quartile)
    shape = np.log1p(-theta[:, None] * excess).mean(axis=1)
    likelihood = n * (np.log(-theta / shape) - shape - 1)
    best = float(softmax(likelihood) @ theta)
    return float(np.log1p(-best * excess).mean())
