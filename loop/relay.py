"""Publishes the outbox: outbox row, then Redis, then marked published.

A relay that dies in between publishes an entry twice, never not at all, so every entry carries its key. The outbox
holds pseudonyms; the raw unit id of an effect is filled in on its way out. What waited so long that nothing covers it
any more does not leave: it is withheld, into the quarantine, and the product shows its baseline.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.decisions import Arm
from domain.errors import InvalidRecord
from domain.ports import Clock, KnowledgeBase, Publisher, UnitOfWork
from domain.records import ImportRecord, OutboxEntry, QuarantinedRecord
from loop.deciding import Decider
from loop.situation import Situation

WITHHELD = "withheld: no approval covers it any more"


@dataclass(frozen=True)
class Relay:
    """Publishes what waits, in order."""

    knowledge: KnowledgeBase
    publisher: Publisher
    decider: Decider
    effects_stream: str
    clock: Clock

    def step(self, limit: int = 500) -> int:
        """Publishes at most `limit` entries; how many were published or withheld.

        Raises:
            SourceUnavailable: Redis does not answer; everything waits where it is.
        """
        now = self.clock.now()
        with self.knowledge.transaction() as books:
            waiting = books.outbox.pending(limit)
            late = self._uncovered(books, waiting, now)
            self._withhold(books, [e for e in waiting if e.outbox_id in late], now)
            leaving = [self._with_raw_id(books, e) for e in waiting if e.outbox_id not in late]
        if leaving:
            self.publisher.publish(leaving)
            with self.knowledge.transaction() as books:
                books.outbox.mark_published([entry.outbox_id for entry in leaving], now)
        return len(waiting)

    def _uncovered(self, books: UnitOfWork, waiting: Sequence[OutboxEntry], now: datetime) -> set[int]:
        """Of what a policy decided, the entries that may not leave now."""
        bodies = {e.outbox_id: json.loads(e.fields["body"]) for e in waiting}
        decisions = books.decisions.find({body["decision_id"] for body in bodies.values()})
        decided = {i: d for i, b in bodies.items() if (d := decisions.get(b["decision_id"])) and d.arm is Arm.POLICY}
        situations = {name: self._look(books, name, now) for name in {d.decision_point for d in decided.values()}}
        return {i for i, d in decided.items() if not situations[d.decision_point].honours(d, now)}

    def _look(self, books: UnitOfWork, decision_point: str, now: datetime) -> Situation:
        try:
            return self.decider.situation(books, decision_point, now)
        except InvalidRecord as error:  # the point is gone from the config
            return Situation(error.message)

    def _withhold(self, books: UnitOfWork, entries: Sequence[OutboxEntry], now: datetime) -> None:
        for entry in entries:
            source = f"outbox:{entry.stream}"
            books.imports.count_up(ImportRecord(source, entry.stream, "outbox", 1, 0, {WITHHELD: 1}, now))
            raw = json.dumps(dict(entry.fields), ensure_ascii=False)
            books.quarantine.add(source, [QuarantinedRecord(entry.stream, entry.outbox_id, WITHHELD, raw)])
        books.outbox.mark_published([entry.outbox_id for entry in entries], now)

    def _with_raw_id(self, books: UnitOfWork, entry: OutboxEntry) -> OutboxEntry:
        if entry.stream != self.effects_stream:
            return entry
        body = json.loads(entry.fields["body"])
        body["unit_id"] = books.units.raw(body["unit_id"])
        return replace(entry, fields={**entry.fields, "body": json.dumps(body, ensure_ascii=False)})
