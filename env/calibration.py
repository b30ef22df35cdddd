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


@dataclass(frozen=True)
class Trend:
    """How a quantity changes from period to period."""

    what: str
    simulated: float
    logged: float
    stderr: float  # of simulated - logged
    size: float  # what the quantity is on average, over the number of periods: a slope that changes all of it

    def gaps(self, tolerance: float) -> list[Gap]:
        name = f"trend of {self.what} from period to period"
        return [Gap(name, "all periods", self.simulated, self.logged, self.stderr, tolerance * self.size)]


def calibrate(
    predicted: FloatArray,
    observed: FloatArray,
    unit: IntArray,
    group: IntArray,
    weight: FloatArray | None = None,
    names: Sequence[str] | None = None,
    *,
    is_rate: bool = False,
) -> tuple[CalibrationBin, ...]:
    """A bin a group, in their order.

    Args:
        predicted: (n_members, n_rounds).
        observed: (n_rounds,).
        unit: (n_rounds,) customers; their rounds count as one draw.
        group: (n_rounds,) codes.
        weight: (n_rounds,) >= 0; None = all alike.
        names: of the groups by their codes; None = their numbers from 1.
        is_rate: `observed` happens or not, with the predicted probability: its variance is known beforehand, while a
            group in which it happened seldom by chance would seem more certain than it is.
    """
    weight = np.ones(len(observed)) if weight is None else weight
    mean = predicted.mean(axis=0)
    expected = mean * (1 - mean) if is_rate else np.zeros(len(observed))
    overall = float(np.average((observed - mean) ** 2, weights=weight))
    bins = []
    for g in np.unique(group[weight > 0]).tolist():
        rows = (group == g) & (weight > 0)
        name = f"group {g + 1}" if names is None else names[g]
        share = weight[rows] / weight[rows].sum()
        spread = overall if np.ptp(observed[rows]) == 0 else 0.0  # where nothing varied, that of all rounds stands in
        least = float((share**2) @ np.maximum(expected[rows], spread))
        predictions, error = _compare(predicted[:, rows], observed[rows], unit[rows], share, least)
        bins.append(CalibrationBin(name, predictions, float(observed[rows] @ share), error, int(rows.sum())))
    return tuple(bins)


def trend(
    what: str, predicted: FloatArray, observed: FloatArray, unit: IntArray, step: IntArray, weight: FloatArray
) -> Trend | None:
    """Least-squares slopes over the periods, as `calibrate` takes its arrays; None where there is one period."""
    share = weight / weight.sum()
    away = step - share @ step
    spread = float(share @ away**2)
    if spread <= 0:
        return None
    simulated, error = _compare(predicted, observed, unit, share * away / spread, 0.0)
    size = float(share @ np.abs(observed))
    return Trend(what, simulated, float(observed @ (share * away / spread)), error, size / int(step.max()))


def quantile_groups(predicted: FloatArray, n_bins: int) -> IntArray:
    """(n_rounds,) groups of similar mean prediction of (n_members, n_rounds); equal predictions may merge some."""
    mean = predicted.mean(axis=0)
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, mean, side="right"), dtype=np.int64)


def _compare(
    predicted: FloatArray, observed: FloatArray, unit: IntArray, factor: FloatArray, least: float
) -> tuple[float, float]:
    """A weighted sum of the predictions, and the error of its distance from the observed one."""
    by_member = predicted @ factor
    away = observed - predicted.mean(axis=0)
    _, code = np.unique(unit, return_inverse=True)
    by_unit = np.bincount(code, weights=factor * (away - np.average(away, weights=np.abs(factor))))
    fitting = float(by_member.var(ddof=1)) if len(by_member) > 1 else 0.0
    return float(by_member.mean()), float(np.sqrt(max(float((by_unit**2).sum()), least) + fitting))
