"""The gate's intervals from sums that add up, for many runs and looks at once; tests hold them against the gate's."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from domain.arrays import FloatArray, IntArray
from evaluation.intervals import NEGLIGIBLE
from evaluation.looks import Looks, tail


@dataclass(frozen=True)
class Running:
    """Sums of scores up to each look, each score a unit of its own; arrays (..., n_looks)."""

    n: IntArray  # (n_looks,)
    total: FloatArray
    squares: FloatArray
    cubes: FloatArray

    @property
    def mean(self) -> FloatArray:
        return np.asarray(self.total / self.n)

    @property
    def variance(self) -> FloatArray:
        return np.maximum(self.squares / self.n - self.mean**2, 0.0)

    def low(self, tail: FloatArray | float) -> FloatArray:
        """The lower end that misses with probability `tail` (evaluation/intervals.py); nan: nothing varies yet."""
        mean, variance = self.mean, self.variance
        third = self.cubes / self.n - 3 * mean * self.squares / self.n + 2 * mean**3
        with np.errstate(divide="ignore", invalid="ignore"):
            skewness = np.clip(third / (variance**1.5 * np.sqrt(self.n)), -1.0, 1.0)
        z = stdtrit(self.n - 1, 1 - np.asarray(tail))
        bent = np.where(np.abs(skewness) < NEGLIGIBLE, NEGLIGIBLE, skewness)
        reach = np.maximum(z, 3 / bent * (np.cbrt(1 + bent * (z - bent / 6)) - 1))
        return np.asarray(mean - reach * np.sqrt(variance / (self.n - 1)))

    def high(self, tail: FloatArray | float) -> FloatArray:
        return -Running(self.n, -self.total, self.squares, -self.cubes).low(tail)


def tails(looks: Looks, rate: float, n: IntArray) -> FloatArray:
    """(n_looks,) what is left to either end, the rounds so far being n (n_looks,)."""
    return np.array([tail(looks, rate, int(k)) for k in n])
