"""How far sums lie from where they must be, as standard normal numbers that hold far out in the tails.

Refusals are decided at one in ten thousand, split over many parts: the plain z is not to be believed there.
weights   are right-skewed: a sample that lacks the largest has too low a mean and too small an error at once. Above the
          mean Student's t errs on the safe side. Below it the variance is at least that of all rounds, and the z is
          bent back by their skewness: z + c z^2 / 3 + c^2 z^3 / 27 + c / 6, c = skewness / sqrt(n).
          Hall (1992), Journal of the Royal Statistical Society B 54(1), equation (2.2).
binomial  signed root of the deviance of a share, stretched to the exact variance where probabilities differ.
          McCullagh and Nelder (1989), Generalized Linear Models, section 4.4.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, xlogy

from domain.arrays import FloatArray, IntArray

MIN_ROUNDS = 50  # of a part that is judged
MIN_EXPECTED = 10.0  # rounds with, and rounds without the action


@dataclass(frozen=True)
class Spread:
    """Of one round's excess, over all rounds."""

    variance: float
    skewness: float


def spread_of(excess: FloatArray, least_variance: float = 0.0) -> Spread:
    """Spread of an excess (n_rounds,) that is zero in expectation; its variance may be known to be larger."""
    variance = float((excess**2).mean())
    cube = float((excess**3).mean())
    return Spread(max(variance, least_variance), max(cube, 0.0) / variance**1.5 if variance > 0 else 0.0)


def upper_z(total: FloatArray, squares: FloatArray, n: IntArray | FloatArray) -> FloatArray:
    """Student's t of sums above zero, from sums of v and v^2 over n rounds; zero where they cannot tell."""
    variance = squares - total**2 / np.maximum(n, 1)
    is_judged = (n >= MIN_ROUNDS) & (total > 0) & (variance > 1e-12 * squares)
    return np.where(is_judged, total / np.sqrt(np.where(is_judged, variance, 1.0)), 0.0)


def lower_z(total: FloatArray, squares: FloatArray, n: IntArray | FloatArray, spread: Spread) -> FloatArray:
    """How far sums lie below zero, as a positive number."""
    n = np.maximum(np.asarray(n, dtype=np.float64), 1.0)
    variance = np.maximum(squares, n * spread.variance)
    is_judged = (n >= MIN_ROUNDS) & (total < 0) & (variance > 0)
    z = np.where(is_judged, total / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)
    c = spread.skewness / np.sqrt(n)
    bent = z + c * z**2 / 3 + c**2 * z**3 / 27 + c / 6
    return np.where(is_judged, np.maximum(-bent, 0.0), 0.0)


def binomial_z(observed: FloatArray, expected: FloatArray, variance: FloatArray, n: FloatArray) -> FloatArray:
    """z of observed against expected counts out of n, all of one shape; zero where too few are expected."""
    is_judged = (expected >= MIN_EXPECTED) & (n - expected >= MIN_EXPECTED) & (variance > 0)
    n = np.where(is_judged, n, 2.0)
    share = np.clip(np.where(is_judged, observed, 1.0) / n, 0.0, 1.0)
    claimed = np.where(is_judged, expected, 1.0) / n
    deviance = 2 * n * (xlogy(share, share / claimed) + xlogy(1 - share, (1 - share) / (1 - claimed)))
    stretch = np.where(is_judged, n * claimed * (1 - claimed) / np.where(is_judged, variance, 1.0), 0.0)
    return np.asarray(np.sign(share - claimed) * np.sqrt(np.maximum(deviance * stretch, 0.0)))


def limit_of(p_value: float, n_tests: int) -> float:
    """The |z| that so many two-sided tests together exceed with this probability (Bonferroni)."""
    return float(-ndtri(p_value / 2 / max(n_tests, 1)))
