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

from domain.arrays import BoolArray, IntArray
from domain.estimates import Verdict
from domain.log import LoggedDecisions
from domain.segments import Segment
from evaluation.scores import PolicyScores

CONFIDENCE = 0.95
MIN_UNITS = 200  # fewer in a segment: cannot tell
MIN_ESS = 100.0  # effective rounds behind a candidate in a segment


@dataclass(frozen=True)
class SegmentRows:
    """Where a segment lies among the scored rows, and how large it is in the whole log."""

    segment: Segment
    mask: BoolArray  # (n,) over the scores' rows
    total_weight: float  # of the segment's rounds (a panel: episodes) in the whole log
    n_units: int  # in the whole log


@dataclass(frozen=True)
class Gain:
    """A candidate's total gain over the baseline in a segment, with its simultaneous interval."""

    candidate: str
    segment: Segment
    n_units: int
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
        laid.append(SegmentRows(segment, scored, float(weight[own].sum()), len(np.unique(unit[own]))))
    return tuple(laid)


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
    extra = None if costs is None else costs.difference(candidate, base, rows.mask).value * total
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


def _forbidden(scores: PolicyScores, candidate: int, base: int, rows: SegmentRows) -> tuple[str, ...]:
    found = (*scores.refusals[base], *scores.refusals[candidate], *_thin(scores, candidate, rows.mask))
    return tuple(dict.fromkeys(found))


def _thin(scores: PolicyScores, candidate: int, mask: BoolArray) -> tuple[str, ...]:
    """Too few units, or too few of them treated as the candidate would."""
    n_units, ess = len(np.unique(scores.cluster[mask])), scores.ess(candidate, mask)
    if n_units < MIN_UNITS:
        return (f"only {n_units} units in this segment; {MIN_UNITS} are the least",)
    if ess < MIN_ESS:
        return (f"only {ess:.0f} effective rounds like this in the segment; {MIN_ESS:.0f} are the least",)
    return ()
