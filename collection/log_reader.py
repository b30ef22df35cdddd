"""Reads a decision log: columns resolved, rows checked, bad ones set aside with their reason, the rest as arrays.

Every row of the source ends up in exactly one place: used, rejected (`LogRead.rejected`, by reason, and in the
quarantine), or left out for a reason that is no fault (`LogRead.left_out`: not matured yet, another split, another
decision point, an excluded action).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from collection.columns import LogColumns, resolve_columns, text_columns
from collection.draft import Draft
from collection.faults import set_aside
from collection.file_source import Table, read_table, table_of_frame
from collection.narrowing import exclude_actions, keep_logged_actions
from collection.panel_reader import check_episodes, read_steps, with_panel
from collection.values import coded, flags_of, has_values
from config.log_options import LogOptions
from domain.arrays import BoolArray
from domain.errors import InvalidSnapshot, UsageError
from domain.log import LogRead
from domain.records import QuarantinedRecord

Quarantine = Callable[[Sequence[QuarantinedRecord]], None]
OWN_FORMAT = LogOptions()
EXCLUDED = "excluded action"
IMMATURE = "immature"


def read_log(
    source: Path | str | pd.DataFrame, options: LogOptions = OWN_FORMAT, quarantine: Quarantine | None = None
) -> LogRead:
    """A decision log from a Parquet, CSV or JSONL file, a glob of several, or a frame in memory.

    Args:
        source: the log, in our own column names or in foreign ones that `options.columns` maps.
        options: which columns, rows and actions count.
        quarantine: receives the rejected rows, a few thousand at a time.

    Raises:
        UsageError: no such file; several rewards and no choice; a split or decision point that the log lacks.
        MissingColumn: no action or no reward column.
        UnsupportedAction: an action to exclude that the log lacks.
        InvalidSnapshot: unreadable, empty, or no usable row.

    >>> frame = pd.DataFrame({"action": [1, 2, 2], "reward": [0.0, 1.5, float("inf")], "x_age": [30, 41, 50]})
    >>> read = read_log(frame)
    >>> len(read.log), dict(read.rejected), read.log.actions.ids
    (2, {'reward infinite': 1}, ('1', '2'))
    """
    table = table_of_frame(source) if isinstance(source, pd.DataFrame) else read_table(source, text_columns(options))
    if not len(table.frame):
        raise InvalidSnapshot(f"{table.source} has no rows", "check the query or export that wrote it")
    columns = resolve_columns(list(table.frame.columns), options)
    selection = _select(table.frame, columns, options)
    draft = Draft(table.frame[selection.is_chosen], columns)
    everything = draft.build(options.probability_prefixes)
    steps = read_steps(draft, everything.context)
    if steps is not None:
        check_episodes(steps, draft.faults)
    used = np.flatnonzero(draft.faults.is_good)
    rejected = set_aside(draft.faults, draft.rows, table, quarantine)
    if not len(used):
        raise _no_usable_row(table, rejected, selection.left_out)
    narrowed = keep_logged_actions(everything.take(used))
    log, notes = narrowed.log, [*_ignored(columns), *selection.notes, *draft.notes, *narrowed.notes]
    if steps is not None:
        log, panel_notes = with_panel(log, steps, used)
        notes += panel_notes
    left_out = dict(selection.left_out)
    if options.exclude_actions:
        narrowed = exclude_actions(log, options.exclude_actions)
        log, notes, left_out[EXCLUDED] = narrowed.log, [*notes, *narrowed.notes], narrowed.n_dropped
    by_action = _rejected_by_action(draft)
    return LogRead(log, table.source, table.n_rows, rejected, by_action, tuple(notes), left_out)


@dataclass(frozen=True)
class _Selection:
    """Rows that the options ask for, before any is checked."""

    is_chosen: BoolArray  # (n_rows,)
    left_out: Mapping[str, int]
    notes: tuple[str, ...]


def _select(frame: pd.DataFrame, columns: LogColumns, options: LogOptions) -> _Selection:
    chosen = np.ones(len(frame), dtype=np.bool_)
    left_out: dict[str, int] = {}
    notes: list[str] = []
    for name, value in (("decision_point", options.decision_point), ("split", options.split)):
        series = _series(frame, columns, name)
        if series is None and value is not None:
            raise UsageError(f"the log has no column `{name}` to choose {value!r} from", f"leave {name} out")
        if series is None or (value is None and name == "split"):
            continue
        column = coded(series)
        if value is None and len(column.names) == 1:
            continue
        if value is None or value not in column.names:
            raise UsageError(
                f"{'no' if value is None else 'unknown'} {name}{'' if value is None else f' {value!r}'} chosen; "
                f"the log has {', '.join(column.names)}",
                f"choose one {name.replace('_', ' ')}",
            )
        other = chosen & (column.codes != column.names.index(value))
        left_out[f"other {name.replace('_', ' ')}"] = int(other.sum())
        chosen &= ~other
    matured = _series(frame, columns, "matured")
    if matured is not None:
        # what is not known to be matured is not counted on
        flags = flags_of(matured)
        immature = chosen & ~(flags.values & ~flags.is_bad)
        left_out[IMMATURE] = int(immature.sum())
        chosen &= ~immature
        notes += [f"{left_out[IMMATURE]} rows are not matured yet"] if left_out[IMMATURE] else []
    return _Selection(chosen, {k: n for k, n in left_out.items() if n}, tuple(notes))


def _series(frame: pd.DataFrame, columns: LogColumns, name: str) -> pd.Series | None:
    theirs = columns.named.get(name)
    return None if theirs is None or not has_values(frame[theirs]) else frame[theirs]


def _ignored(columns: LogColumns) -> list[str]:
    return [f"columns that are not used: {', '.join(columns.ignored)}"] if columns.ignored else []


def _rejected_by_action(draft: Draft) -> dict[str, int]:
    codes = draft.written.codes[draft.faults.bad_rows]
    counts = Counter(codes[codes >= 0].tolist())
    return {draft.written.names[code]: n for code, n in sorted(counts.items())}


def _no_usable_row(table: Table, rejected: Mapping[str, int], left_out: Mapping[str, int]) -> InvalidSnapshot:
    counts = ", ".join(f"{reason}: {n}" for reason, n in {**rejected, **left_out}.items())
    return InvalidSnapshot(
        f"{table.source} has {table.n_rows} rows and none is usable ({counts})",
        "mend the export; the quarantine keeps every rejected row with its reason",
    )
