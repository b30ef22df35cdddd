"""Predicted against observed, in groups of rounds: of similar predictions, of one period, of one action."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray
from env.gaps import Gap


@dataclass(frozen=True)
class CalibrationBin:
    """One group; the standard error is of the gap."""

    where: str
    predicted: float
    observed: float
    stderr: float
    n_rounds: int


@dataclass(frozen=True)
class Calibration:
    """One quantity in one grouping."""

    what: str  # "churn rate" | "reward"
    by: str  # what groups the rounds
    bins: tuple[CalibrationBin, ...]

    def gaps(self, tolerance: float) -> list[Gap]:
        """`tolerance` is a share of the typical observed value."""
        if not self.bins:
            return []
        size = float(np.average([abs(b.observed) for b in self.bins], weights=[b.n_rounds for b in self.bins]))
        name = f"{self.what} by {self.by}"
        return [Gap(name, b.where, b.predicted, b.observed, b.stderr, tolerance * size) for b in self.bins]


def calibrate(
    predicted: FloatArray,
    observed: FloatArray,
    unit: IntArray,
    group: IntArray,
    weight: FloatArray | None = None,
    names: Sequence[str] | None = None,
) -> tuple[CalibrationBin, ...]:
    """A bin a group, in their order.

    Args:
        predicted: (n_members, n_rounds).
        observed: (n_rounds,).
        unit: (n_rounds,) customers; their rounds count as one draw.
        group: (n_rounds,) codes.
        weight: (n_rounds,) >= 0; None = all alike.
        names: of the groups by their codes; None = their numbers from 1.
    """
    weight = np.ones(len(observed)) if weight is None else weight
    overall = float(np.average((observed - predicted.mean(axis=0)) ** 2, weights=weight))
    bins = []
    for g in np.unique(group[weight > 0]).tolist():
        rows = (group == g) & (weight > 0)
        name = f"group {g + 1}" if names is None else names[g]
        bins.append(_bin(name, predicted[:, rows], observed[rows], unit[rows], weight[rows], overall))
    return tuple(bins)


def quantile_groups(predicted: FloatArray, n_bins: int) -> IntArray:
    """(n_rounds,) groups of similar mean prediction of (n_members, n_rounds); equal predictions may merge some."""
    mean = predicted.mean(axis=0)
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, mean, side="right"), dtype=np.int64)


def _bin(
    name: str, predicted: FloatArray, observed: FloatArray, unit: IntArray, weight: FloatArray, overall: float
) -> CalibrationBin:
    """Where nothing varied (no purchase at all, say) the variance of all rounds stands in for the group's own."""
    share = weight / weight.sum()
    by_member = predicted @ share
    away = observed - predicted.mean(axis=0)
    _, code = np.unique(unit, return_inverse=True)
    by_unit = np.bincount(code, weights=share * (away - share @ away))
    sampling = float((by_unit**2).sum()) if np.ptp(observed) > 0 else overall * float((share**2).sum())
    fitting = float(by_member.var(ddof=1)) if len(by_member) > 1 else 0.0
    stderr = float(np.sqrt(sampling + fitting))
    return CalibrationBin(name, float(by_member.mean()), float(observed @ share), stderr, len(observed))
