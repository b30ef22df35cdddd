"""The replay buffer as the log that training and evaluation read: decisions with their newest rewards."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, IntArray
from domain.context import context_of_rows
from domain.decisions import Arm
from domain.log import LoggedDecisions, Panel
from domain.records import ObservedDecision


def under_policy(observed: Sequence[ObservedDecision], actions: ActionSet) -> list[ObservedDecision]:
    """Those that a policy decided, of actions that are still in the catalogue.

    Propensities are conditional on the arm, so decisions of other arms are no rounds of this log.
    """
    return [o for o in observed if o.decision.arm is Arm.POLICY and o.decision.action in actions]


def log_of(rows: Sequence[ObservedDecision], actions: ActionSet) -> LoggedDecisions:
    """One round a decision, in the order given.

    Where the catalogue has lost an action since, its rounds are left out, so what is left was drawn among the others:
    propensities are given that, as `--exclude-action` does.
    """
    decisions = [o.decision for o in rows]
    _, unit = np.unique(np.array([d.unit for d in decisions], dtype=str), return_inverse=True)
    distribution = np.array([[d.distribution.get(a, 0.0) for a in actions.ids] for d in decisions], dtype=np.float64)
    distribution = distribution.reshape(len(rows), len(actions))
    kept = np.array([_kept_share(d.distribution, actions) for d in decisions], dtype=np.float64)
    return LoggedDecisions(
        actions=actions,
        action=np.array([actions.index(d.action) for d in decisions], dtype=np.int64),
        reward=np.array([float(o.reward) for o in rows], dtype=np.float64),
        reward_name="reward",
        context=context_of_rows([d.features for d in decisions]),
        unit=unit.astype(np.int64),
        propensity=np.array([d.propensity for d in decisions], dtype=np.float64) / kept,
        logged_distribution=distribution / kept[:, None],
        eligible=_eligible([d.eligible for d in decisions], actions),
        decided_at=np.array([d.decided_at.replace(tzinfo=None) for d in decisions], dtype="datetime64[us]"),
    )


def _kept_share(distribution: Mapping[str, float], actions: ActionSet) -> float:
    """Of a decision's distribution, what lies on actions that are still there; exactly 1 where none is gone."""
    gone = any(p > 0.0 for a, p in distribution.items() if a not in actions)
    return sum(p for a, p in distribution.items() if a in actions) if gone else 1.0


def panel_of(log: LoggedDecisions, left: BoolArray, *, n_periods: int | None = None) -> LoggedDecisions:
    """The same rounds as a panel: a unit's decisions in time are its episode.

    Args:
        log: from `log_of`.
        left: (n_rounds,) whether the unit was gone after this decision.
        n_periods: the longest an episode may be; what goes on longer goes on as another episode of the same unit, as
            overlap shrinks with every period. None = as long as it is.

    A unit's last round whose following context nobody has seen yet waits; the one before it ends the episode truncated.
    """
    assert log.decided_at is not None
    order = np.lexsort((log.decided_at, log.unit))
    order = order[_until_gone(log.unit[order], left[order])]
    ordered, left = log.take(order), left[order]
    is_last, first = _ends(ordered.unit), _starts(ordered.unit)
    waits = is_last & ~left
    following = np.minimum(np.arange(len(ordered)) + 1, len(ordered) - 1)
    age = np.arange(len(ordered)) - first
    length = n_periods or int(age.max(initial=0)) + 1
    panel = Panel(
        episode=np.unique(np.stack([ordered.unit, age // length]), axis=1, return_inverse=True)[1].reshape(-1),
        step=age % length,
        next_context=ordered.context.take(following),
        terminated=left,
        truncated=~left & (waits[following] & ~is_last | (age % length == length - 1)),
    )
    return replace(ordered, panel=panel).take(~waits)


def _ends(unit: IntArray) -> BoolArray:
    """(n,) whether a row is its unit's last; rows are sorted by unit."""
    return np.asarray(np.r_[unit[1:] != unit[:-1], True][: len(unit)], dtype=np.bool_)


def _starts(unit: IntArray) -> IntArray:
    """(n,) index of the first row of each row's unit."""
    is_first = np.r_[True, unit[1:] != unit[:-1]][: len(unit)]
    return np.asarray(np.maximum.accumulate(np.where(is_first, np.arange(len(unit)), 0)), dtype=np.int64)


def _until_gone(unit: IntArray, left: BoolArray) -> BoolArray:
    """A decision about someone who had left before is no experience."""
    before: IntArray = np.cumsum(left) - left
    return np.asarray(before == before[_starts(unit)], dtype=np.bool_)


def _eligible(eligible: Sequence[tuple[str, ...]], actions: ActionSet) -> BoolArray:
    mask = np.zeros((len(eligible), len(actions)), dtype=np.bool_)
    for row, allowed in enumerate(eligible):
        for action_id in allowed:
            if action_id in actions:
                mask[row, actions.index(action_id)] = True
    return mask
