"""Boundaries for looks that were planned: how many standard errors each asks for, so that all together err at alpha.

What may be spent by the information fraction t is alpha(t) = 2 - 2 Phi(z(alpha / 2) / sqrt(t)), close to O'Brien and
Fleming: hardly anything early, nearly everything at the end (Lan and DeMets 1983, Biometrika 70(3)). The boundary of
a look is where the chance to pass it, having passed none before, is what was newly released. The density of those
still below is carried from look to look by numerical integration (Armitage, McPherson, Rowe 1969, JRSS A 132(2);
Jennison and Turnbull 2000, Group Sequential Methods, chapter 19), here by Gauss-Legendre
in panels.

It rests on independent increments. Customers that come again make looks resemble each other more, which can only
lower the error (Slepian 1962, Bell System Technical Journal 41(2)).
"""

from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from domain.arrays import FloatArray

HIGHEST = 7.0  # standard errors; asking for more changes the error by 1e-12 a look
LOWEST = -6.0  # standard deviations below which hardly anybody is (1e-9)
PANEL = 3.0  # standard deviations of one look's increment that one panel of nodes spans
NODES, WEIGHTS = leggauss(7)  # of a panel, on (-1, 1)


def spent(alpha: float, fraction: float) -> float:
    """The share of error released by an information fraction in (0, 1].

    >>> round(spent(0.05, 0.5), 5), round(spent(0.05, 1.0), 5)
    (0.00557, 0.05)
    """
    return float(2 * ndtr(ndtri(alpha / 2) / np.sqrt(fraction)))


@lru_cache(maxsize=64)
def boundaries(alpha: float, fractions: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided boundary of every look, in standard errors; `fractions` rise to at most 1.

    >>> [round(b, 3) for b in boundaries(0.025, (0.5, 1.0))]
    [2.963, 1.969]
    """
    found: list[float] = []
    below, used, before = _Below.at_start(), 0.0, 0.0
    for fraction in fractions:
        step = fraction - before
        bound = _bound(below, step, fraction, spent(alpha, fraction) - used)
        used += below.share_above(bound * np.sqrt(fraction), step)
        below, before = below.advance(bound, step, fraction), fraction
        found.append(bound)
    return tuple(found)


def error_of(bounds: tuple[float, ...], fractions: tuple[float, ...]) -> float:
    """The chance that a mean of zero ever passes these one-sided boundaries."""
    below, error, before = _Below.at_start(), 0.0, 0.0
    for bound, fraction in zip(bounds, fractions, strict=True):
        step = fraction - before
        error += below.share_above(bound * np.sqrt(fraction), step)
        below, before = below.advance(bound, step, fraction), fraction
    return error


class _Below:
    """The density of the score process among those that passed no boundary yet, as point masses."""

    def __init__(self, place: FloatArray, mass: FloatArray) -> None:
        self.place = place  # (n_nodes,)
        self.mass = mass  # (n_nodes,) density x integration weight

    @staticmethod
    def at_start() -> "_Below":
        return _Below(np.zeros(1), np.ones(1))

    def share_above(self, level: float, step: float) -> float:
        """The share that the next increment, of variance `step`, carries above a level."""
        return float(self.mass @ ndtr((self.place - level) / np.sqrt(step)))

    def advance(self, bound: float, step: float, fraction: float) -> "_Below":
        low, high, sd = LOWEST * np.sqrt(fraction), bound * np.sqrt(fraction), np.sqrt(step)
        n_panels = int(np.ceil((high - low) / min(PANEL * sd, (high - low) / 4)))
        half = (high - low) / n_panels / 2
        place = (low + half * (1 + 2 * np.arange(n_panels)[:, None] + NODES)).ravel()
        distance = (place[:, None] - self.place) / sd
        density = np.exp(-(distance**2) / 2) @ self.mass / (sd * np.sqrt(2 * np.pi))
        return _Below(place, density * np.tile(WEIGHTS * half, n_panels))


def _bound(below: _Below, step: float, fraction: float, released: float) -> float:
    def excess(bound: float) -> float:
        return below.share_above(bound * np.sqrt(fraction), step) - released

    if excess(HIGHEST) >= 0:
        return HIGHEST
    return float(brentq(excess, LOWEST, HIGHEST, xtol=1e-10))
