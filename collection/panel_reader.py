"""Panels: rows of one episode in the order of their steps. An episode with a hole is no trajectory and is set aside."""

from dataclasses import dataclass, replace

import numpy as np

from collection.draft import Draft
from collection.faults import Faults
from collection.values import flags_of, unit_codes
from domain.arrays import BoolArray, Column, IntArray, TimeArray
from domain.context import Context
from domain.log import LoggedDecisions, Panel


@dataclass(frozen=True)
class Steps:
    """The panel's columns over all rows of the draft."""

    episode: IntArray  # (n_rows,) codes, -1 where missing
    step: IntArray  # (n_rows,) counted from the log's first step
    terminated: BoolArray
    truncated: BoolArray
    next_context: Context | None


def read_steps(draft: Draft, context: Context) -> Steps | None:
    """The panel's columns; None where the log is no panel."""
    episode, step = draft.series("episode_id"), draft.series("step")
    if episode is None or step is None:
        if episode is not None or step is not None:
            draft.notes.append("a panel needs episode_id and step: only one is there, so rows count one by one")
        return None
    codes = unit_codes(episode)
    draft.faults.mark(codes < 0, "episode_id missing")
    numbers = draft.number("step")
    with np.errstate(invalid="ignore"):
        draft.faults.mark((numbers < 0) | (numbers != np.round(numbers)), "step not a whole number from 0")
    steps = np.where(np.isfinite(numbers), numbers, -1).astype(np.int64)
    usable = steps[draft.faults.is_good]
    if len(usable) and usable.min() == 1:
        draft.notes.append("steps count from 1 in the source")
        steps = steps - 1
    return Steps(codes, steps, _flag(draft, "terminated"), _flag(draft, "truncated"), draft.next_context(context))


def _flag(draft: Draft, name: str) -> BoolArray:
    series = draft.series(name)
    if series is None:
        return np.zeros(len(draft.rows), dtype=np.bool_)
    flags = flags_of(series)
    draft.faults.mark(flags.is_bad, f"{name} not true or false")
    return flags.values


def check_episodes(steps: Steps, faults: Faults, decided_at: TimeArray | None = None) -> None:
    """Marks every row of an episode that is not one gapless run from step 0 to its end, forward in time.

    Args:
        steps: of all rows.
        faults: what is known so far; a row with a fault is a hole in its episode.
        decided_at: (n_rows,) of all rows, where the log has times; two steps may share one.
    """
    usable = np.flatnonzero(faults.is_good)
    order = usable[np.lexsort((steps.step[usable], steps.episode[usable]))]
    episode, step = steps.episode[order], steps.step[order]
    is_first = np.r_[True, episode[1:] != episode[:-1]][: len(order)]
    previous = np.r_[-1, step[:-1]][: len(order)]
    ended = steps.terminated[order] | steps.truncated[order]
    ended_before = np.r_[False, ended[:-1]][: len(order)] & ~is_first
    problems = (
        ("episode with two rows of the same step", ~is_first & (step == previous)),
        ("episode that does not start at step 0", is_first & (step != 0)),
        ("episode with a missing step", ~is_first & (step != previous + 1)),
        ("episode that goes on after its end", ended_before),
        ("episode whose time goes back", ~is_first & _is_earlier(decided_at, order)),
    )
    for reason, is_problem in problems:
        broken = np.unique(episode[is_problem])
        faults.mark(np.isin(steps.episode, broken), reason)


def _is_earlier(decided_at: TimeArray | None, order: IntArray) -> BoolArray:
    """(n,) whether a row's time lies before that of the row that precedes it in `order`."""
    if decided_at is None:
        return np.zeros(len(order), dtype=np.bool_)
    time = decided_at[order]
    return np.asarray(np.r_[False, time[1:] < time[:-1]][: len(order)], dtype=np.bool_)


def with_panel(log: LoggedDecisions, steps: Steps, rows: IntArray) -> tuple[LoggedDecisions, tuple[str, ...]]:
    """The log of `rows`, sorted by episode and step, with its panel.

    Args:
        log: of `rows` already.
        steps: of all rows of the draft.
        rows: positions in the draft.
    """
    order = np.lexsort((steps.step[rows], steps.episode[rows]))
    log, rows = log.take(order), rows[order]
    _, episode = np.unique(steps.episode[rows], return_inverse=True)
    is_last = np.r_[episode[1:] != episode[:-1], True][: len(rows)]
    terminated = steps.terminated[rows]
    recorded = None if steps.next_context is None else steps.next_context.take(rows)
    notes = []
    if recorded is None or set(recorded.columns) != set(log.context.columns):
        notes.append("next context taken from the episode's following row; after the last row it is missing")
    panel = Panel(
        episode=episode.astype(np.int64),
        step=steps.step[rows],
        next_context=_next_context(log.context, recorded, is_last),
        terminated=terminated,
        # where nothing says how an episode ends, it is the observation that ended
        truncated=steps.truncated[rows] | (is_last & ~terminated),
    )
    return replace(log, panel=panel), tuple(notes)


def _next_context(context: Context, recorded: Context | None, is_last: BoolArray) -> Context:
    columns: dict[str, Column] = {}
    for name, values in context.columns.items():
        if recorded is not None and name in recorded.columns:
            columns[name] = recorded.columns[name]
            continue
        following = np.roll(values, -1)
        following[is_last] = None if values.dtype == object else np.nan
        columns[name] = following
    return Context(columns, context.n_rounds)
