"""The books of one unit of work: records in, records out. Statements are built, never written as text.

A row and its record have the same field names, so one function converts each way.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func, insert
from sqlmodel import Session, SQLModel, col, select

from domain.errors import NotFound
from domain.records import AnalysisRecord, ImportRecord, PolicyRecord, QuarantinedRecord, RunRecord
from knowledge.tables import AnalysisRow, ImportRow, PolicyRow, QuarantineRow, RunRow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_BATCH = 10_000  # rows of one bulk insert: bounds memory, long past the point where larger pays
_SHOWN = 5  # names in the hint of a NotFound

Record = TypeVar("Record", bound="DataclassInstance")
Row = TypeVar("Row", bound=SQLModel)


class SqlQuarantine:
    """Records that failed validation, newest first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, import_id: str, records: Sequence[QuarantinedRecord]) -> None:
        """Keeps the records of one import; the import itself was added before."""
        for start in range(0, len(records), _BATCH):
            rows = [{"import_id": import_id} | _values(record) for record in records[start : start + _BATCH]]
            self._session.execute(insert(QuarantineRow), rows)

    def counts(self) -> Mapping[str, int]:
        """Reason -> records, the most frequent first."""
        n_records = func.count()
        query = select(QuarantineRow.reason, n_records).group_by(col(QuarantineRow.reason)).order_by(n_records.desc())
        return dict(self._session.exec(query).all())

    def records(self, limit: int = 100) -> Sequence[QuarantinedRecord]:
        query = select(QuarantineRow).order_by(col(QuarantineRow.id).desc()).limit(limit)
        return _records(QuarantinedRecord, self._session.exec(query).all())


class SqlImportBook:
    """What was read from where."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: ImportRecord) -> bool:
        """True if new; an import that is known already changes nothing."""
        if self._session.get(ImportRow, record.import_id) is not None:
            return False
        self._session.add(_row(ImportRow, record))
        return True

    def recent(self, limit: int = 20) -> Sequence[ImportRecord]:
        query = select(ImportRow).order_by(col(ImportRow.imported_at).desc(), col(ImportRow.import_id)).limit(limit)
        return _records(ImportRecord, self._session.exec(query).all())


class SqlRunBook:
    """Every run of a verb."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: RunRecord) -> None:
        """Keeps a run; its name is used once."""
        self._session.add(_row(RunRow, record))

    def get(self, run: str) -> RunRecord:
        """One run.

        Raises:
            NotFound: no such run.
        """
        row = self._session.get(RunRow, run)
        if row is None:
            raise _not_found("run", run, self._session.exec(select(RunRow.run).order_by(col(RunRow.started_at))).all())
        return _record(RunRecord, row)

    def recent(self, limit: int = 20) -> Sequence[RunRecord]:
        query = select(RunRow).order_by(col(RunRow.started_at).desc(), col(RunRow.run)).limit(limit)
        return _records(RunRecord, self._session.exec(query).all())


class SqlPolicyBook:
    """Every policy version."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: PolicyRecord) -> None:
        """Keeps a version; training to the same bytes again records the newer run."""
        self._session.merge(_row(PolicyRow, record))

    def get(self, policy_version: str) -> PolicyRecord:
        """One version.

        Raises:
            NotFound: no such version.
        """
        row = self._session.get(PolicyRow, policy_version)
        if row is None:
            query = select(PolicyRow.policy_version).order_by(col(PolicyRow.created_at))
            raise _not_found("policy version", policy_version, self._session.exec(query).all())
        return _record(PolicyRecord, row)

    def all(self, decision_point: str | None = None) -> Sequence[PolicyRecord]:
        """Versions of one decision point, or of all, the newest first."""
        query = select(PolicyRow).order_by(col(PolicyRow.created_at).desc(), col(PolicyRow.policy_version))
        if decision_point is not None:
            query = query.where(PolicyRow.decision_point == decision_point)
        return _records(PolicyRecord, self._session.exec(query).all())


class SqlAnalysisBook:
    """What analysis found, and as of when."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: AnalysisRecord) -> None:
        """Keeps an analysis; its id is used once."""
        self._session.add(_row(AnalysisRow, record))

    def latest(self, kind: str | None = None) -> Sequence[AnalysisRecord]:
        """The newest analysis of each subject, of one kind or of all, the newest first."""
        partition = (col(AnalysisRow.kind), col(AnalysisRow.subject))
        newest_first = (col(AnalysisRow.as_of).desc(), col(AnalysisRow.analysis_id))
        age = func.row_number().over(partition_by=partition, order_by=newest_first)
        ranked = select(AnalysisRow.analysis_id, age.label("age")).subquery()
        query = select(AnalysisRow).join(ranked, col(AnalysisRow.analysis_id) == ranked.c.analysis_id)
        query = query.where(ranked.c.age == 1).order_by(*newest_first)
        if kind is not None:
            query = query.where(AnalysisRow.kind == kind)
        return _records(AnalysisRecord, self._session.exec(query).all())


def _values(record: "DataclassInstance") -> dict[str, object]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _row(kind: type[Row], record: "DataclassInstance") -> Row:
    return kind(**_values(record))


def _record(kind: type[Record], row: SQLModel) -> Record:
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})


def _records(kind: type[Record], rows: Sequence[SQLModel]) -> list[Record]:
    return [_record(kind, row) for row in rows]


def _not_found(what: str, name: str, known: Sequence[str]) -> NotFound:
    """`known` from old to new: where nothing resembles the name, the newest are named."""
    if not known:
        return NotFound(f"unknown {what} {name!r}; the knowledge base holds none yet")
    near = difflib.get_close_matches(name, known, n=_SHOWN, cutoff=0.6)
    if near:
        return NotFound(f"unknown {what} {name!r}", f"did you mean {', '.join(near)}?")
    newest = ", ".join(list(reversed(known))[:_SHOWN])
    return NotFound(f"unknown {what} {name!r}", f"the newest of {len(known)} are {newest}")
