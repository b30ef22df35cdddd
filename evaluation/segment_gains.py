"""Who gains and who loses: the paired difference inside groups of customers, with intervals that hold together.

Two families of groups, each with half of the error (Bonferroni, so all intervals hold at once with the confidence of
one; Dunn 1961, JASA 56(293)):
    known   the levels and quarters of the context's own columns, chosen without a look at rewards, judged on every row
    found   the leaves of a shallow tree that splits where the doubly robust gain differs, grown and confirmed on one
            half of the units, judged on the other (honest splitting: Athey and Imbens 2016, PNAS 113(27))
A group that the log says too little about has a reason in place of a number, by the limits that hold for the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.levels import ColumnGroups, group_columns
from analysis.segments import find_segments
from config.evaluation import EvaluationConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.log import LoggedDecisions
from evaluation.diagnostics import effective_sample_size
from evaluation.folds import assign_folds
from evaluation.observations import Observations
from evaluation.refusals import panel_limits
from evaluation.scores import Interval

MAX_COLUMNS = 20  # the first of the log; more groups would make every interval wider
MAX_LEAVES = 4
MIN_UNITS = 100  # customers in a group; fewer give no interval worth printing


@dataclass(frozen=True)
class GroupReading:
    """One group: what the log says about the candidate there, and what it gains there over the baseline."""

    name: str
    n: int  # rounds, or episodes of a panel
    ess: float  # of the candidate
    max_weight_share: float  # the candidate's largest weight / sum of weights
    n_unsupported: int  # rounds where the candidate may choose what the log never tried there
    gain: Interval | None  # None: too little
    too_little: str = ""  # of what, where there is no gain

    @property
    def ess_share(self) -> float:
        return self.ess / self.n if self.n else 0.0


@dataclass(frozen=True)
class SegmentGains:
    """Both families of groups, and how sure each interval is so that all of them hold together."""

    known: tuple[GroupReading, ...]  # in the order of the columns
    found: tuple[GroupReading, ...]  # empty where no difference between groups was confirmed
    known_confidence: float
    found_confidence: float
    n_columns: int
    n_columns_left_out: int  # without groups, or beyond MAX_COLUMNS


def segment_gains(
    log: LoggedDecisions, observations: Observations, config: EvaluationConfig, rng: np.random.Generator
) -> SegmentGains:
    """Gains of the candidate over the baseline by group; `rng` draws the half that finds segments."""
    context = log.context.take(observations.scores.first_row)
    columns = group_columns(context)[:MAX_COLUMNS]
    found = _find(context, observations, rng)
    error = (1.0 - config.confidence) / 2
    known_confidence = 1.0 - error / max(sum(len(c.names) for c in columns), 1)
    found_confidence = 1.0 - error / max(len(found), 1)
    limits = panel_limits(config) if observations.is_panel else config
    known = [_read(name, rows, observations, limits, known_confidence) for name, rows in _masks(columns)]
    return SegmentGains(
        known=tuple(known),
        found=tuple(_read(name, rows, observations, limits, found_confidence) for name, rows in found),
        known_confidence=known_confidence,
        found_confidence=found_confidence,
        n_columns=len(columns),
        n_columns_left_out=len(context.columns) - len(columns),
    )


def _masks(columns: Sequence[ColumnGroups]) -> list[tuple[str, BoolArray]]:
    return [(name, column.group == i) for column in columns for i, name in enumerate(column.names)]


def _find(context: Context, observations: Observations, rng: np.random.Generator) -> list[tuple[str, BoolArray]]:
    """Segments by the gain itself, told to the tree as the reward of a log with one action; rows of the other half."""
    scores = observations.scores
    finds = assign_folds(scores.cluster, 2, rng) == 0
    gain = scores.scores[:, 0] - scores.scores[:, 1]
    if not context.columns or not gain[finds].any():
        return []
    nothing = np.zeros(len(gain), dtype=np.int64)
    log = LoggedDecisions(ActionSet(("gain",)), nothing, gain, "gain", context, scores.cluster, weight=scores.weight)
    segments = find_segments(log.take(finds), MAX_LEAVES)
    if len(segments) == 1:
        return []
    return [(segment.name, segment.predicate.mask(context) & ~finds) for segment in segments]


def _read(
    name: str, rows: BoolArray, observations: Observations, config: EvaluationConfig, confidence: float
) -> GroupReading:
    scores = observations.scores
    weight = (scores.weight * scores.importance_weight[:, 0])[rows]
    too_little = _too_little(rows, observations, config)
    return GroupReading(
        name=name,
        n=int(rows.sum()),
        ess=effective_sample_size(weight),
        max_weight_share=_largest_share(weight),
        n_unsupported=int(observations.n_unsupported[rows].sum()),
        gain=None if too_little else scores.difference(0, 1, rows, confidence),
        too_little=too_little,
    )


def _too_little(rows: BoolArray, observations: Observations, config: EvaluationConfig) -> str:
    """What the group has too little of, for the weaker of the two policies; empty where nothing is missing."""
    if len(np.unique(observations.scores.cluster[rows])) < MIN_UNITS:
        return "too few customers"
    reasons = (_missing(policy, rows, observations, config) for policy in (0, 1))
    return next((reason for reason in reasons if reason), "")


def _missing(policy: int, rows: BoolArray, observations: Observations, config: EvaluationConfig) -> str:
    scores = observations.scores
    weight = (scores.weight * scores.importance_weight[:, policy])[rows]
    ess = effective_sample_size(weight)
    if ess < config.min_ess or ess < config.min_ess_share * len(weight):
        return "too little overlap"
    if _largest_share(weight) > config.max_weight_share:
        return "one weight too large"
    if observations.unsupported_share(policy, rows) > config.max_unsupported_share:
        return "choices never tried there"
    if effective_sample_size(weight[observations.is_rewarded[rows]]) < config.min_nonzero_rewards:
        return "too few rewards other than zero"
    return ""


def _largest_share(weight: FloatArray) -> float:
    return float(weight.max() / weight.sum()) if weight.size and weight.sum() > 0 else 1.0
