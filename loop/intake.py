"""What becomes of an entry, whatever stream it came on: one function a kind, all in the caller's transaction.

Everything is validated here, at the edge, and units become pseudonyms here. What fails goes to the quarantine with its
reason and its raw form; what came before changes nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby

from collection.bodies import parse_body
from collection.envelope import parse_envelope, raw_text
from collection.raw_records import RawRecord, SourceItem
from collection.row_bodies import row_envelope
from config.sources import Content
from domain.errors import InvalidRecord
from domain.events import (
    Body,
    CustomerSnapshot,
    DecisionRequest,
    Envelope,
    Exposure,
    FinanceEntry,
    MarketPoint,
    Outcome,
    StreamEntry,
    UnitsMerged,
)
from domain.ports import Clock, UnitOfWork
from domain.records import Added, ImportRecord, QuarantinedRecord, StoredEvent
from loop.deciding import Decider
from loop.outgoing import Outgoing
from tracker.outcomes import Ignored, OutcomeResult, OutcomeRules, Recorded, Rejected, record_outcome

CONFLICT = "the same id came before with another body"


@dataclass
class Tally:
    """What a batch came to."""

    n_rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Intake:
    """Takes the entries of one stream in."""

    source: str  # the stream's name: what its import and its quarantined records are called
    decider: Decider
    outcome_rules: OutcomeRules
    outgoing: Outgoing
    clock: Clock

    def take(self, books: UnitOfWork, entries: Sequence[StreamEntry]) -> None:
        """A batch; contexts are decided together, after everything else of the batch."""
        tally = Tally(n_rows=len(entries))
        read = [_read(entry) for entry in entries]
        self._count_producers(books, [r.envelope for r in read if r.envelope is not None])
        units = self._units(books, [r.body for r in read if r.body is not None])
        contexts: list[tuple[StreamEntry, DecisionRequest]] = []
        for r in read:
            try:
                if isinstance(r.body, DecisionRequest):
                    contexts.append((r.entry, r.body))
                else:
                    self.take_one(books, *r.whole(), tally, units)
            except InvalidRecord as error:
                self.reject(books, r.entry, error, tally)
        self._decide(books, contexts, units, tally)
        self.count(books, tally)

    def take_rows(self, books: UnitOfWork, items: Sequence[SourceItem], content: Content) -> int:
        """A batch of a snapshot; how many went to the quarantine."""
        tally = Tally(n_rows=len(items))
        for item in items:
            found = item if isinstance(item, QuarantinedRecord) else self._take_row(books, item, content, tally)
            if found is not None:
                tally.rejected[found.reason] += 1
                self.quarantine(books, found)
        self.count(books, tally)
        return tally.rejected.total()

    def _take_row(
        self, books: UnitOfWork, record: RawRecord, content: Content, tally: Tally
    ) -> QuarantinedRecord | None:
        try:
            envelope = row_envelope(record, content, producer=self.source, read_at=self.clock.now())
            self.take_one(books, envelope, parse_body(envelope), tally)
        except InvalidRecord as error:
            return record.quarantined(error.message)
        return None

    def reject(self, books: UnitOfWork, entry: StreamEntry, error: InvalidRecord, tally: Tally | None = None) -> None:
        """One entry into the quarantine, as it came."""
        counted = tally or Tally(n_rows=1)
        counted.rejected[error.message] += 1
        raw = raw_text({"entry_id": entry.entry_id, **entry.fields})
        self.quarantine(books, QuarantinedRecord(self.source, 0, error.message, raw))
        if tally is None:
            self.count(books, counted)

    def quarantine(self, books: UnitOfWork, record: QuarantinedRecord) -> None:
        self.count(books, Tally())  # the quarantine refers to the import
        books.quarantine.add(self._import_id, [record])

    def take_one(
        self, books: UnitOfWork, envelope: Envelope, body: Body, tally: Tally, units: dict[str, str] | None = None
    ) -> OutcomeResult | None:
        """Anything but a context; what became of it, where it is an outcome.

        What is stored names the very unit that the entry names, not what that was merged into: the same entry has the
        same content before and after a merge, so its redelivery is no conflict.

        Args:
            books: one transaction.
            envelope: around the body.
            body: as validated.
            tally: counts what is ignored.
            units: raw id -> pseudonym of the whole batch, where it was looked up already; merges are noted in it.

        Raises:
            InvalidRecord: for the quarantine.
        """
        units = self._units(books, [body]) if units is None else units
        match body:
            case Outcome():
                return self._outcome(books, envelope, body, tally)
            case Exposure():
                if not books.decisions.find([body.decision_id]):
                    raise InvalidRecord("exposure of an unknown decision", "expected the decision_id of an answer")
                self._store(books, envelope, body.decision_id, asdict(body))
            case CustomerSnapshot():
                self._store(books, envelope, self.decider.pseudonym(body.unit_id), {"features": dict(body.features)})
            case MarketPoint():
                self._store(books, envelope, body.series, asdict(body))
            case FinanceEntry():
                self._store(books, envelope, body.account, asdict(body) | {"amount": str(body.amount)})
            case UnitsMerged():
                known, other = map(self.decider.pseudonym, (body.to_unit_id, body.from_unit_id))
                self._store(books, envelope, other, {"to": known})
                books.units.merge(other, known, envelope.at)
                units |= self._resolved(books, units)
        return None

    def _outcome(self, books: UnitOfWork, envelope: Envelope, outcome: Outcome, tally: Tally) -> OutcomeResult:
        result = record_outcome(
            books,
            outcome,
            envelope=envelope,
            pseudonym=self.decider.pseudonym(outcome.unit_id),
            rules=self.outcome_rules,
            now=self.clock.now(),
        )
        if isinstance(result, Rejected):
            raise InvalidRecord(result.reason)
        if isinstance(result, Ignored):
            tally.ignored[result.reason] += 1
        for refused in result.taken_up if isinstance(result, Recorded) else ():
            if isinstance(refused, Rejected):  # it had waited for this one, and does not fit it
                raw = raw_text({"outcome_id": refused.outcome_id, "corrects": outcome.outcome_id})
                self.quarantine(books, QuarantinedRecord(self.source, 0, refused.reason, raw))
        return result

    def _units(self, books: UnitOfWork, bodies: Sequence[Body]) -> dict[str, str]:
        """Raw id -> pseudonym of everybody in a batch; units that were merged into another are that one."""
        own = {raw: self.decider.pseudonym(raw) for body in bodies for raw in _raw_ids(body)}
        books.units.remember({unit: raw for raw, unit in own.items()})
        return self._resolved(books, own)

    def _resolved(self, books: UnitOfWork, units: Mapping[str, str]) -> dict[str, str]:
        merged = books.units.resolve(set(units.values()))
        return {raw: merged.get(unit, unit) for raw, unit in units.items()}

    def _count_producers(self, books: UnitOfWork, envelopes: Sequence[Envelope]) -> None:
        """Their numbers, also of what is rejected later: it came. A run of numbers is noted at once."""
        counted = [(e.producer, e.seq) for e in envelopes if e.seq is not None]
        for (producer, _), run in groupby(enumerate(counted), key=lambda item: (item[1][0], item[1][1] - item[0])):
            numbers = [seq for _, (_, seq) in run]
            books.events.advance(producer, numbers[-1], self.clock.now(), first=numbers[0])

    def _store(self, books: UnitOfWork, envelope: Envelope, subject: str, body: Mapping[str, object]) -> None:
        event = StoredEvent(
            event_id=envelope.event_id,
            kind=envelope.kind,
            producer=envelope.producer,
            subject=subject,
            at=envelope.at,
            received_at=self.clock.now(),
            body=body,
        )
        if books.events.add(event) is Added.CONFLICT:
            raise InvalidRecord(CONFLICT)

    def _decide(
        self,
        books: UnitOfWork,
        contexts: Sequence[tuple[StreamEntry, DecisionRequest]],
        units: Mapping[str, str],
        tally: Tally,
    ) -> None:
        requests = [request for _, request in contexts]
        answers = self.decider.answer(books, requests, self.clock.now())
        for (entry, request), answer in zip(contexts, answers, strict=True):
            if isinstance(answer, InvalidRecord):
                self.reject(books, entry, answer, tally)
            else:
                point = self.decider.point(request.decision_point)
                self.outgoing.add(books, answer, units[request.unit_id], point, point.baseline_of(request))

    @property
    def _import_id(self) -> str:
        return f"stream:{self.source}"

    def count(self, books: UnitOfWork, tally: Tally) -> None:
        """Adds up what came, what was used, what was not and why."""
        books.imports.count_up(
            ImportRecord(
                import_id=self._import_id,
                source=self.source,
                content="stream",
                n_rows=tally.n_rows,
                n_used=tally.n_rows - tally.rejected.total() - tally.ignored.total(),
                rejected=dict(tally.rejected + Counter({f"ignored: {why}": n for why, n in tally.ignored.items()})),
                imported_at=self.clock.now(),
            )
        )


@dataclass(frozen=True)
class _Read:
    """An entry as far as it could be read."""

    entry: StreamEntry
    envelope: Envelope | None = None
    body: Body | None = None
    error: InvalidRecord | None = None

    def whole(self) -> tuple[Envelope, Body]:
        """Raises InvalidRecord where something could not be read."""
        if self.envelope is None or self.body is None:
            assert self.error is not None
            raise self.error
        return self.envelope, self.body


def _read(entry: StreamEntry) -> _Read:
    try:
        envelope = parse_envelope(entry)
    except InvalidRecord as error:
        return _Read(entry, error=error)
    try:
        return _Read(entry, envelope, parse_body(envelope))
    except InvalidRecord as error:
        return _Read(entry, envelope, error=error)


def _raw_ids(body: Body) -> tuple[str, ...]:
    match body:
        case UnitsMerged():
            return body.from_unit_id, body.to_unit_id
        case CustomerSnapshot() | Outcome() | DecisionRequest():
            return (body.unit_id,)
    return ()
