"""How far sums lie from where they must be, as standard normal numbers that hold far out in the tails.

Refusals are decided at one in ten thousand, split over many parts: the plain z is not to be believed there.
skewed    Student's t bent back by the sample's skewness: t + c t^2/3 + c^2 t^3/27 + c/6, c = skewness / sqrt(n).
          Hall (1992), Journal of the Royal Statistical Society B 54(1), equation (2.2).
binomial  signed root of the deviance of a share, stretched to the exact variance where probabilities differ.
          McCullagh and Nelder (1989), Generalized Linear Models, section 4.4.
"""

import numpy as np
from scipy.special import ndtri, xlogy

from domain.arrays import FloatArray, IntArray

MIN_ROUNDS = 50  # of a part that is judged
MIN_EXPECTED = 10.0  # rounds with, and rounds without the action
MAX_SKEW = 0.6  # skewness / sqrt(n): beyond, a part says nothing about its mean


def skewed_z(moments: FloatArray, n: IntArray | FloatArray) -> FloatArray:
    """(...,) z of a zero mean, from sums of v, v^2, v^3 (..., 3) over n rounds; zero where they cannot tell."""
    n = np.maximum(np.asarray(n, dtype=np.float64), 1.0)
    mean, square, cube = np.moveaxis(moments, -1, 0) / n
    variance = np.maximum(square - mean**2, 0.0)
    is_judged = (n >= MIN_ROUNDS) & (variance > 1e-12 * np.maximum(square, 1e-300))
    sd = np.sqrt(np.where(is_judged, variance, 1.0))
    c = (cube - 3 * mean * square + 2 * mean**3) / sd**3 / np.sqrt(n)
    t = mean / sd * np.sqrt(n)
    bent = t + c * t**2 / 3 + c**2 * t**3 / 27 + c / 6
    return np.where(is_judged & (np.abs(c) <= MAX_SKEW), bent, 0.0)


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
