"""Books of the offline loop: quarantine, imports, runs, policies, analyses."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlmodel import Session

from domain.records import AnalysisRecord, ImportRecord, PolicyRecord, QuarantinedRecord, RunRecord
from knowledge.rows import (
    fetch,
    fetch_one,
    fetch_pairs,
    insert_all,
    insert_new,
    names_of,
    not_found,
    select_records,
    table_of,
    upsert,
    values_of,
)
from knowledge.tables.offline import AnalysisRow, ImportRow, PolicyRow, QuarantineRow, RunRow

_IMPORTS = table_of(ImportRow)
_QUARANTINE = table_of(QuarantineRow)
_RUNS = table_of(RunRow)
_POLICIES = table_of(PolicyRow)
_ANALYSES = table_of(AnalysisRow)


class SqlQuarantine:
    """Records that failed validation, newest first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, import_id: str, records: Sequence[QuarantinedRecord]) -> None:
        """Keeps the records of one import; the import itself was added before."""
        insert_all(self._session, QuarantineRow, ({"import_id": import_id} | values_of(record) for record in records))

    def counts(self) -> Mapping[str, int]:
        """Reason -> records, the most frequent first."""
        reason, n_records = _QUARANTINE.c.reason, func.count()
        query = select(reason, n_records).group_by(reason).order_by(n_records.desc(), reason)
        return fetch_pairs(self._session, query)

    def records(self, limit: int = 100) -> Sequence[QuarantinedRecord]:
        query = select_records(QuarantinedRecord, QuarantineRow).order_by(_QUARANTINE.c.id.desc()).limit(limit)
        return fetch(self._session, QuarantinedRecord, query)


class SqlImportBook:
    """What was read from where."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: ImportRecord) -> bool:
        """True if new; an import that is known already changes nothing."""
        return insert_new(self._session, ImportRow, values_of(record))

    def count_up(self, record: ImportRecord) -> None:
        """Adds a stream's rows, used and rejected to what its import has counted so far, under a lock of its row."""
        if self.add(record):
            return
        is_it = _IMPORTS.c.import_id == record.import_id
        query = select_records(ImportRecord, ImportRow).where(is_it).with_for_update()
        so_far = fetch(self._session, ImportRecord, query)[0]
        sums = {
            "n_rows": so_far.n_rows + record.n_rows,
            "n_used": so_far.n_used + record.n_used,
            "rejected": dict(Counter(so_far.rejected) + Counter(record.rejected)),
            "imported_at": max(so_far.imported_at, record.imported_at),
        }
        self._session.execute(_IMPORTS.update().where(is_it).values(sums))

    def recent(self, limit: int = 20) -> Sequence[ImportRecord]:
        newest_first = (_IMPORTS.c.imported_at.desc(), _IMPORTS.c.import_id)
        query = select_records(ImportRecord, ImportRow).order_by(*newest_first).limit(limit)
        return fetch(self._session, ImportRecord, query)


class SqlRunBook:
    """Every run of a verb."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: RunRecord) -> None:
        """Keeps a run; its name is used once."""
        insert_all(self._session, RunRow, [values_of(record)])

    def get(self, run: str) -> RunRecord:
        """One run.

        Raises:
            NotFound: no such run.
        """
        found = fetch_one(self._session, RunRecord, select_records(RunRecord, RunRow).where(_RUNS.c.run == run))
        if found is None:
            raise not_found("run", run, names_of(self._session, _RUNS.c.run, _RUNS.c.started_at))
        return found

    def recent(self, limit: int = 20) -> Sequence[RunRecord]:
        newest_first = (_RUNS.c.started_at.desc(), _RUNS.c.run)
        return fetch(self._session, RunRecord, select_records(RunRecord, RunRow).order_by(*newest_first).limit(limit))


class SqlPolicyBook:
    """Every policy version."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: PolicyRecord) -> None:
        """Keeps a version; training to the same bytes again records the newer run."""
        upsert(self._session, PolicyRow, [values_of(record)])

    def get(self, policy_version: str) -> PolicyRecord:
        """One version.

        Raises:
            NotFound: no such version.
        """
        query = select_records(PolicyRecord, PolicyRow).where(_POLICIES.c.policy_version == policy_version)
        found = fetch_one(self._session, PolicyRecord, query)
        if found is None:
            known = names_of(self._session, _POLICIES.c.policy_version, _POLICIES.c.created_at)
            raise not_found("policy version", policy_version, known)
        return found

    def all(self, decision_point: str | None = None) -> Sequence[PolicyRecord]:
        """Versions of one decision point, or of all, the newest first."""
        newest_first = (_POLICIES.c.created_at.desc(), _POLICIES.c.policy_version)
        query = select_records(PolicyRecord, PolicyRow).order_by(*newest_first)
        if decision_point is not None:
            query = query.where(_POLICIES.c.decision_point == decision_point)
        return fetch(self._session, PolicyRecord, query)


class SqlAnalysisBook:
    """What analysis found, and as of when."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, record: AnalysisRecord) -> None:
        """Keeps an analysis; its id is used once."""
        insert_all(self._session, AnalysisRow, [values_of(record)])

    def latest(self, kind: str | None = None) -> Sequence[AnalysisRecord]:
        """The newest analysis of each subject, of one kind or of all, the newest first."""
        c = _ANALYSES.c
        newest_first = (c.as_of.desc(), c.analysis_id)
        age = func.row_number().over(partition_by=(c.kind, c.subject), order_by=newest_first)
        ranked = select(c.analysis_id, age.label("age")).subquery()
        query = select_records(AnalysisRecord, AnalysisRow).join(ranked, c.analysis_id == ranked.c.analysis_id)
        query = query.where(ranked.c.age == 1).order_by(*newest_first)
        if kind is not None:
            query = query.where(c.kind == kind)
        return fetch(self._session, AnalysisRecord, query)
