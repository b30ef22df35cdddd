"""Predicted against observed, in groups of rounds with similar predictions."""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class CalibrationBin:
    """One group; the standard error is of the gap."""

    predicted: float
    observed: float
    stderr: float
    n_rounds: int


def calibrate(
    predicted: FloatArray, observed: FloatArray, unit: IntArray, group: IntArray
) -> tuple[CalibrationBin, ...]:
    """A bin a group, in their order.

    Args:
        predicted: (n_members, n_rounds).
        observed: (n_rounds,).
        unit: (n_rounds,) customers; their rounds count as one draw.
        group: (n_rounds,).
    """
    rows = [group == g for g in np.unique(group)]
    overall = float((observed - predicted.mean(axis=0)).var())
    return tuple(_bin(predicted[:, r], observed[r], unit[r], overall) for r in rows)


def quantile_groups(predicted: FloatArray, n_bins: int) -> IntArray:
    """(n_rounds,) groups of similar mean prediction of (n_members, n_rounds); equal predictions may merge some."""
    mean = predicted.mean(axis=0)
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, mean, side="right"), dtype=np.int64)


def _bin(predicted: FloatArray, observed: FloatArray, unit: IntArray, overall: float) -> CalibrationBin:
    """Where nothing varied (no purchase at all, say) the variance of all rounds stands in for the group's own."""
    mean = predicted.mean(axis=0)
    away, n = observed - mean, len(observed)
    _, code = np.unique(unit, return_inverse=True)
    by_unit = np.bincount(code, weights=away - away.mean())
    sampling = float((by_unit**2).sum()) / n**2 if np.ptp(observed) > 0 else overall / n
    fitting = float(predicted.mean(axis=1).var(ddof=1)) if len(predicted) > 1 else 0.0
    return CalibrationBin(float(mean.mean()), float(observed.mean()), float(np.sqrt(sampling + fitting)), n)
