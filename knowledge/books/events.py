"""Books of what came in: events with each producer's count, and units with their merges."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlmodel import Session

from domain.records import Added, SeqGap, StoredEvent
from knowledge.rows import (
    batches,
    fetch,
    fetch_one,
    fetch_pairs,
    hash_of,
    insert_all,
    insert_missing,
    insert_new,
    only,
    rows_touched,
    select_records,
    table_of,
    values_of,
)
from knowledge.tables.events import EventRow, ProducerRow, SeqGapRow, UnitMergeRow, UnitRow

_EVENTS = table_of(EventRow)
_PRODUCERS = table_of(ProducerRow)
_GAPS = table_of(SeqGapRow)
_UNITS = table_of(UnitRow)
_MERGES = table_of(UnitMergeRow)
_MERGE_LOCK = 4717  # any number, the same for every AMSO


class SqlEventBook:
    """Validated events, each once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, event: StoredEvent) -> Added:
        """The content is all but `received_at`: a redelivery is no conflict."""
        values = values_of(event)
        hashed = hash_of({name: value for name, value in values.items() if name != "received_at"})
        if insert_new(self._session, EventRow, values | {"content_hash": hashed}):
            return Added.NEW
        query = select(_EVENTS.c.content_hash).where(_EVENTS.c.event_id == event.event_id)
        return Added.KNOWN if self._session.execute(query).scalar_one() == hashed else Added.CONFLICT

    def latest(self, kind: str, subject: str) -> StoredEvent | None:
        """The newest by `at`."""
        query = select_records(StoredEvent, EventRow).where(_EVENTS.c.kind == kind, _EVENTS.c.subject == subject)
        return fetch_one(self._session, StoredEvent, query.order_by(_EVENTS.c.at.desc(), _EVENTS.c.event_id.desc()))

    def of_kind(self, kind: str, *, since: datetime | None = None, limit: int = 100_000) -> Sequence[StoredEvent]:
        """Ordered by `at`."""
        query = select_records(StoredEvent, EventRow).where(_EVENTS.c.kind == kind)
        if since is not None:
            query = query.where(_EVENTS.c.at >= since)
        return fetch(self._session, StoredEvent, query.order_by(_EVENTS.c.at, _EVENTS.c.event_id).limit(limit))

    def counts(self) -> Mapping[str, int]:
        """kind -> events."""
        query = select(_EVENTS.c.kind, func.count()).group_by(_EVENTS.c.kind).order_by(_EVENTS.c.kind)
        return fetch_pairs(self._session, query)

    def advance(self, producer: str, seq: int, now: datetime, *, first: int | None = None) -> SeqGap | None:
        """Notes a producer's number; a gap where it skips some. A late number closes what it fills.

        With `first`, every number from there to `seq` has come. The first number that ever comes is where counting
        starts: what was before it, nobody here was to hear.
        """
        first = seq if first is None else first
        is_it = _PRODUCERS.c.producer == producer
        step = _PRODUCERS.update().where(is_it, _PRODUCERS.c.last_seq == first - 1).values(last_seq=seq)
        if rows_touched(self._session.execute(step)):
            return None
        if insert_new(self._session, ProducerRow, {"producer": producer, "last_seq": seq}):
            return None
        last_seq = self._session.execute(select(_PRODUCERS.c.last_seq).where(is_it).with_for_update()).scalar_one()
        for late in range(first, min(seq, last_seq) + 1):
            self._fill(producer, late)
        if seq <= last_seq:
            return None
        self._session.execute(_PRODUCERS.update().where(is_it).values(last_seq=seq))
        if first <= last_seq + 1:  # another worker's number came between the two looks
            return None
        gap = SeqGap(producer, last_seq + 1, first - 1, now)
        insert_all(self._session, SeqGapRow, [values_of(gap)])
        return gap

    def gaps(self) -> Sequence[SeqGap]:
        query = select_records(SeqGap, SeqGapRow).order_by(_GAPS.c.producer, _GAPS.c.first_missing)
        return fetch(self._session, SeqGap, query)

    def _fill(self, producer: str, seq: int) -> None:
        """Shrinks, splits or closes the gap that a late number lies in."""
        holds_it = (_GAPS.c.producer == producer, _GAPS.c.first_missing <= seq, _GAPS.c.last_missing >= seq)
        gap = fetch_one(self._session, SeqGap, select_records(SeqGap, SeqGapRow).where(*holds_it))
        if gap is None:
            return
        self._session.execute(_GAPS.delete().where(*holds_it))
        parts = ((gap.first_missing, seq - 1), (seq + 1, gap.last_missing))
        rest = [SeqGap(producer, first, last, gap.noticed_at) for first, last in parts if first <= last]
        insert_all(self._session, SeqGapRow, map(values_of, rest))


class SqlUnitBook:
    """Pseudonyms, and which became which."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def remember(self, raw_ids: Mapping[str, str]) -> None:
        """pseudonym -> raw id; a known one changes nothing."""
        insert_missing(self._session, UnitRow, ({"unit": unit, "raw_id": raw_ids[unit]} for unit in only(raw_ids)))

    def hold(self, units: Collection[str]) -> None:
        """Locks their rows, in one order for everybody, until the transaction ends. SQLite has one writer anyway."""
        for batch in batches(only(units)):
            held = select(_UNITS.c.unit).where(_UNITS.c.unit.in_(batch)).order_by(_UNITS.c.unit)
            self._session.execute(held.with_for_update(key_share=True)).all()

    def raw(self, unit: str) -> str | None:
        return self._session.execute(select(_UNITS.c.raw_id).where(_UNITS.c.unit == unit)).scalar_one_or_none()

    def merge(self, from_unit: str, to_unit: str, at: datetime) -> None:
        """From now on `from_unit` is `to_unit`; a second merge of the same unit, or one that closes a circle, is none.

        One merge at a time: two at once could each see no circle and make one together.
        """
        if self._session.get_bind().dialect.name == "postgresql":
            self._session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MERGE_LOCK})
        end = self.resolve([to_unit]).get(to_unit, to_unit)
        if end != from_unit:
            insert_new(self._session, UnitMergeRow, {"from_unit": from_unit, "to_unit": to_unit, "at": at})

    def resolve(self, units: Collection[str]) -> Mapping[str, str]:
        """Of those that were merged: unit -> what it became, followed to the end."""
        steps: dict[str, str] = {}
        frontier = set(units)
        while frontier:
            found = self._next(frontier)
            steps |= found
            frontier = set(found.values()) - steps.keys()
        return {unit: _end(unit, steps) for unit in units if unit in steps}

    def all_of(self, unit: str) -> Collection[str]:
        """The unit, and whatever was merged into it, directly or not."""
        known, frontier = {unit}, {unit}
        while frontier:
            found: set[str] = set()
            for batch in batches(only(frontier)):
                query = select(_MERGES.c.from_unit).where(_MERGES.c.to_unit.in_(batch))
                found |= set(self._session.execute(query).scalars())
            frontier = found - known
            known |= frontier
        return known

    def _next(self, units: Collection[str]) -> dict[str, str]:
        steps: dict[str, str] = {}
        for batch in batches(only(units)):
            query = select(_MERGES.c.from_unit, _MERGES.c.to_unit).where(_MERGES.c.from_unit.in_(batch))
            steps |= fetch_pairs(self._session, query)
        return steps


def _end(unit: str, steps: Mapping[str, str]) -> str:
    """Ends on a circle too, should somebody have written one by hand."""
    seen = {unit}
    while unit in steps and steps[unit] not in seen:
        unit = steps[unit]
        seen.add(unit)
    return unit
