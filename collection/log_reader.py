"""Reads a decision log: columns resolved, rows checked, bad ones set aside with their reason, the rest as arrays.

Every row of the source ends up in exactly one place: used, rejected (`LogRead.rejected`, by reason, and in the
quarantine), or left out for a reason that is no fault (`LogRead.left_out`: not matured yet, another split, another
decision point, an excluded action).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from collection.columns import LogColumns, resolve_columns, text_columns
from collection.draft import Draft
from collection.faults import remedies_of, set_aside
from collection.file_source import read_table, table_of_frame
from collection.narrowing import exclude_actions, keep_logged_actions
from collection.panel_reader import check_episodes, read_steps, with_panel
from collection.selection import check_choice, names_to_choose_from, select, selection_notes, without_empty
from collection.values import has_values
from config.log_options import LogOptions
from domain.errors import InvalidSnapshot
from domain.log import LogRead
from domain.records import QuarantinedRecord

Quarantine = Callable[[Sequence[QuarantinedRecord]], None]
OWN_FORMAT = LogOptions()
EXCLUDED = "excluded action"


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
    filled = [name for name in columns.named.values() if has_values(table.frame[name])]
    choosing = without_empty(columns, filled)
    check_choice(names_to_choose_from(table.frame, choosing), options)
    selection = select(table.frame, choosing, options)
    draft = Draft(table.frame[selection.is_chosen], columns)
    everything = draft.build(options.probability_prefixes, options.prediction_prefix)
    steps = read_steps(draft, everything.context)
    if steps is not None:
        check_episodes(steps, draft.faults, everything.decided_at)
    used = np.flatnonzero(draft.faults.is_good)
    rejected = set_aside(draft.faults, draft.rows, table, quarantine)
    if not len(used):
        raise no_usable_row(table.source, table.n_rows, {**rejected, **selection.left_out})
    narrowed = keep_logged_actions(everything.take(used))
    log = narrowed.log
    notes = [*ignored_notes(columns), *selection_notes(selection.left_out), *draft.notes, *narrowed.notes]
    if steps is not None:
        log, panel_notes = with_panel(log, steps, used)
        notes += panel_notes
    left_out = dict(selection.left_out)
    if options.exclude_actions:
        narrowed = exclude_actions(log, options.exclude_actions)
        log, notes, left_out[EXCLUDED] = narrowed.log, [*notes, *narrowed.notes], narrowed.n_dropped
    by_action = rejected_by_action(draft)
    return LogRead(log, table.source, table.n_rows, rejected, by_action, tuple(notes), left_out)


def ignored_notes(columns: LogColumns) -> list[str]:
    return [f"columns that are not used: {', '.join(columns.ignored)}"] if columns.ignored else []


def rejected_by_action(draft: Draft) -> dict[str, int]:
    """Action as written -> rows with a fault."""
    codes = draft.written.codes[draft.faults.bad_rows]
    counts = Counter(codes[codes >= 0].tolist())
    return {draft.written.names[code]: n for code, n in sorted(counts.items())}


def no_usable_row(source: str, n_rows: int, reasons: Mapping[str, int]) -> InvalidSnapshot:
    """What to raise where nothing is left."""
    counts = ", ".join(f"{reason}: {n}" for reason, n in reasons.items())
    return InvalidSnapshot(
        f"{source} has {n_rows} rows and none is usable ({counts})",
        f"{remedies_of(reasons)}; the quarantine keeps every rejected row with its reason",
    )
