"""Strategies, proposals and approvals on both engines: what people sign comes back with the same hashes."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, column, select, table, text

from domain.errors import AlreadyRecorded, NotFound
from domain.proposals import Proposal, Scope, Status, TrackedProposal
from domain.segments import ALL, Condition, Predicate, Segment
from knowledge.database import SqlKnowledgeBase
from tests.knowledge.making import PLAN, at, fresh, make_approval, make_proposal, make_strategy

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
MONEY = st.none() | st.decimals(allow_nan=False, allow_infinity=False)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
CONDITIONS = st.builds(
    Condition,
    TEXT,
    any_of=st.none() | TEXTS,
    min=st.none() | FLOAT | st.integers(-100, 100),
    max=st.none() | FLOAT,
    none_of=st.none() | TEXTS,
    or_missing=st.booleans(),
)
SEGMENTS = st.builds(Segment, TEXT, st.lists(CONDITIONS, max_size=3).map(tuple).map(Predicate))
PLANS = st.builds(
    replace,
    st.just(PLAN),
    canary_steps=st.lists(FLOAT | st.just(1), max_size=3).map(tuple),
    decisions_per_day=st.none() | FLOAT,
    smallest_harm=st.lists(st.none() | FLOAT, max_size=3).map(tuple),
    largest_loss_amount=st.none() | FLOAT,
)
ZONES = st.timedeltas(timedelta(hours=-12), timedelta(hours=12)).map(
    lambda d: timezone(timedelta(minutes=d.seconds // 60))
)
EVIDENCE = st.dictionaries(TEXT, TEXT | FLOAT | st.integers(-(2**53), 2**53) | st.lists(FLOAT, max_size=2), max_size=4)
PROPOSALS = st.builds(
    replace,
    st.builds(lambda: make_proposal(fresh("prop"))),
    segment=SEGMENTS,
    actions=TEXTS,
    scope=st.builds(Scope, FLOAT | st.just(1), MONEY, MONEY),
    plan=PLANS,
    evidence=EVIDENCE,
    approvers=st.dictionaries(TEXT, st.integers(0, 5), max_size=3),
    created_at=st.datetimes(min_value=datetime(2000, 1, 1), timezones=ZONES),  # noqa: DTZ001 # Hypothesis adds the zone
    note=TEXT,
)


def add(base: SqlKnowledgeBase, *proposals: Proposal) -> None:
    for minutes, proposal in enumerate(proposals):
        with base.transaction() as books:
            books.proposals.add(proposal, at(minutes))


def move(base: SqlKnowledgeBase, expected: Status, to: Status, *, step: int = 0) -> bool:
    with base.transaction() as books:
        return books.proposals.set_status(
            "prop-1",
            expected=expected,
            to=to,
            at=at(9),
            step=step,
            paused_from=expected if to == Status.PAUSED else None,
        )


@given(PROPOSALS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_proposal__comes_back_with_its_hashes(base: SqlKnowledgeBase, proposal: Proposal) -> None:
    add(base, proposal)
    with base.transaction() as books:
        found = books.proposals.get(proposal.proposal_id).proposal
    assert found == proposal
    assert found.proposal_hash == proposal.proposal_hash
    assert found.evidence_hash == proposal.evidence_hash


def test_evidence_as_analysis_makes_it__keeps_its_hash(base: SqlKnowledgeBase) -> None:
    evidence = {"steps": (1, 2.0), "cost": Decimal("1.50"), "until": at(0), "inner": {"b": 1, "a": None}}
    proposal = replace(make_proposal(), evidence=evidence)
    add(base, proposal)
    with base.transaction() as books:
        assert books.proposals.get("prop-1").proposal.evidence_hash == proposal.evidence_hash


@pytest.mark.parametrize(
    ("name", "value"),
    [("action", "constant:free"), ("scope", {"reach": 1.0, "budget_amount": None, "loss_cap_amount": None})],
)
def test_proposal_edited_in_the_database__has_another_hash(base: SqlKnowledgeBase, name: str, value: object) -> None:
    add(base, make_proposal())
    raw = table("proposals", column("proposal", JSON))
    with base.engine.begin() as connection:
        content = connection.execute(select(raw.c.proposal)).scalar_one()
        connection.execute(raw.update().values(proposal=content | {name: value}))
    with base.transaction() as books:
        assert books.proposals.get("prop-1").proposal.proposal_hash != make_proposal().proposal_hash


def test_proposal__begins_as_a_draft_and_its_newest_revision_counts(base: SqlKnowledgeBase) -> None:
    first, second, other = make_proposal(), make_proposal(revision=2), make_proposal("prop-2")
    add(base, first, other, second)
    with base.transaction() as books:
        newest = TrackedProposal(second, Status.DRAFT, at(2))
        assert books.proposals.get("prop-1") == newest
        assert books.proposals.all() == [newest, TrackedProposal(other, Status.DRAFT, at(1))]
        assert books.proposals.all({Status.PENDING}) == []
        assert len(books.proposals.all({Status.DRAFT, Status.PENDING})) == 2
        with pytest.raises(NotFound) as caught:
            books.proposals.get("prop-3")
    assert "prop-1" in caught.value.hint


@pytest.mark.parametrize("revision", [1, 3])
def test_revision_that_does_not_follow__is_refused(base: SqlKnowledgeBase, revision: int) -> None:
    add(base, make_proposal())
    with pytest.raises(AlreadyRecorded, match="stands at revision 1"):
        add(base, make_proposal(revision=revision))


def test_status__moves_only_from_where_it_was_expected(base: SqlKnowledgeBase) -> None:
    add(base, make_proposal(), make_proposal(revision=2))
    assert not move(base, Status.PENDING, Status.APPROVED)
    assert move(base, Status.DRAFT, Status.PAUSED)
    with base.transaction() as books:
        found = books.proposals.get("prop-1")
    assert (found.status, found.since, found.paused_from) == (Status.PAUSED, at(9), Status.DRAFT)
    with base.engine.connect() as connection:
        older = connection.execute(text("SELECT status FROM proposals WHERE revision = 1")).scalar_one()
    assert older == "DRAFT"


def test_step_of_a_canary__is_taken_once(base: SqlKnowledgeBase) -> None:
    add(base, make_proposal())
    assert move(base, Status.DRAFT, Status.CANARY)
    assert move(base, Status.CANARY, Status.CANARY, step=1)
    assert not move(base, Status.CANARY, Status.CANARY, step=1)


def test_approvals__come_back_in_order_and_nobody_approves_twice(base: SqlKnowledgeBase) -> None:
    proposal = make_proposal()
    add(base, proposal)
    bob, eve = make_approval(proposal), make_approval(proposal, "eve", minutes=1)
    with base.transaction() as books:
        books.approvals.add(bob)
        books.approvals.add(eve)
    with base.transaction() as books:
        assert books.approvals.of("prop-1", 1) == [eve, bob]
        assert books.approvals.of("prop-1", 2) == []
    for refused in (bob, make_approval(make_proposal(revision=2))):  # again; and of a revision that is not there
        with pytest.raises(AlreadyRecorded), base.transaction() as books:
            books.approvals.add(refused)


def test_strategies__are_those_of_the_newest_run_first_in_its_order(base: SqlKnowledgeBase) -> None:
    old = [make_strategy(name) for name in ("s-3", "s-1", "s-2")]
    everyone = replace(make_strategy("s-9", run="recommend_2", minutes=5), segment=ALL, evidence={"low": 0.2})
    again = replace(make_strategy("s-1", run="recommend_2", minutes=5), evidence={"low": 0.3})
    with base.transaction() as books:
        books.strategies.put(old)
        books.strategies.put([everyone, again])
    with base.transaction() as books:
        assert books.strategies.recent() == [everyone, again, old[0], old[2]]
        assert books.strategies.recent("main", limit=1) == [everyone]
        assert books.strategies.recent("renewal") == []
        assert books.strategies.get("s-1") == again
        with pytest.raises(NotFound, match="unknown strategy 's-7'"):
            books.strategies.get("s-7")
