"""What a log says at first sight: rounds, mean reward and cost by action, and the course of days.

These are averages of what happened. They compare actions only where every unit had the same chance of each: elsewhere
evaluation's estimates do, and the two may well disagree.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, TimeArray
from domain.log import LoggedDecisions

Z95 = 1.959963984540054


@dataclass(frozen=True)
class ActionSummary:
    """One action's rounds; the interval is 95 %, clustered by unit."""

    action: str
    n_rounds: int
    share: float  # of all rounds, subsampling weights counted
    mean_reward: float
    low: float | None  # None with fewer than two units
    high: float | None
    mean_cost: float | None  # None where the log carries no cost


@dataclass(frozen=True)
class DailyTrend:
    """Days with decisions, oldest first."""

    day: TimeArray  # (n_days,) UTC
    n_rounds: FloatArray  # (n_days,) subsampling weights counted
    mean_reward: FloatArray  # (n_days,)


@dataclass(frozen=True)
class LogSummary:
    reward_name: str
    n_rounds: int
    n_units: int
    mean_reward: float
    low: float | None
    high: float | None
    actions: tuple[ActionSummary, ...]  # in the order of the action set
    trend: DailyTrend | None  # None where the log has no times


def summarise_log(log: LoggedDecisions) -> LogSummary:
    """Naive averages by action and by day.

    >>> from domain.actions import ActionSet
    >>> from domain.context import Context
    >>> log = LoggedDecisions(
    ...     ActionSet(("a", "b")), np.array([0, 0, 1]), np.array([1.0, 3.0, 5.0]), "spend", Context({}, 3), np.arange(3)
    ... )
    >>> [(s.action, s.n_rounds, s.mean_reward) for s in summarise_log(log).actions]
    [('a', 2, 2.0), ('b', 1, 5.0)]
    """
    everything = np.ones(len(log), dtype=np.bool_)
    mean, low, high = _mean(log, everything)
    return LogSummary(
        reward_name=log.reward_name,
        n_rounds=len(log),
        n_units=len(np.unique(log.unit)),
        mean_reward=mean,
        low=low,
        high=high,
        actions=tuple(_action(log, a) for a in range(log.n_actions) if (log.action == a).any()),
        trend=_trend(log),
    )


def _action(log: LoggedDecisions, a: int) -> ActionSummary:
    rows = log.action == a
    mean, low, high = _mean(log, rows)
    weight = log.sample_weight
    share = float(weight[rows].sum() / weight.sum())
    cost = None if log.cost is None else float(np.average(log.cost[rows], weights=weight[rows]))
    return ActionSummary(log.actions.ids[a], int(rows.sum()), share, mean, low, high, cost)


def _mean(log: LoggedDecisions, rows: BoolArray) -> tuple[float, float | None, float | None]:
    """Weighted mean reward with the interval of a ratio of sums over units."""
    weight, reward = log.sample_weight[rows], log.reward[rows]
    mean = float(np.average(reward, weights=weight))
    _, unit = np.unique(log.unit[rows], return_inverse=True)
    n_units = int(unit.max()) + 1
    if n_units < 2:
        return mean, None, None
    influence = np.bincount(unit, weights=weight * (reward - mean)) / weight.sum()
    margin = Z95 * float(np.sqrt(n_units / (n_units - 1) * (influence**2).sum()))
    return mean, mean - margin, mean + margin


def _trend(log: LoggedDecisions) -> DailyTrend | None:
    if log.decided_at is None:
        return None
    days, code = np.unique(log.decided_at.astype("datetime64[D]"), return_inverse=True)
    weight = np.bincount(code, weights=log.sample_weight)
    total = np.bincount(code, weights=log.sample_weight * log.reward)
    return DailyTrend(np.asarray(days), np.asarray(weight, dtype=np.float64), total / weight)
