"""Does the log say the same from beginning to end?

immature     the share of rewards other than zero falls off at the end: the last rounds were not waited for. The cut is
             where the binomial likelihood ratio of two shares is largest (Page 1954, Biometrika 41, for the scan).
reward       mean rewards differ between blocks of time (chi-square of block means, clustered by unit).
difference   candidate - baseline differs between the earlier and the later half: still right on average over the log,
             but the past tells less about what comes.
"""

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtri, xlogy

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray, TimeArray
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions
from evaluation.clusters import sum_by_cluster

N_ENDS = 100  # ends of the log tried as the part that is immature, at most half of it
N_BLOCKS = 10
MIN_FALL = 0.2  # of the share of rewards other than zero; a smaller fall is no sign of waiting


def drift_findings(log: LoggedDecisions, config: EvaluationConfig) -> tuple[Finding, ...]:
    """Rewards that fall off at the end, else rewards that drift; needs `decided_at`."""
    if log.decided_at is None or len(log) < 2 * N_BLOCKS or not log.reward.any():
        return ()
    order = np.argsort(log.decided_at, kind="stable")
    return _immature(log, order, config) or _drifting(log, order, config)


def difference_findings(
    difference: FloatArray, weight: FloatArray, cluster: IntArray, time: TimeArray, config: EvaluationConfig
) -> tuple[Finding, ...]:
    """Earlier against later half of paired differences (n,) by time (n,)."""
    later = time > np.sort(time)[len(time) // 2]
    if min(later.sum(), (~later).sum()) < N_BLOCKS:
        return ()
    halves = [(rows, float(np.average(difference[rows], weights=weight[rows]))) for rows in (~later, later)]
    centered = np.zeros(len(difference))
    for sign, (rows, mean) in zip((-1.0, 1.0), halves, strict=True):
        centered[rows] = sign * weight[rows] * (difference[rows] - mean) / weight[rows].sum()
    stderr = float(np.sqrt((sum_by_cluster(centered[:, None], cluster) ** 2).sum()))
    early, late = halves[0][1], halves[1][1]
    if stderr <= 0 or abs(late - early) <= -ndtri(config.note_p_value / 2) * stderr:
        return ()
    text = (
        f"the difference changed within the log: {early:.4g} in its earlier half, {late:.4g} in its later one "
        f"({int(later.sum()):,} rounds): the interval holds for the log as a whole, not for what comes"
    )
    return (Finding(FindingKind.DIFFERENCE_DRIFT, int(later.sum()), False, text),)


def _immature(log: LoggedDecisions, order: IntArray, config: EvaluationConfig) -> tuple[Finding, ...]:
    n = len(log)
    events = np.r_[0.0, np.cumsum(log.reward[order] != 0)]
    starts = np.unique(np.linspace(n / 2, n, N_ENDS + 1).astype(np.int64))[:-1]
    late, n_late = events[-1] - events[starts], n - starts
    before, n_before = events[starts], starts
    share_late, share_before, share = late / n_late, before / n_before, events[-1] / n
    gain = _log_likelihood(late, n_late, share_late) + _log_likelihood(before, n_before, share_before)
    gain -= _log_likelihood(late, n_late, share) + _log_likelihood(before, n_before, share)
    gain = np.where(share_late < (1 - MIN_FALL) * share_before, gain, 0.0) / _repeats(log)
    best = int(gain.argmax())
    if chdtrc(1, 2 * gain[best]) * N_ENDS >= config.min_part_p_value:
        return ()
    text = (
        f"the last {int(n_late[best]):,} rounds look immature: {share_late[best]:.2%} of them have a "
        f"{log.reward_name} other than zero, {share_before[best]:.2%} before (from row {int(starts[best]) + 1:,} on in "
        "the order of time): leave out what was not waited for, or say so in a column `matured`"
    )
    return (Finding(FindingKind.IMMATURE, int(n_late[best]), False, text),)


def _drifting(log: LoggedDecisions, order: IntArray, config: EvaluationConfig) -> tuple[Finding, ...]:
    block = np.empty(len(log), dtype=np.int64)
    block[order] = np.arange(len(log)) * N_BLOCKS // len(log)
    weight, reward = log.sample_weight, log.reward
    size = np.bincount(block, weights=weight, minlength=N_BLOCKS)
    mean = np.bincount(block, weights=weight * reward, minlength=N_BLOCKS) / size
    squares = np.bincount(block, weights=(weight * (reward - mean[block])) ** 2, minlength=N_BLOCKS)
    variance = np.maximum(squares / size**2, 1e-300) * _repeats(log)
    centre = float((mean / variance).sum() / (1 / variance).sum())
    p_value = float(chdtrc(N_BLOCKS - 1, ((mean - centre) ** 2 / variance).sum()))
    if p_value >= config.note_p_value or (squares == 0).any():
        return ()
    far = np.abs(mean - centre) > 3 * np.sqrt(variance)
    n_rounds = int(np.bincount(block, minlength=N_BLOCKS)[far].sum())
    text = (
        f"mean {log.reward_name} drifts within the log, between {mean.min():.4g} and {mean.max():.4g} over tenths of "
        f"its time (p = {p_value:.1e}; {n_rounds:,} rounds lie off): both policies are valued on the mix of times"
    )
    return (Finding(FindingKind.REWARD_DRIFT, n_rounds, False, text),)


def _log_likelihood(events: FloatArray, n: IntArray, share: FloatArray | float) -> FloatArray:
    return np.asarray(xlogy(events, share) + xlogy(n - events, 1 - share))


def _repeats(log: LoggedDecisions) -> float:
    """How much more the mean reward varies because units repeat; at least one."""
    if pd.Index(log.unit).is_unique:
        return 1.0
    centered = log.reward - log.reward.mean()
    clustered = float((sum_by_cluster(centered[:, None], log.unit) ** 2).sum())
    return max(clustered / max(float((centered**2).sum()), 1e-300), 1.0)
