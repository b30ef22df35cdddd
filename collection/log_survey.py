"""The first look at a log that is read in chunks: what only the whole log can say.

Of Parquet only actions, cells, eligibility, times and decision ids are looked at, the footer says the rest; of other
formats, and where rows are chosen among which a column may be empty, every column.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass

from collection.chunks import ChunkedFiles
from collection.columns import LogColumns
from collection.draft import Draft
from collection.log_facts import LogFacts
from collection.repeated_ids import IdHashes, RepeatedIds
from collection.selection import SELECTORS, check_choice, names_to_choose_from, select, without_empty
from collection.values import has_values
from config.log_options import LogOptions
from domain.errors import InvalidSnapshot

LOOKED_AT = ("action", "cell", "eligible", "split", "decision_id", "decided_at")
Reporter = Callable[[float], None]  # share of the log that is read


@dataclass(frozen=True)
class Survey:
    """Of the rows that the options ask for."""

    columns: LogColumns  # without selecting columns that are empty throughout
    facts: LogFacts
    repeats: RepeatedIds


def survey_log(files: ChunkedFiles, columns: LogColumns, options: LogOptions, report: Reporter) -> Survey:
    """Reads what has to be read, once; a second time where decision ids repeat.

    Raises:
        UsageError: a split or decision point that the log lacks.
        InvalidSnapshot: no rows.
    """
    columns = _choosing(files, columns, options)
    known = files.known
    looked_at = files.names if known is None or _is_choosing(columns, options) else _looked_at(columns)
    facts, n_rows = LogFacts(), 0
    ids = columns.named.get("decision_id")
    with closing(IdHashes()) as hashes:
        for share, _, table in files.chunks(looked_at):
            rows = table.frame[select(table.frame, columns, options).is_chosen]
            facts += Draft(rows, columns).found()
            n_rows += table.n_rows
            if ids is not None:
                hashes.add(rows[ids])
            report(share)
        repeated = hashes.repeated()
    if not n_rows:
        raise InvalidSnapshot(f"{files.source} has no rows", "check the query or export that wrote it")
    if known is not None:
        unseen = known.filled - set(looked_at)
        facts += LogFacts(filled=unseen, kinds={name: known.kinds[name] for name in sorted(unseen)})
    return Survey(columns, facts, _compare(RepeatedIds(repeated), files, columns, options, report))


def _choosing(files: ChunkedFiles, columns: LogColumns, options: LogOptions) -> LogColumns:
    present = [columns.named[name] for name in SELECTORS if name in columns.named]
    names: dict[str, frozenset[str]] = {}
    filled: set[str] = set()
    for _, _, table in files.chunks(present) if present else ():
        filled |= {name for name in present if has_values(table.frame[name])}
        names = _joined(names, names_to_choose_from(table.frame, columns))
    columns = without_empty(columns, filled)
    check_choice({name: found for name, found in names.items() if name in columns.named}, options)
    return columns


def _is_choosing(columns: LogColumns, options: LogOptions) -> bool:
    return "matured" in columns.named or options.split is not None or options.decision_point is not None


def _looked_at(columns: LogColumns) -> list[str]:
    return [columns.named[name] for name in LOOKED_AT if name in columns.named]


def _compare(
    repeats: RepeatedIds, files: ChunkedFiles, columns: LogColumns, options: LogOptions, report: Reporter
) -> RepeatedIds:
    if len(repeats):
        for share, _, table in files.chunks():
            rows = table.frame[select(table.frame, columns, options).is_chosen]
            repeats.look(rows, rows[columns.named["decision_id"]])
            report(share)
        repeats.compare()
    return repeats


def _joined(a: Mapping[str, Collection[str]], b: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(a.get(name, ())) | frozenset(b.get(name, ())) for name in {**a, **b}}
