"""Strategies scored: what each action or policy would have gained over the baseline in each segment.

A strategy's gain is the sum, over its segment's rounds (a panel: episodes), of the doubly robust score of the candidate
minus that of the baseline. Intervals hold for all strategies of one ranking at once (Bonferroni: Dunn 1961, JASA
56(293)), since the top of a list is where the luckiest errors gather; strategies for everyone share one half of the
error rate, those for segments the other.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.estimates import Verdict
from domain.log import LoggedDecisions
from domain.segments import Segment
from evaluation.scores import PolicyScores

CONFIDENCE = 0.95
MIN_UNITS = 200  # fewer scored in a segment: cannot tell; sampled units, since they carry the evidence
MIN_ESS = 100.0  # effective rounds behind a candidate, and behind the baseline, in a segment
NO_COST = 1e-9  # of the costs compared: a smaller difference is rounding


@dataclass(frozen=True)
class SegmentRows:
    """Where a segment lies among the scored rows, and how large it is in the whole log."""

    segment: Segment
    mask: BoolArray  # (n,) over the scores' rows
    total_weight: float  # of the segment's rounds (a panel: episodes) in the whole log
    n_units: int  # in the whole log, subsampling undone, as in `total_weight`


@dataclass(frozen=True)
class Gain:
    """A candidate's total gain over the baseline in a segment, with its simultaneous interval."""

    candidate: str
    segment: Segment
    n_units: int  # subsampling undone
    value: float
    low: float
    high: float
    extra_cost: float | None  # over the baseline's; None where the log carries no cost
    refusals: tuple[str, ...]  # what forbids to trust it; empty = nothing

    @property
    def verdict(self) -> Verdict:
        if self.refusals:
            return Verdict.CANNOT_TELL
        if self.low > 0:
            return Verdict.PROMOTE
        return Verdict.REJECT if self.high < 0 else Verdict.HOLD

    @property
    def roi(self) -> float | None:
        """Gain / extra cost; none where the strategy costs nothing more than the baseline."""
        if self.extra_cost is None or self.extra_cost <= 0 or self.refusals:
            return None
        return self.value / self.extra_cost


def lay_segments(
    log: LoggedDecisions, rows: IntArray, first_row: IntArray, segments: Sequence[Segment]
) -> tuple[SegmentRows, ...]:
    """Where each segment lies.

    Args:
        log: the whole log; on a panel a customer belongs to the segment it was in at its first step.
        rows: (n_scored,) the log's rows that were scored.
        first_row: (n,) of each scored unit of observation, its first row among `rows`.
        segments: found on the log.
    """
    starts = np.arange(len(log)) if log.panel is None else np.flatnonzero(log.panel.step == 0)
    weight, unit = log.sample_weight, log.unit
    laid = []
    for segment in segments:
        inside = segment.predicate.mask(log.context)
        own = starts[inside[starts]]
        scored = inside[rows[first_row]]
        laid.append(SegmentRows(segment, scored, float(weight[own].sum()), count_units(unit[own], weight[own])))
    return tuple(laid)


def count_units(unit: IntArray, weight: FloatArray) -> int:
    """Units behind rows that were subsampled: each counts as the mean of its rows' weights (n_rows,).

    >>> count_units(np.array([0, 0, 1]), np.array([1.0, 1.0, 10.0]))
    11
    """
    _, codes = np.unique(unit, return_inverse=True)
    return round(float((np.bincount(codes, weights=weight) / np.bincount(codes)).sum()))


def score_gains(
    scores: PolicyScores,
    costs: PolicyScores | None,
    *,
    baseline: str,
    segments: Sequence[SegmentRows],
) -> tuple[Gain, ...]:
    """Every candidate in every segment.

    Args:
        scores: doubly robust scores of the candidates and of `baseline`.
        costs: the same with the action's cost in place of the reward; None where the log has none.
        baseline: the name among `scores` that the others are compared with.
        segments: those with fewer than two scored units are left out.
    """
    base = scores.names.index(baseline)
    filled = [rows for rows in segments if len(np.unique(scores.cluster[rows.mask])) >= 2]
    asked = [
        (rows, j, _forbidden(scores, j, base, rows)) for rows in filled for j in range(len(scores.names)) if j != base
    ]
    shares = _error_shares([(not rows.segment.predicate.conditions, bool(why)) for rows, _, why in asked])
    return tuple(
        _gain(scores, costs, (j, base), rows, 1 - share, why)
        for (rows, j, why), share in zip(asked, shares, strict=True)
    )


def _error_shares(asked: Sequence[tuple[bool, bool]]) -> list[float]:
    """Each strategy's share of the error rate, from (is for everyone, is refused).

    Strategies for everyone share one half, those for segments the other; what is refused claims nothing and needs none.
    """
    told = Counter(is_for_all for is_for_all, is_refused in asked if not is_refused)
    part = (1 - CONFIDENCE) / max(len(told), 1)
    return [part / max(told[is_for_all], 1) for is_for_all, _ in asked]


def _gain(
    scores: PolicyScores,
    costs: PolicyScores | None,
    pair: tuple[int, int],
    rows: SegmentRows,
    confidence: float,
    refusals: tuple[str, ...],
) -> Gain:
    candidate, base = pair
    total = rows.total_weight
    mean = scores.difference(candidate, base, rows.mask, confidence)
    extra = None if costs is None else _extra_cost(costs, pair, rows.mask) * total
    return Gain(
        scores.names[candidate],
        rows.segment,
        rows.n_units,
        mean.value * total,
        mean.low * total,
        mean.high * total,
        extra,
        refusals,
    )


def _extra_cost(costs: PolicyScores, pair: tuple[int, int], mask: BoolArray) -> float:
    """The candidate's mean cost over the baseline's; a ratio to what is only rounding would be an enormous ROI."""
    extra = costs.difference(*pair, mask).value
    return 0.0 if abs(extra) <= NO_COST * np.abs(costs.scores[mask][:, pair]).mean() else extra


def _forbidden(scores: PolicyScores, candidate: int, base: int, rows: SegmentRows) -> tuple[str, ...]:
    found = (*scores.refusals[base], *scores.refusals[candidate], *_thin(scores, (candidate, base), rows.mask))
    return tuple(dict.fromkeys(found))


def _thin(scores: PolicyScores, pair: tuple[int, int], mask: BoolArray) -> tuple[str, ...]:
    """Too few units, or too few of them treated as the candidate would, or as the baseline would."""
    n_units = len(np.unique(scores.cluster[mask]))
    if n_units < MIN_UNITS:
        return (f"only {n_units} units in this segment; {MIN_UNITS} are the least",)
    thin = min(pair, key=lambda policy: scores.ess(policy, mask))
    if (ess := scores.ess(thin, mask)) < MIN_ESS:
        return (
            f"only {ess:.0f} effective rounds like {scores.names[thin]} in the segment; {MIN_ESS:.0f} are the least",
        )
    return ()
