"""Events, each producer's count, and units that become others, on both engines."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import InvalidSnapshot
from domain.records import Added, SeqGap
from knowledge.database import SqlKnowledgeBase
from tests.knowledge.making import LONG_AGO, NOON, at, fresh, make_event


def advance(base: SqlKnowledgeBase, producer: str, numbers: Sequence[int]) -> list[SeqGap | None]:
    with base.transaction() as books:
        return [books.events.advance(producer, seq, NOON) for seq in numbers]


def missing(base: SqlKnowledgeBase, producer: str) -> list[tuple[int, int]]:
    with base.transaction() as books:
        return [(gap.first_missing, gap.last_missing) for gap in books.events.gaps() if gap.producer == producer]


def test_event__comes_back_and_is_new_once(base: SqlKnowledgeBase) -> None:
    event = make_event()
    redelivered = replace(event, received_at=at(99))
    for expected, sent in ((Added.NEW, event), (Added.KNOWN, event), (Added.KNOWN, redelivered)):
        with base.transaction() as books:
            assert books.events.add(sent) is expected
    with base.transaction() as books:
        assert books.events.latest("customer", "u-1") == event
        assert books.events.counts() == {"customer": 1}


def test_event_id_with_other_content__is_a_conflict_and_the_transaction_goes_on(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        assert books.events.add(make_event()) is Added.NEW
        assert books.events.add(replace(make_event(), body={"features": {}})) is Added.CONFLICT
        assert books.events.add(make_event("e-2", minutes=1)) is Added.NEW
    with base.transaction() as books:
        assert [event.event_id for event in books.events.of_kind("customer")] == ["e-1", "e-2"]


def test_events__are_found_by_subject_and_time(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        for minutes in (2, 0, 1):
            books.events.add(make_event(f"e-{minutes}", minutes=minutes))
        books.events.add(make_event("of another", minutes=9, subject="u-2"))
    with base.transaction() as books:
        newest = books.events.latest("customer", "u-1")
        assert newest is not None
        assert newest.event_id == "e-2"
        assert books.events.latest("market", "u-1") is None
        assert [event.event_id for event in books.events.of_kind("customer", since=at(1), limit=2)] == ["e-1", "e-2"]


def test_event_with_nan__is_refused(base: SqlKnowledgeBase) -> None:
    with pytest.raises(InvalidSnapshot, match="cannot be stored"), base.transaction() as books:
        books.events.add(replace(make_event(), body={"value": float("nan")}))


def test_numbers_in_order__leave_no_gap_whatever_the_first(base: SqlKnowledgeBase) -> None:
    assert advance(base, "shop", [7, 8, 9]) == [None, None, None]
    assert missing(base, "shop") == []


def test_skipped_numbers__are_a_gap_that_late_ones_shrink_split_and_close(base: SqlKnowledgeBase) -> None:
    assert advance(base, "shop", [1, 7]) == [None, SeqGap("shop", 2, 6, NOON)]
    for late, expected in ((2, [(3, 6)]), (6, [(3, 5)]), (4, [(3, 3), (5, 5)]), (4, [(3, 3), (5, 5)]), (3, [(5, 5)])):
        assert advance(base, "shop", [late]) == [None]
        assert missing(base, "shop") == expected
    advance(base, "shop", [5])
    assert missing(base, "shop") == []


@given(st.lists(st.integers(1, 15), min_size=1, max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_gaps__are_what_lies_between_first_and_highest_and_never_came(
    base: SqlKnowledgeBase, numbers: list[int]
) -> None:
    producer = fresh("producer")
    advance(base, producer, numbers)
    gaps = missing(base, producer)
    lost = {seq for first, last in gaps for seq in range(first, last + 1)}
    assert lost == set(range(numbers[0], max(numbers))) - set(numbers)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(gaps))


def test_raw_id__stays_what_it_first_was(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.units.remember({"u-1": "ann@example.org"})
        books.units.remember({"u-1": "another", "u-2": "bob@example.org"})
    with base.transaction() as books:
        assert [books.units.raw(unit) for unit in ("u-1", "u-2", "u-3")] == ["ann@example.org", "bob@example.org", None]


def test_merges__are_followed_to_the_end(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.units.merge("cookie", "device", NOON)
        books.units.merge("device", "account", NOON)
        books.units.merge("cookie", "elsewhere", NOON)  # the first assignment stays
    with base.transaction() as books:
        resolved = books.units.resolve(["cookie", "device", "account", "stranger"])
    assert resolved == {"cookie": "account", "device": "account"}


def test_merge_that_would_close_a_circle__changes_nothing(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        for from_unit, to_unit in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")):
            books.units.merge(from_unit, to_unit, NOON)
        assert books.units.resolve("abcd") == {"a": "c", "b": "c"}


def test_circle_written_by_hand__still_resolves(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.units.merge("a", "b", LONG_AGO)
        books.units.merge("c", "d", LONG_AGO)
    with base.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE unit_merges SET to_unit = 'a' WHERE from_unit = 'c'")
        connection.exec_driver_sql("UPDATE unit_merges SET to_unit = 'c' WHERE from_unit = 'a'")
    with base.transaction() as books:
        assert books.units.resolve(["a", "c"]) == {"a": "c", "c": "a"}
