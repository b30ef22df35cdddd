"""Books of the ledger: verdicts, and what came of proposals."""

from collections.abc import Collection, Sequence

from sqlmodel import Session

from domain.records import RealisedGain, VerdictRecord
from knowledge.rows import fetch, fetch_one, insert_missing, only, select_records, table_of, upsert, values_of
from knowledge.tables.verdicts import RealisedRow, VerdictRow

_VERDICTS = table_of(VerdictRow)
_REALISED = table_of(RealisedRow)
_NEWEST_FIRST = (_VERDICTS.c.made_at.desc(), _VERDICTS.c.verdict_id)


class SqlVerdictBook:
    """Every verdict, once, as it was given."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, records: Sequence[VerdictRecord]) -> None:
        """Those that are new; a verdict that is known already changes nothing."""
        insert_missing(self._session, VerdictRow, map(values_of, records))

    def recent(self, limit: int = 50, decision_point: str | None = None) -> Sequence[VerdictRecord]:
        query = select_records(VerdictRecord, VerdictRow).order_by(*_NEWEST_FIRST).limit(limit)
        if decision_point is not None:
            query = query.where(_VERDICTS.c.decision_point == decision_point)
        return fetch(self._session, VerdictRecord, query)

    def about(self, policies: Collection[str]) -> Sequence[VerdictRecord]:
        """As few as proposals that went live: one statement."""
        query = select_records(VerdictRecord, VerdictRow).where(_VERDICTS.c.policy.in_(only(policies)))
        return fetch(self._session, VerdictRecord, query.order_by(*_NEWEST_FIRST))


class SqlRealisedBook:
    """What came of each proposal, as of the newest look."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, gain: RealisedGain) -> None:
        upsert(self._session, RealisedRow, [values_of(gain)])

    def get(self, proposal_id: str) -> RealisedGain | None:
        query = select_records(RealisedGain, RealisedRow).where(_REALISED.c.proposal_id == proposal_id)
        return fetch_one(self._session, RealisedGain, query)

    def all(self) -> Sequence[RealisedGain]:
        query = select_records(RealisedGain, RealisedRow).order_by(_REALISED.c.as_of, _REALISED.c.proposal_id)
        return fetch(self._session, RealisedGain, query)
