"""A decision log larger than memory: read in chunks, every chunk checked like a log that is read whole.

Memory holds one chunk, and what grows with the log's variety, not with its length: actions, cells, ids that repeat.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from collection.chunks import open_chunks
from collection.columns import resolve_columns, text_columns
from collection.draft import Draft, Whole, columns_of_prefix
from collection.faults import set_aside
from collection.hashing import HashArray, mixed
from collection.log_reader import Quarantine, ignored_notes, no_usable_row, rejected_by_action
from collection.log_survey import Reporter, survey_log
from collection.narrowing import never_chosen_note, over_actions
from collection.selection import select, selection_notes
from config.log_options import LogOptions
from domain.actions import ActionSet
from domain.arrays import BoolArray
from domain.errors import UsageError
from domain.log import LoggedDecisions

N_UNIT_GROUPS = 4096
ROWS_OF_A_FILE = 1 << 40  # more than any file holds: numbers rows across files


@dataclass(frozen=True)
class LogChunk:
    """Usable rows. Their unit is the hash of its id into N_UNIT_GROUPS; where the log has no units, the row."""

    log: LoggedDecisions
    row_hash: HashArray  # (n_rounds,) of the row's place in the log


@dataclass(frozen=True)
class StreamRead:
    """The account of one reading: see `domain.log.LogRead`."""

    source: str
    reward_name: str
    n_rows: int
    n_used: int
    rejected: Mapping[str, int]
    rejected_by_action: Mapping[str, int]
    notes: tuple[str, ...]
    left_out: Mapping[str, int]

    @property
    def n_rejected(self) -> int:
        return sum(self.rejected.values())


class LogStream:
    """Looks at the log once, then reads it as often as wanted.

    Raises:
        UsageError, MissingColumn, InvalidSnapshot: as `collection.log_reader.read_log`; UsageError also for what needs
            the whole log in memory (panels, excluded actions).
    """

    def __init__(self, source: Path | str, options: LogOptions, report: Reporter = lambda _: None) -> None:
        self.source = str(source)
        self.report = report
        self.options = options
        self._files = open_chunks(source, text_columns(options))
        columns = resolve_columns(self._files.names, options)
        if options.exclude_actions:
            raise UsageError("actions cannot be excluded from a log that is streamed", "read it without --stream")
        surveyed = survey_log(self._files, columns, options, report)
        self.columns, self.facts = surveyed.columns, surveyed.facts
        if {"episode_id", "step"} <= {name for name, c in columns.named.items() if c in self.facts.filled}:
            raise UsageError(
                "a panel cannot be streamed: its episodes must be together",
                "read it without --stream, or leave episode_id and step out of the log",
            )
        self._ignored = ignored_notes(columns)
        self._repeats = surveyed.repeats
        self._whole = Whole(self.facts, surveyed.repeats, N_UNIT_GROUPS)
        self._kept: BoolArray | None = None
        self._tally = _Tally()

    @property
    def has_units(self) -> bool:
        """Whether rows of one unit have to be taken together."""
        return self.columns.named.get("unit_id") in self.facts.filled

    @property
    def n_unit_groups(self) -> int:
        return N_UNIT_GROUPS

    @property
    def reward_name(self) -> str:
        return self.columns.reward

    @property
    def actions(self) -> ActionSet:
        """All that are written anywhere, or those that `keep_actions` left."""
        everything = Draft.actions_of(self.facts, self.columns)
        return everything if self._kept is None else everything.keep(self._kept)

    def keep_actions(self, is_kept: BoolArray) -> None:
        """Reads on over fewer actions: those that some usable row chose."""
        everything = Draft.actions_of(self.facts, self.columns)
        kept = self.actions.keep(is_kept).ids
        self._kept = np.array([action in kept for action in everything.ids])

    def chunks(self, quarantine: Quarantine | None = None) -> Iterator[LogChunk]:
        """The usable rows, a chunk at a time; afterwards `account` has the counts.

        Raises:
            InvalidSnapshot: no row was usable.
        """
        self._tally = _Tally()
        self._repeats.rewind()
        for share, file, table in self._files.chunks(self._used_columns()):
            selection = select(table.frame, self.columns, self.options)
            rows = table.frame if selection.is_chosen.all() else table.frame[selection.is_chosen]
            draft = Draft(rows, self.columns, self._whole)
            log = draft.build(self.options.probability_prefixes, self.options.prediction_prefix)
            is_good = draft.faults.is_good
            self._tally.add(table.n_rows, set_aside(draft.faults, rows, table, quarantine), draft, selection.left_out)
            if not is_good.all():
                log, rows = log.take(is_good), rows[is_good]
            if len(log):
                log = log if self._kept is None else over_actions(log, self._kept)
                yield LogChunk(log, mixed(rows.index.to_numpy(dtype=np.int64) + file * ROWS_OF_A_FILE))
            self.report(share)
        if not self._tally.n_used:
            reasons = {**self._tally.rejected, **self._tally.left_out}
            raise no_usable_row(self.source, self._tally.n_rows, reasons)

    def account(self) -> StreamRead:
        """Of the last reading."""
        tally = self._tally
        notes = [*self._ignored, *selection_notes(tally.left_out), *tally.notes]
        if self._kept is not None:
            notes.append(never_chosen_note(Draft.actions_of(self.facts, self.columns), self._kept))
        return StreamRead(
            self.source,
            self.reward_name,
            tally.n_rows,
            tally.n_used,
            dict(sorted(tally.rejected.items())),
            dict(sorted(tally.rejected_by_action.items())),
            tuple(notes),
            dict(tally.left_out),
        )

    def _used_columns(self) -> list[str]:
        """Those with a role, and no others: what is not used is not read."""
        c, options, ids = self.columns, self.options, Draft.actions_of(self.facts, self.columns).ids
        prefixes = [*options.probability_prefixes, *([options.prediction_prefix] if options.prediction_prefix else [])]
        of_prefixes = [name for p in prefixes for name in columns_of_prefix(p, ids, self._files.names).values()]
        return list(dict.fromkeys([*c.named.values(), c.reward, *c.context.values(), *c.logged.values(), *of_prefixes]))


class _Tally:
    """Counts of one reading."""

    def __init__(self) -> None:
        self.n_rows = self.n_used = 0
        self.rejected, self.rejected_by_action, self.left_out = Counter[str](), Counter[str](), Counter[str]()
        self.notes: dict[str, None] = {}

    def add(self, n_rows: int, rejected: Mapping[str, int], draft: Draft, left_out: Mapping[str, int]) -> None:
        self.n_rows += n_rows
        self.n_used += int(draft.faults.is_good.sum())
        self.rejected.update(rejected)
        self.rejected_by_action.update(rejected_by_action(draft))
        self.left_out.update(left_out)
        self.notes.update(dict.fromkeys(draft.notes))
