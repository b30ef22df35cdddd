"""Workers that do the same thing at once, on both engines: one of them does it."""

import multiprocessing
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from multiprocessing.queues import Queue
from threading import Barrier
from typing import TypeVar

import pytest

from domain.errors import AlreadyRecorded, SourceUnavailable
from domain.proposals import Status
from domain.records import Added, ImportRecord, ParkedOutcome
from knowledge.database import SqlKnowledgeBase, open_knowledge
from tests.knowledge.making import NOON, make_audit_entry, make_decision, make_event, make_outcome, make_proposal

N_WORKERS = 4
Result = TypeVar("Result")


def at_once(work: Callable[[int], Result]) -> list[Result]:
    """Every worker's result; all begin together."""
    barrier = Barrier(N_WORKERS)

    def begin(worker: int) -> Result:
        barrier.wait(30)
        return work(worker)

    with ThreadPoolExecutor(N_WORKERS) as pool:
        return list(pool.map(begin, range(N_WORKERS)))


def test_one_move_by_many__is_made_once(base: SqlKnowledgeBase) -> None:
    proposals = [make_proposal(f"prop-{i}") for i in range(5)]
    with base.transaction() as books:
        for proposal in proposals:
            books.proposals.add(proposal, NOON)

    def move(worker: int) -> list[bool]:
        moved = []
        for proposal in proposals:
            with base.transaction() as books:
                done = books.proposals.set_status(
                    proposal.proposal_id,
                    expected=Status.DRAFT,
                    to=Status.EVALUATING,
                    at=NOON,
                    step=worker,
                    paused_from=None,
                )
                moved.append(done)
        return moved

    assert [sum(moves) for moves in zip(*at_once(move), strict=True)] == [1] * 5


def test_revision_made_twice_at_once__stands_once(base: SqlKnowledgeBase) -> None:
    def propose(worker: int) -> bool:
        try:
            with base.transaction() as books:
                books.proposals.add(replace(make_proposal(), note=f"by {worker}"), NOON)
        except AlreadyRecorded:
            return False
        return True

    assert sorted(at_once(propose)) == [False, False, False, True]


def test_outcome_delivered_to_many__is_new_to_one(base: SqlKnowledgeBase) -> None:
    def take_in(worker: int) -> list[Added]:
        heard = []
        for number in range(10):
            with base.transaction() as books:
                heard.append(books.outcomes.add(make_outcome(f"o-{number}"), "same hash"))
                heard.append(books.events.add(make_event(f"e-{number}")))
        return heard

    for heard in zip(*at_once(take_in), strict=True):
        assert sorted(heard) == [Added.KNOWN] * 3 + [Added.NEW]


def test_outcomes_of_one_id_and_other_content__are_conflicts_but_the_first(base: SqlKnowledgeBase) -> None:
    def take_in(worker: int) -> Added:
        with base.transaction() as books:
            return books.outcomes.add(replace(make_outcome(), amount=Decimal(worker)), f"hash {worker}")

    assert sorted(at_once(take_in)) == [Added.CONFLICT] * 3 + [Added.NEW]


def test_audit_chain_appended_by_many__has_no_gap_and_no_fork(base: SqlKnowledgeBase) -> None:
    def append_five(worker: int) -> None:
        left = 5
        while left:
            try:
                with base.transaction() as books:
                    head = books.audit.head()
                    books.audit.append(make_audit_entry(1 if head is None else head.seq + 1, subject=f"by {worker}"))
                left -= 1
            except AlreadyRecorded:
                continue

    at_once(append_five)
    with base.transaction() as books:
        entries = books.audit.entries()
    assert [entry.seq for entry in entries] == list(range(1, 21))
    assert sorted(entry.subject for entry in entries) == sorted(f"by {w}" for w in range(N_WORKERS) for _ in range(5))


def test_request_answered_by_many__has_one_answer(base: SqlKnowledgeBase) -> None:
    def answer(worker: int) -> bool:
        try:
            with base.transaction() as books:
                books.decisions.note_requests({"r-1": (f"d-{worker}", "hash")}, "main", NOON)
        except AlreadyRecorded:
            return False
        return True

    assert sorted(at_once(answer)) == [False, False, False, True]


