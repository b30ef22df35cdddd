"""Halts, caps, the outbox, workers, and imports of streams, on both engines."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import InvalidRecord
from domain.proposals import Halt
from domain.records import Cap, ImportRecord, OutboxEntry, QuarantinedRecord, Worker
from knowledge.database import SqlKnowledgeBase
from tests.knowledge.making import NOON, at, fresh

CENTS = st.integers(0, 1_000).map(lambda cents: Decimal(cents) / 100)


def make_halt(scope: str = "global", *, minutes: float = 0) -> Halt:
    return Halt(scope, "refunds doubled", "ann", at(minutes))


def test_halts__stand_until_they_are_removed(base: SqlKnowledgeBase) -> None:
    asked = replace(make_halt(), resume_asked_by="ann")
    with base.transaction() as books:
        for halt in (make_halt("point:main", minutes=1), make_halt(), asked):
            books.halts.put(halt)
        assert books.halts.all() == [asked, make_halt("point:main", minutes=1)]
        books.halts.remove("global")
        books.halts.remove("no such scope")
    with base.transaction() as books:
        assert books.halts.all() == [make_halt("point:main", minutes=1)]


def test_cap__holds_to_the_millionth(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        caps = books.caps
        assert not caps.reserve("budget", Decimal(1))  # no such cap: nothing may be spent
        caps.open("budget", Decimal("0.3"))
        assert [caps.reserve("budget", Decimal("0.1")) for _ in range(4)] == [True, True, True, False]
        caps.settle("budget", reserved=Decimal("0.1"), spent=Decimal("0.099999"))
        assert not caps.reserve("budget", Decimal("0.0000011"))
        assert caps.reserve("budget", Decimal("0.000001"))
    with base.transaction() as books:
        expected = Cap("budget", Decimal("0.3"), Decimal("0.200001"), Decimal("0.099999"))
        assert books.caps.get("budget") == expected
        assert books.caps.all() == [expected]
        assert books.caps.get("other") is None


def test_limit__goes_no_lower_than_what_is_used(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.caps.open("budget", Decimal(10))
        assert books.caps.reserve("budget", Decimal(4))
        limits = []
        for limit in (Decimal(3), Decimal(20), Decimal(5)):
            books.caps.open("budget", limit)
            cap = books.caps.get("budget")
            assert cap is not None
            limits.append(cap.limit_amount)
    assert limits == [4, 20, 5]


def test_settling_more_than_is_reserved__is_refused(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.caps.open("budget", Decimal(10))
        books.caps.reserve("budget", Decimal(2))
        books.caps.settle("budget", reserved=Decimal(2), spent=Decimal(3))  # dearer than the worst case: the truth
        for cap_id in ("budget", "other"):
            with pytest.raises(InvalidRecord, match=f"cap {cap_id} does not hold 2 reserved"):
                books.caps.settle(cap_id, reserved=Decimal(2), spent=Decimal(0))
        assert books.caps.get("budget") == Cap("budget", Decimal(10), Decimal(0), Decimal(3))


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity", "1e13"])
def test_amount_that_is_none__is_refused(base: SqlKnowledgeBase, amount: str) -> None:
    with pytest.raises(InvalidRecord, match="found the amount"), base.transaction() as books:
        books.caps.open("budget", Decimal(amount))


@given(CENTS, st.lists(st.tuples(CENTS, st.booleans()), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reserving_and_settling__keeps_books_like_pencil_does(
    base: SqlKnowledgeBase, limit: Decimal, acts: list[tuple[Decimal, bool]]
) -> None:
    cap_id, reserved, spent = fresh("cap"), Decimal(0), Decimal(0)
    with base.transaction() as books:
        books.caps.open(cap_id, limit)
        for amount, is_settled in acts:
            fits = spent + reserved + amount <= limit
            assert books.caps.reserve(cap_id, amount) == fits
            reserved += amount if fits else 0
            if fits and is_settled:
                books.caps.settle(cap_id, reserved=amount, spent=amount / 2)
                reserved, spent = reserved - amount, spent + amount / 2
        assert books.caps.get(cap_id) == Cap(cap_id, limit, reserved, spent)


def test_outbox__is_published_in_order_and_once_marked_is_gone(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.outbox.add("amso:decisions", [{"id": "1"}, {"id": "2", "body": '{"a": "é"}'}])
        books.outbox.add("amso:effects", [{"id": "3"}])
    with base.transaction() as books:
        first, second, third = books.outbox.pending()
        assert second == OutboxEntry(second.outbox_id, "amso:decisions", {"id": "2", "body": '{"a": "é"}'})
        assert [entry.fields["id"] for entry in (first, second, third)] == ["1", "2", "3"]
        books.outbox.mark_published([first.outbox_id, third.outbox_id], NOON)
        assert books.outbox.pending(limit=1) == [second]
        assert books.outbox.n_pending() == 1


def test_workers__report_and_leave(base: SqlKnowledgeBase) -> None:
    worker = Worker("w-1", "rules", at(1), at(1))
    with base.transaction() as books:
        for beat in (worker, Worker("w-2", "rules", at(0), at(0)), replace(worker, beat_at=at(9))):
            books.workers.put(beat)
        books.workers.remove("w-2")
    with base.transaction() as books:
        assert books.workers.all() == [replace(worker, beat_at=at(9))]


def test_import_of_a_stream__counts_up_and_carries_its_quarantine(base: SqlKnowledgeBase) -> None:
    batch = ImportRecord("amso:events", "amso:events", "customer", 10, 9, {"amount missing": 1}, at(0))
    for number in range(2):
        with base.transaction() as books:
            books.imports.count_up(
                replace(batch, rejected={"amount missing": 1, f"batch {number}": 2}, imported_at=at(number))
            )
            books.quarantine.add("amso:events", [QuarantinedRecord("amso:events", number, "amount missing", "{}")])
    with base.transaction() as books:
        rejected = {"amount missing": 2, "batch 0": 2, "batch 1": 2}
        assert books.imports.recent() == [replace(batch, n_rows=20, n_used=18, rejected=rejected, imported_at=at(1))]
        assert books.quarantine.counts() == {"amount missing": 2}
