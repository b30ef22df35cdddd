"""The same log over fewer actions: those never logged fall away, those a person excludes are conditioned out.

Excluding actions E keeps the rows of the others and asks what the logging policy does given that it chooses none of
E: pi(a | x, not E) = pi(a | x) / (1 - pi(E | x)). pi(E | x) comes from the row's own p_* vector; else, where actions
were randomised inside cells, from the propensities that the excluded rows of that cell carry.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import InvalidSnapshot, UnsupportedAction, UsageError
from domain.log import LoggedDecisions

TOLERANCE = 1e-6
SUM_TOLERANCE = 0.01  # recorded propensities are often rounded


@dataclass(frozen=True)
class Narrowed:
    log: LoggedDecisions
    n_dropped: int
    notes: tuple[str, ...]


def keep_logged_actions(log: LoggedDecisions) -> Narrowed:
    """Drops actions that no row chose and that no logged distribution gives probability."""
    used = np.bincount(log.action, minlength=log.n_actions) > 0
    if log.logged_distribution is not None:
        used |= (log.logged_distribution > 0).any(axis=0)
    notes = () if used.all() else (never_chosen_note(log.actions, used),)
    return Narrowed(log if used.all() else over_actions(log, used), 0, notes)


def never_chosen_note(actions: ActionSet, used: BoolArray) -> str:
    never = [a for a, is_used in zip(actions.ids, used, strict=True) if not is_used]
    return f"eligible but never chosen, so not among the actions: {', '.join(never)}"


def exclude_actions(log: LoggedDecisions, excluded: tuple[str, ...]) -> Narrowed:
    """Drops the rows of `excluded` and renormalises what the log knows about the logging policy.

    Raises:
        UnsupportedAction: the log has no such action, or no other one.
        UsageError: the log is a panel, whose episodes would get holes.
        InvalidSnapshot: the propensities of a cell add up to more than one.
    """
    kept = np.ones(log.n_actions, dtype=np.bool_)
    kept[[log.actions.index(a) for a in excluded]] = False
    if not kept.any():
        raise UnsupportedAction(
            f"every action of the log is excluded: {', '.join(log.actions.ids)}", "leave two of them or more"
        )
    if log.panel is not None:
        raise UsageError("actions cannot be excluded from a panel: its episodes would get holes", "leave them in")
    stays = kept[log.action]
    n_dropped = int((~stays).sum())
    notes = [f"excluded {', '.join(excluded)}: {n_dropped} rows"]
    given_up = _excluded_probability(log, kept)
    notes += [given_up.note] if given_up.note else []
    conditioned = _renormalise(log, kept, given_up).take(stays)
    return Narrowed(over_actions(conditioned, kept), n_dropped, tuple(notes))


@dataclass(frozen=True)
class _GivenUp:
    """pi(E | x), and how it is known."""

    probability: FloatArray  # (n_rounds,)
    is_exact: bool
    note: str


def _excluded_probability(log: LoggedDecisions, kept: BoolArray) -> _GivenUp:
    if log.logged_distribution is not None:
        own = log.logged_distribution[:, ~kept].sum(axis=1)
        return _GivenUp(own, True, "propensities renormalised row by row, from p_*")
    if log.propensity is None:
        return _GivenUp(np.zeros(len(log)), True, "")
    cell = np.zeros(len(log), dtype=np.int64) if log.cell is None else log.cell
    n_cells = int(cell.max()) + 1
    of_cell = np.zeros(n_cells)
    is_exact = True
    for a in np.flatnonzero(~kept):
        rows = log.action == a
        share, is_constant = _cell_probability(log.propensity, rows, cell, n_cells, log.sample_weight)
        of_cell += share
        is_exact &= is_constant
    where = "over the whole log" if log.cell is None else f"inside {n_cells} cells"
    how = "" if is_exact else ", approximately: propensities vary there, so shares of rows stand in for them"
    return _GivenUp(of_cell[cell], is_exact, f"propensities renormalised {where}{how}")


def _cell_probability(
    propensity: FloatArray, rows: BoolArray, cell: IntArray, n_cells: int, weight: FloatArray
) -> tuple[FloatArray, bool]:
    """(n_cells,) probability of one action: as recorded where constant, else its share of the cell's rows.

    A mean over the action's own rows would be too high, because rows with a high propensity are chosen more often.
    """
    low, high = np.full(n_cells, np.inf), np.full(n_cells, -np.inf)
    np.minimum.at(low, cell[rows], propensity[rows])
    np.maximum.at(high, cell[rows], propensity[rows])
    n_rows = np.bincount(cell, weights=weight, minlength=n_cells)
    share = np.bincount(cell[rows], weights=weight[rows], minlength=n_cells) / np.maximum(n_rows, 1e-300)
    seen = np.isfinite(low)
    is_constant = seen & (high - np.where(seen, low, 0) <= TOLERANCE)
    recorded = np.where(is_constant, (np.where(seen, low, 0) + np.where(seen, high, 0)) / 2, share)
    return np.where(seen, recorded, 0.0), bool(is_constant[seen].all())


def _renormalise(log: LoggedDecisions, kept: BoolArray, given_up: _GivenUp) -> LoggedDecisions:
    probability, stays = given_up.probability, kept[log.action]
    rest = 1.0 - probability
    propensity = None if log.propensity is None else log.propensity / np.where(stays & (rest > 0), rest, 1.0)
    # an approximate share may overshoot in single rows, where one is the most there can be
    excess = stays & ((rest <= 0) | (False if propensity is None else propensity > 1 + SUM_TOLERANCE))
    if given_up.is_exact and excess.any():
        row = int(np.flatnonzero(excess)[0])
        raise InvalidSnapshot(
            f"action {log.actions.ids[log.action[row]]!r} has propensity {_of(log.propensity, row):.4g} where the "
            f"excluded actions have {probability[row]:.4g}; together at most 1 was expected",
            "check the propensities, or name the column of strata `cell`",
        )
    distribution = log.logged_distribution
    if distribution is not None:
        distribution = distribution * kept / np.where(stays & (rest > 0), rest, 1.0)[:, None]
    return replace(
        log,
        propensity=None if propensity is None else np.minimum(propensity, 1.0),
        logged_distribution=distribution,
        probabilities={name: _without(values, kept, stays, name) for name, values in log.probabilities.items()},
    )


def _of(values: FloatArray | None, row: int) -> float:
    assert values is not None
    return float(values[row])


def _without(values: FloatArray, kept: BoolArray, stays: BoolArray, name: str) -> FloatArray:
    """Another policy's distribution, restricted in the same way."""
    rest = (values * kept).sum(axis=1)
    lost = int((stays & (rest <= 0)).sum())
    if lost:
        raise UnsupportedAction(
            f"probabilities:{name} gives excluded actions all its probability in {lost} rows",
            "evaluate a policy that can do without them",
        )
    return np.asarray(values * kept / np.where(rest > 0, rest, 1.0)[:, None])


def over_actions(log: LoggedDecisions, kept: BoolArray) -> LoggedDecisions:
    """The log over the kept actions; every row's action must be among them."""
    recode = np.cumsum(kept) - 1
    distribution, eligible = log.logged_distribution, log.eligible
    return replace(
        log,
        actions=log.actions.keep(kept),
        action=np.asarray(recode[log.action], dtype=np.int64),
        logged_distribution=None if distribution is None else distribution[:, kept],
        predictions=None if log.predictions is None else log.predictions[:, kept],
        eligible=None if eligible is None else eligible[:, kept],
        probabilities={name: _kept_columns(log, values, kept, name) for name, values in log.probabilities.items()},
    )


def _kept_columns(log: LoggedDecisions, values: FloatArray, kept: BoolArray, name: str) -> FloatArray:
    lost = (values[:, ~kept] > 0).any(axis=0)
    if lost.any():
        unknown = [a for a, k in zip(log.actions.ids, kept, strict=True) if not k]
        raise UnsupportedAction(
            f"probabilities:{name} chooses {', '.join(np.array(unknown)[lost])}, which the log never does",
            "evaluate a policy over the log's actions, or collect a log with this action",
        )
    return np.asarray(values[:, kept])