def test_numbers_told_to_many__leave_no_gap_when_all_came(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.events.advance("shop", 0, NOON)
    numbers = random.Random(1).sample(range(1, 41), 40)  # noqa: S311 # an order, not a secret

    def hear(worker: int) -> None:
        for seq in numbers[worker::N_WORKERS]:
            with base.transaction() as books:
                books.events.advance("shop", seq, NOON)

    at_once(hear)
    with base.transaction() as books:
        assert books.events.gaps() == []


def test_merges_that_would_close_a_circle_together__do_not(base: SqlKnowledgeBase) -> None:
    units = "abcd"

    def merge(worker: int) -> None:
        with base.transaction() as books:
            books.units.merge(units[worker], units[(worker + 1) % N_WORKERS], NOON)

    at_once(merge)
    with base.transaction() as books:
        resolved = books.units.resolve(units)
    assert len(resolved) == 3
    assert len(set(resolved.values())) == 1


def test_counts_of_a_stream_by_many__add_up(base: SqlKnowledgeBase) -> None:
    def count(worker: int) -> None:
        for _ in range(5):
            with base.transaction() as books:
                batch = ImportRecord("amso:events", "amso:events", "customer", 3, 2, {"amount missing": 1}, NOON)
                books.imports.count_up(batch)

    at_once(count)
    with base.transaction() as books:
        (counted,) = books.imports.recent()
    assert (counted.n_rows, counted.n_used, counted.rejected) == (60, 40, {"amount missing": 20})


def test_parked_outcome__is_handed_to_one(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.outcomes.park(ParkedOutcome("c-1", "o-1", {}, NOON))

    def take(worker: int) -> int:
        with base.transaction() as books:
            return len(books.outcomes.take_parked("o-1"))

    assert sum(at_once(take)) == 1


def test_cap_reserved_by_many__is_never_exceeded(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.caps.open("budget", Decimal(5))

    def reserve(worker: int) -> int:
        return _reserve(base, 25)

    n_reserved = sum(at_once(reserve))
    with base.transaction() as books:
        cap = books.caps.get("budget")
    assert n_reserved == 71  # 71 × 0.07 = 4.97, 72 × 0.07 = 5.04
    assert cap is not None
    assert cap.reserved_amount == Decimal("4.97")


def _reserve(base: SqlKnowledgeBase, n_times: int) -> int:
    n_reserved = 0
    for _ in range(n_times):
        with base.transaction() as books:
            n_reserved += books.caps.reserve("budget", Decimal("0.07"))
    return n_reserved


def _reserve_in_a_process(url: str, done: "Queue[int]") -> None:
    base = open_knowledge(url)
    done.put(_reserve(base, 50))
    base.close()


def test_cap_reserved_by_processes__is_never_exceeded(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.caps.open("budget", Decimal(5))
    url = base.engine.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    done: Queue[int] = context.Queue()
    running = [context.Process(target=_reserve_in_a_process, args=(url, done)) for _ in range(2)]
    for process in running:
        process.start()
    assert sum(done.get(timeout=60) for _ in running) == 71
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0, 0]


def test_workers_that_wait_for_each_other_in_a_circle__are_told_to_retry(base: SqlKnowledgeBase) -> None:
    if base.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time: nothing to wait for in a circle")
    barrier = Barrier(2)

    def take_in(order: tuple[str, str]) -> bool:
        try:
            with base.transaction() as books:
                books.outcomes.add(make_outcome(order[0]), "hash")
                barrier.wait(30)
                books.outcomes.add(make_outcome(order[1]), "hash")
        except SourceUnavailable:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take_in, [("o-1", "o-2"), ("o-2", "o-1")])) == [False, True]


def test_held_unit__is_decided_for_by_one_worker_after_the_other(base: SqlKnowledgeBase) -> None:
    units = [f"u-{i}" for i in range(10)]
    with base.transaction() as books:
        books.units.remember({unit: unit for unit in units})

    def offer(worker: int) -> int:
        n_made = 0
        for unit in units:
            with base.transaction() as books:
                books.units.hold([unit])
                if not books.decisions.standing_offers("main", [unit], NOON):
                    books.decisions.add([make_decision(f"d-{unit}-{worker}", unit=unit)])
                    n_made += 1
        return n_made

    assert sum(at_once(offer)) == len(units)
