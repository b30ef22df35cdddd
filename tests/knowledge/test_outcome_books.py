"""Outcomes, reward revisions, the replay buffer, on both engines."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import AlreadyRecorded
from domain.records import Added, ObservedDecision, ParkedOutcome
from knowledge.database import SqlKnowledgeBase
from tests.knowledge.making import (
    at,
    fresh,
    make_decision,
    make_experience,
    make_outcome,
    make_revision,
)

MONEY = st.decimals(allow_nan=False, allow_infinity=False)


@given(MONEY, MONEY, MONEY)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_amount__comes_back_digit_by_digit(
    base: SqlKnowledgeBase, amount: Decimal, converted: Decimal, rate: Decimal
) -> None:
    outcome = replace(make_outcome(fresh("o")), amount=amount, converted_amount=converted, exchange_rate=rate)
    with base.transaction() as books:
        assert books.outcomes.add(outcome, "hash") is Added.NEW
    with base.transaction() as books:
        found = books.outcomes.get(outcome.outcome_id)
    assert found == outcome
    assert str(found.amount) == str(amount)


def test_outcome__is_counted_once_whatever_comes_again(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        assert books.outcomes.add(make_outcome(), "hash 1") is Added.NEW
        assert books.outcomes.add(make_outcome(), "hash 1") is Added.KNOWN
        assert books.outcomes.add(replace(make_outcome(), amount=Decimal(0)), "hash 2") is Added.CONFLICT
        assert books.outcomes.add(make_outcome("o-2", None), "hash 3") is Added.NEW
    with base.transaction() as books:
        assert books.outcomes.get("o-1") == make_outcome()
        assert books.outcomes.get("o-3") is None
        assert books.outcomes.count() == {"attributed": 1, "unattributed": 1}


def test_outcomes_of_a_decision__keep_corrected_ones_in_order(base: SqlKnowledgeBase) -> None:
    correction = replace(make_outcome("o-0", minutes=1), corrects="o-1")
    with base.transaction() as books:
        for outcome in (correction, make_outcome("o-2"), make_outcome("o-1"), make_outcome("o-9", "d-2")):
            books.outcomes.add(outcome, "hash")
        assert [o.outcome_id for o in books.outcomes.of_decision("d-1")] == ["o-1", "o-2", "o-0"]


def test_parked_outcomes__are_handed_out_once(base: SqlKnowledgeBase) -> None:
    late, early = (ParkedOutcome(f"c-{m}", "o-1", {"id": f"c-{m}", "body": "{}"}, at(m)) for m in (2, 1))
    other = ParkedOutcome("c-3", "o-2", {}, at(3))
    with base.transaction() as books:
        for parked in (late, early, other, early):
            books.outcomes.park(parked)
        assert books.outcomes.parked() == [early, late, other]
        assert books.outcomes.take_parked("o-1") == [early, late]
        assert books.outcomes.take_parked("o-1") == []
    with base.transaction() as books:
        assert books.outcomes.parked() == [other]


def test_reward_revisions__keep_their_history(base: SqlKnowledgeBase) -> None:
    first, second = make_revision(1), make_revision(2, amount="-0.880")
    with base.transaction() as books:
        assert books.rewards.latest("d-1") is None
        books.rewards.add([second, first, make_revision(1, decision_id="d-2")])
        assert books.rewards.latest("d-1") == second
        assert books.rewards.history("d-1") == [first, second]


def test_same_revision_by_another_worker__is_refused(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.rewards.add([make_revision(1)])
    with pytest.raises(AlreadyRecorded), base.transaction() as books:
        books.rewards.add([make_revision(1, amount="5")])


def test_replay__has_one_row_a_decision_with_its_newest_reward(base: SqlKnowledgeBase) -> None:
    decisions = [make_decision(f"d-{i}", minutes=-i) for i in range(4)]
    waiting = make_experience(decisions[0], reward="1", is_matured=False)
    with base.transaction() as books:
        books.decisions.add(decisions)
        books.replay.put([waiting, make_experience(decisions[1]), make_experience(decisions[2])])
        books.replay.put([replace(make_experience(decisions[2]), reward=Decimal("2.00"), revision=7)])
    with base.transaction() as books:
        observed = books.replay.observed("main")
        assert observed == [
            ObservedDecision(decisions[2], Decimal("2.00"), 7),
            ObservedDecision(decisions[1], Decimal("9.12"), 1),
        ]
        assert books.replay.counts() == {"matured": 2, "waiting": 1}
        assert len(books.replay.observed("main", only_matured=False)) == 3
        assert [o.decision for o in books.replay.observed("main", since=at(-1), limit=1)] == [decisions[1]]
        assert books.replay.observed("renewal") == []


def test_unmatured__are_the_old_ones_without_a_matured_row(base: SqlKnowledgeBase) -> None:
    decisions = [make_decision(f"d-{i}", minutes=i) for i in range(5)]
    with base.transaction() as books:
        books.decisions.add([*decisions, make_decision("elsewhere", point="renewal")])
        books.replay.put([make_experience(decisions[0]), make_experience(decisions[2], is_matured=False)])
    with base.transaction() as books:
        assert books.replay.unmatured("main", at(3)) == decisions[1:4]
        assert books.replay.unmatured("main", at(3), limit=1) == decisions[1:2]
