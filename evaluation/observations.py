"""What two policies' scores rest on, a unit of observation: a round, or on a panel an episode."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions
from evaluation.scores import Interval, PolicyScores, mean_interval
from evaluation.support import logged_support
from evaluation.target import Target

FURTHEST = 10.0  # interval widths that an end of a ratio's interval is looked for
TOLERANCE = 1e-5  # of an interval's width
MIN_RATIO_Z = 4.0  # standard errors that a baseline must earn above zero before a gain is told as a share of it


@dataclass(frozen=True)
class Observations:
    """Candidate (0) and baseline (1) on the same units of observation."""

    scores: PolicyScores
    is_panel: bool
    n_rounds: IntArray  # (n,) rounds of the unit of observation
    unsupported: FloatArray  # (n, 2) probability of choices without support, summed over its rounds
    n_unsupported: IntArray  # (n,) its rounds where the candidate may choose what the log never tried there
    is_rewarded: BoolArray  # (n,) any reward other than zero

    def unsupported_share(self, policy: int, rows: BoolArray | None = None) -> float:
        """Share of a policy's choices that fall on actions without support, among `rows` (n,)."""
        rows = np.ones(len(self.n_rounds), dtype=np.bool_) if rows is None else rows
        weight = self.scores.weight[rows]
        return float((weight * self.unsupported[rows, policy]).sum() / (weight * self.n_rounds[rows]).sum())


def observe(log: LoggedDecisions, candidate: Target, baseline: Target, scores: PolicyScores) -> Observations:
    """Reads support and rewards of the log at the units of observation of `scores`."""
    place = _place(log, scores.first_row)
    n = len(scores.first_row)
    support = logged_support(log)
    outside = [_outside(log, target, support) for target in (candidate, baseline)]
    return Observations(
        scores=scores,
        is_panel=n < len(log),
        n_rounds=np.bincount(place, minlength=n),
        unsupported=np.column_stack([np.bincount(place, weights=o, minlength=n) for o in outside]),
        n_unsupported=np.bincount(place[outside[0] > 0], minlength=n),
        is_rewarded=np.bincount(place[log.reward != 0], minlength=n) > 0,
    )


def relative_gain(scores: PolicyScores, confidence: float) -> Interval | None:
    """Candidate / baseline - 1; None where what the baseline earns is not clearly above zero.

    Its interval holds every ratio r at which the interval of candidate - r x baseline contains zero (Fieller 1954, JRSS
    B 16(2)), so that it excludes zero exactly where the interval of the difference does: at r = 1 they are one test.
    """
    new, old = scores.value(0, confidence=confidence), scores.value(1, confidence=confidence)
    if old.value <= MIN_RATIO_Z * old.stderr or old.value <= 0:
        return None
    ratio = new.value / old.value

    def against(r: float) -> Interval:
        return mean_interval(scores.scores[:, 0] - r * scores.scores[:, 1], scores.weight, scores.cluster, confidence)

    at_ratio = against(ratio)
    if at_ratio.stderr == 0.0:
        return Interval(ratio - 1, ratio - 1, ratio - 1, 0.0, at_ratio.n)
    step = (at_ratio.high - at_ratio.low) / old.value
    try:
        low = brentq(lambda r: against(r).low, ratio - FURTHEST * step, ratio, xtol=TOLERANCE * step)
        high = brentq(lambda r: against(r).high, ratio, ratio + FURTHEST * step, xtol=TOLERANCE * step)
    except ValueError:  # no change of sign: the interval has no end there
        return None
    return Interval(ratio - 1, low - 1, high - 1, at_ratio.stderr / old.value, at_ratio.n)


def _place(log: LoggedDecisions, first_row: IntArray) -> IntArray:
    """(n_rounds,) the unit of observation of each round."""
    if log.panel is None or len(first_row) == len(log):
        return np.arange(len(log))
    return np.searchsorted(log.panel.episode[first_row], log.panel.episode)


def _outside(log: LoggedDecisions, target: Target, support: BoolArray) -> FloatArray:
    """(n_rounds,) probability of choices without support."""
    distribution = target.on(log)
    if distribution is None:
        return np.zeros(len(log))
    return np.asarray(np.where(support, 0.0, distribution).sum(axis=1))
