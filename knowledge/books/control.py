"""Books of what runs and what may: halts, caps, the outbox, workers."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import Session

from domain.proposals import Halt
from domain.records import OutboxEntry, Worker
from knowledge.rows import batches, count_rows, fetch, insert_all, select_records, table_of, upsert, values_of
from knowledge.tables.control import HaltRow, OutboxRow, WorkerRow

_HALTS = table_of(HaltRow)
_OUTBOX = table_of(OutboxRow)
_WORKERS = table_of(WorkerRow)


class SqlHaltBook:
    """Latches that stand."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, halt: Halt) -> None:
        upsert(self._session, HaltRow, [values_of(halt)])

    def remove(self, scope: str) -> None:
        self._session.execute(_HALTS.delete().where(_HALTS.c.scope == scope))

    def all(self) -> Sequence[Halt]:
        """The oldest first."""
        query = select_records(Halt, HaltRow).order_by(_HALTS.c.halted_at, _HALTS.c.scope)
        return fetch(self._session, Halt, query)


class SqlOutbox:
    """What the relay has yet to publish. Two relays at once may both see an entry: entries carry their key."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, stream: str, entries: Sequence[Mapping[str, str]]) -> None:
        insert_all(self._session, OutboxRow, ({"stream": stream, "fields": entry} for entry in entries))

    def pending(self, limit: int = 500) -> Sequence[OutboxEntry]:
        """In the order they were written."""
        query = select_records(OutboxEntry, OutboxRow).where(_OUTBOX.c.published_at.is_(None))
        return fetch(self._session, OutboxEntry, query.order_by(_OUTBOX.c.outbox_id).limit(limit))

    def mark_published(self, outbox_ids: Sequence[int], at: datetime) -> None:
        for batch in batches(outbox_ids):
            self._session.execute(_OUTBOX.update().where(_OUTBOX.c.outbox_id.in_(batch)).values(published_at=at))

    def n_pending(self) -> int:
        return count_rows(self._session, _OUTBOX, _OUTBOX.c.published_at.is_(None))


class SqlWorkerBook:
    """Running `live`s, as each last reported."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, worker: Worker) -> None:
        upsert(self._session, WorkerRow, [values_of(worker)])

    def remove(self, worker_id: str) -> None:
        self._session.execute(_WORKERS.delete().where(_WORKERS.c.worker_id == worker_id))

    def all(self) -> Sequence[Worker]:
        """The longest running first."""
        query = select_records(Worker, WorkerRow).order_by(_WORKERS.c.started_at, _WORKERS.c.worker_id)
        return fetch(self._session, Worker, query)
