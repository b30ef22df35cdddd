"""The approval gate: whose word counts, on what, and until when."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.errors import IllegalTransition, NotPermitted, StaleProposal
from domain.people import Role
from domain.ports import UnitOfWork
from domain.proposals import Coverage, Scope, Status
from tests.tracker.office import (
    ANA,
    BEN,
    CLEO,
    DAN,
    DAY,
    NOON,
    SETTINGS,
    agree,
    make_draft,
    make_pending,
    make_person,
    make_settings,
)
from tracker.approvals import approve, lapse, reject
from tracker.coverage import shown_hash, standing
from tracker.proposals import revise


def test_last_word_needed__makes_it_approved(books: UnitOfWork) -> None:
    pending = make_pending(books, scope=Scope(0.9))
    assert agree(books, pending, BEN).status is Status.PENDING
    assert agree(books, pending, CLEO).status is Status.APPROVED
    approval = books.approvals.of("pr-1", 1)[0]
    assert (approval.approver, approval.team, approval.expires_at) == ("ben", "pricing", NOON + 60 * DAY)


def test_team_that_is_missing__keeps_it_waiting(books: UnitOfWork) -> None:
    pending = make_pending(books, scope=Scope(0.9))
    assert agree(books, pending, BEN, DAN, make_person("pia", team="pricing")).status is Status.PENDING


def test_own_proposal__is_not_approved_by_its_proposer(books: UnitOfWork) -> None:
    pending = make_pending(books)
    with pytest.raises(NotPermitted, match="ana proposed pr-1 and cannot approve it"):
        agree(books, pending, ANA)
    with pytest.raises(NotPermitted, match="does not judge it"):
        reject(books, "pr-1", person=ANA, reason="", now=NOON)
    assert books.approvals.of("pr-1", 1) == []


def test_same_person_twice__counts_once(books: UnitOfWork) -> None:
    pending = make_pending(books, scope=Scope(0.3))
    agree(books, pending, BEN)
    with pytest.raises(NotPermitted, match="ben has approved pr-1 already"):
        agree(books, pending, BEN)


def test_who_is_no_approver_or_was_revoked__approves_nothing(books: UnitOfWork) -> None:
    pending = make_pending(books)
    for person in (make_person("eve", Role.PROPOSER), replace(BEN, revoked_at=NOON)):
        with pytest.raises(NotPermitted, match="may not approve"):
            agree(books, pending, person)


def test_too_late__is_refused_and_lapses_to_expired(books: UnitOfWork) -> None:
    pending = make_pending(books)
    late = pending.proposal.decide_by
    with pytest.raises(IllegalTransition, match="had to be decided until 2026-03-08 12:00 UTC"):
        agree(books, pending, BEN, now=late)
    with pytest.raises(IllegalTransition, match="had to be decided"):
        reject(books, "pr-1", person=BEN, reason="", now=late)
    assert lapse(books, pending, now=NOON) == pending
    assert lapse(books, pending, now=late).status is Status.EXPIRED
    with pytest.raises(IllegalTransition, match="pr-1 is EXPIRED and cannot be approved"):
        agree(books, pending, BEN, now=NOON)


def test_stale_hash__is_refused_with_what_differs(books: UnitOfWork) -> None:
    seen = shown_hash(make_pending(books).proposal)
    evidence = {"verdict": "promote", "low": 0.5}
    revise(books, "pr-1", make_draft(scope=Scope(0.01), evidence=evidence), proposer=ANA, settings=SETTINGS, now=NOON)
    with pytest.raises(StaleProposal) as caught:
        approve(books, "pr-1", person=BEN, seen_hash=seen, settings=SETTINGS, now=NOON)
    assert caught.value.message == "pr-1 is not what was looked at; what differs: revision, scope, evidence"
    with pytest.raises(StaleProposal, match="it never stood so"):
        approve(books, "pr-1", person=BEN, seen_hash="f00", settings=SETTINGS, now=NOON)


def test_changed_rules__are_refused_with_their_names(books: UnitOfWork) -> None:
    pending = make_pending(books)
    for changed, names in [
        (make_settings(limits={"max_discount": 0.9}), "limits"),
        (make_settings(holdout={"share": 0.2}, people={"eve": {"roles": ["approver"]}}), "holdout, people"),
    ]:
        with pytest.raises(StaleProposal, match=f"rules have changed since pr-1 was proposed: {names}\n"):
            approve(books, "pr-1", person=BEN, seen_hash=shown_hash(pending.proposal), settings=changed, now=NOON)


def test_narrower_word__narrows_what_is_covered(books: UnitOfWork) -> None:
    pending = make_pending(books, scope=Scope(0.3, Decimal(100)))
    agree(books, pending, BEN, scope=Scope(0.1))
    agree(books, pending, CLEO, scope=Scope(0.9, Decimal(40)))
    proposal = books.proposals.get("pr-1").proposal
    found = standing(proposal, books.approvals.of("pr-1", 1), rules_hash=proposal.rules_hash, now=NOON)
    assert isinstance(found, Coverage)
    assert found.scope == Scope(0.1, Decimal(40))


def test_one_no__is_enough(books: UnitOfWork) -> None:
    pending = make_pending(books, scope=Scope(0.3))
    agree(books, pending, BEN)
    assert reject(books, "pr-1", person=CLEO, reason="too wide", now=NOON).status is Status.REJECTED
    with pytest.raises(IllegalTransition, match="REJECTED and cannot be approved"):
        agree(books, pending, DAN)
