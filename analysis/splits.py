"""One split of a tree as a condition over context and its exact complement, in numbers a person would write.

A number is cut in two, a text column splits one level off, and where a column has missing values they go to one side
or are split off themselves. A column that is never missing in the log sends a missing value to neither side: where a
required column is missing, no segment applies and the baseline is served.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.arrays import FloatArray, TextArray
from domain.context import Context
from domain.segments import Condition, Predicate

MAX_LEVELS = 20
CUT_TOLERANCE = 0.005  # share of rows that a rounder number may move across


@dataclass(frozen=True)
class SplitFeature:
    """What a tree sees of one column: the number itself, or an indicator of one level (None = missing)."""

    column: str
    values: FloatArray  # (n_rounds,) NaN where a number is missing
    has_missing: bool
    is_text: bool = False
    level: str | None = None


@dataclass(frozen=True)
class Split:
    feature: SplitFeature
    cut: float  # inside: below
    missing_inside: bool

    @property
    def condition(self) -> Condition:
        """Rows inside the split."""
        f = self.feature
        if not f.is_text:
            return Condition(f.column, max=self.cut, or_missing=f.has_missing and self.missing_inside)
        if f.level is None:
            return Condition(f.column, none_of=())
        return Condition(f.column, none_of=(f.level,), or_missing=f.has_missing)

    @property
    def complement(self) -> Condition:
        """Rows outside the split."""
        f = self.feature
        if not f.is_text:
            return Condition(f.column, min=self.cut, or_missing=f.has_missing and not self.missing_inside)
        if f.level is None:
            return Condition(f.column, any_of=(), or_missing=True)
        return Condition(f.column, any_of=(f.level,))


def split_features(context: Context, min_rounds: int) -> tuple[SplitFeature, ...]:
    """The features of every column, in sorted order; levels rarer than `min_rounds` get no split of their own."""
    features: list[SplitFeature] = []
    for name in sorted(context.columns):
        values = context.columns[name]
        if values.dtype == object:
            features += _text_features(name, np.asarray(values, dtype=np.object_), min_rounds)
        else:
            numbers = values.astype(np.float64)
            features.append(SplitFeature(name, numbers, bool(np.isnan(numbers).any())))
    return tuple(features)


def _text_features(name: str, values: TextArray, min_rounds: int) -> list[SplitFeature]:
    missing = np.array([v is None for v in values], dtype=np.float64)
    levels, counts = np.unique(np.array([v for v in values if v is not None], dtype=str), return_counts=True)
    order = np.lexsort((levels, -counts))[:MAX_LEVELS]
    frequent = [str(levels[i]) for i in order if counts[i] >= min_rounds]
    has_missing = bool(missing.any())
    features = [SplitFeature(name, np.asarray(values == v, np.float64), has_missing, True, v) for v in frequent]
    if missing.sum() >= min_rounds:
        features.append(SplitFeature(name, missing, has_missing, True))
    return features


def readable_cut(values: FloatArray, threshold: float) -> float:
    """The shortest number that cuts almost where `threshold` does; between integers, an integer.

    >>> readable_cut(np.array([1.0, 2.0, 3.0]), 2.5), readable_cut(np.linspace(0, 100, 9999), 40.0774)
    (3.0, 40.0)
    """
    seen = values[~np.isnan(values)]
    if (seen == np.round(seen)).all():
        return float(np.floor(threshold) + 1)
    for digits in range(1, 17):
        cut = float(f"{threshold:.{digits}g}")
        n_moved = int(((seen < cut) != (seen <= threshold)).sum())
        if n_moved <= CUT_TOLERANCE * len(seen):
            return cut
    return float(np.nextafter(threshold, np.inf))


def complement_conditions(path: Predicate, split: Split) -> tuple[Predicate, Predicate]:
    """The path narrowed to either side, one condition a column."""
    return _narrow(path, split.condition), _narrow(path, split.complement)


def _narrow(path: Predicate, condition: Condition) -> Predicate:
    others = tuple(c for c in path.conditions if c.column != condition.column)
    same = [c for c in path.conditions if c.column == condition.column]
    return Predicate((*others, _both(same[0], condition) if same else condition))


def _both(a: Condition, b: Condition) -> Condition:
    """One condition for rows that satisfy two on the same column."""
    lows = [c.min for c in (a, b) if c.min is not None]
    highs = [c.max for c in (a, b) if c.max is not None]
    refused = {v for c in (a, b) for v in c.none_of or ()}
    allowed = [set(c.any_of) for c in (a, b) if c.any_of is not None]
    both = replace(
        a, min=max(lows, default=None), max=min(highs, default=None), or_missing=a.or_missing and b.or_missing
    )
    if allowed:
        return replace(both, any_of=tuple(sorted(set.intersection(*allowed) - refused)), none_of=None)
    is_text = a.none_of is not None or b.none_of is not None
    return replace(both, none_of=tuple(sorted(refused)) if is_text else None)
