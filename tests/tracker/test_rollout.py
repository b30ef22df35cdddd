"""Canary, active life, pauses and rollbacks: what widens, what waits, what goes back."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import IllegalTransition, NotPermitted
from domain.guardrails import GuardrailReading
from domain.people import Role
from domain.ports import UnitOfWork
from domain.proposals import Coverage, Scope, Status, TrackedProposal
from tests.tracker.office import (
    ANA,
    BEN,
    DAN,
    DAY,
    MONTHLY,
    NOON,
    SETTINGS,
    make_approved,
    make_live,
    make_pending,
    make_person,
    make_settings,
    step_on,
)
from tracker.audit import verify
from tracker.rollout import advance, base_version, freeze_reason, pause, resume, roll_back, share_served

FREEZE = {"freeze": [{"from": "2026-03-04", "to": "2026-03-06", "why": "launch"}]}


def make_reading(**changes: object) -> GuardrailReading:
    reading = GuardrailReading("reward", 400, 400, -0.2, -0.4, -0.01, 0.5, is_breached=False)
    return replace(reading, **changes)  # type: ignore[arg-type]  # tests say what they change


def watch(books: UnitOfWork, tracked: TrackedProposal, reading: GuardrailReading) -> TrackedProposal:
    return advance(books, tracked, settings=SETTINGS, tally={}, reading=reading, now=NOON + DAY)


def last_reason(books: UnitOfWork, proposal_id: str = "pr-1") -> str:
    return str(books.audit.entries(subject=f"proposal:{proposal_id}")[-1].details["reason"])


def test_proposal__walks_through_its_whole_plan(books: UnitOfWork) -> None:
    tracked = make_approved(books)
    covered = Coverage(Scope(0.04), NOON)
    walked: list[tuple[Status, int]] = []
    shares: list[float] = []
    now = NOON
    while not walked or walked[-1][0] is not Status.COMPLETED:
        moved = step_on(books, tracked, now=now)
        if moved != tracked:
            walked.append((moved.status, moved.step))
            shares.append(round(share_served(moved, covered), 6))
        tracked, now = moved, now + DAY
    assert walked == [
        (Status.CANARY, 0),
        (Status.CANARY, 1),
        (Status.ACTIVE, 1),
        (Status.MATURING, 1),
        (Status.COMPLETED, 1),
    ]
    assert shares == [0.004, 0.02, 0.04, 0.0, 0.0]
    assert now - DAY - NOON == timedelta(days=3 + 3 + 63 + 14)
    assert verify(books).is_intact


def test_step_that_is_not_over__does_not_widen(books: UnitOfWork) -> None:
    canary = make_live(books)
    assert step_on(books, canary, now=NOON + 3 * DAY - timedelta(seconds=1)) == canary


@pytest.mark.parametrize(("tally", "status"), [({"offer": 39, "nothing": 1}, "CANARY"), ({"offer": 20}, "CANARY"),
                                               ({"offer": 38, "nothing": 1}, "PAUSED"), ({}, "PAUSED")])  # fmt: skip
def test_too_few_decisions__pause_and_never_ship(books: UnitOfWork, tally: dict[str, int], status: str) -> None:
    moved = step_on(books, make_live(books), now=NOON + 3 * DAY, tally=tally)
    assert (moved.status, moved.step) == (status, 1 if status == "CANARY" else 0)
    if status == "PAUSED":
        assert last_reason(books).startswith("inconclusive: ")
        assert step_on(books, moved, now=NOON + 30 * DAY) == moved


def test_what_was_moved_meanwhile__is_left_where_it_stands(books: UnitOfWork) -> None:
    seen = make_live(books)
    paused = pause(books, "pr-1", person=DAN, reason="wait", now=NOON)
    assert step_on(books, seen, now=NOON + 3 * DAY) == paused


@pytest.mark.parametrize("status", [Status.CANARY, Status.ACTIVE])
def test_breach__rolls_back_at_once(books: UnitOfWork, status: Status) -> None:
    live = make_live(books, status)
    assert watch(books, live, make_reading(metric="churn_30d", is_breached=True)).status is Status.ROLLED_BACK
    assert last_reason(books).startswith("guardrail churn_30d: -0.2 [-0.4, -0.01]")


@pytest.mark.parametrize(
    ("reading", "status"),
    [
        (make_reading(), Status.ROLLED_BACK),  # 0.2 × 400 = 80, and 50 are allowed
        (make_reading(n_policy=249), Status.CANARY),  # 49.8
        (make_reading(high=0.01), Status.CANARY),  # may be no loss at all
        (make_reading(metric="support_contacts"), Status.CANARY),  # is no money
        (make_reading(metric="net_revenue"), Status.ROLLED_BACK),
    ],
)
def test_loss_cap__rolls_back_once_a_proven_loss_reaches_it(
    books: UnitOfWork, reading: GuardrailReading, status: Status
) -> None:
    assert watch(books, make_live(books), reading).status is status


@pytest.mark.parametrize("status", [Status.CANARY, Status.ACTIVE, Status.PAUSED])
def test_ended_approval__rolls_back_what_is_live_or_paused(books: UnitOfWork, status: Status) -> None:
    tracked = make_live(books, Status.CANARY if status is Status.PAUSED else status)
    if status is Status.PAUSED:
        tracked = pause(books, "pr-1", person=DAN, reason="wait", now=NOON)
    ended = step_on(books, tracked, now=NOON + 90 * DAY)
    assert ended.status is Status.ROLLED_BACK
    assert step_on(books, ended, now=NOON) == ended  # the clock may go back; it does not come back


def test_two_clocks__end_what_waits_too_long(books: UnitOfWork) -> None:
    pending = make_pending(books)
    assert step_on(books, pending, now=NOON + 6 * DAY) == pending
    assert step_on(books, pending, now=NOON + 7 * DAY).status is Status.EXPIRED
    assert step_on(books, make_approved(books), now=NOON + 90 * DAY).status is Status.EXPIRED


def test_changed_rules__pause_what_is_live_and_start_nothing(books: UnitOfWork) -> None:
    changed = make_settings(exploration={"share": 0.9})
    paused = step_on(books, make_live(books), now=NOON + DAY, settings=changed)
    assert paused.status is Status.PAUSED
    assert "rules have changed since ben approved pr-1" in last_reason(books)
    approved = make_approved(books)
    assert step_on(books, approved, now=NOON, settings=changed) == approved
    with pytest.raises(NotPermitted, match="rules have changed"):
        resume(books, "pr-1", person=BEN, settings=changed, now=NOON + DAY)


def test_clock_that_jumps_back__moves_nothing(books: UnitOfWork) -> None:
    live = make_live(books)
    assert step_on(books, live, now=NOON - DAY) == live


def test_freeze__lets_nothing_widen_start_or_resume(books: UnitOfWork) -> None:
    frozen = make_settings(calendar=FREEZE)
    approved = make_approved(books, settings=frozen)
    during = NOON + 3 * DAY
    assert step_on(books, approved, now=during, settings=frozen) == approved
    live = step_on(books, approved, now=NOON, settings=frozen)
    assert step_on(books, live, now=during, settings=frozen, tally={}) == live
    paused = pause(books, "pr-1", person=DAN, reason="wait", now=during)
    with pytest.raises(IllegalTransition, match=r"2026-03-04 is in the freeze .* \(launch\)"):
        resume(books, "pr-1", person=BEN, settings=frozen, now=during)
    assert paused.paused_from is Status.CANARY
    assert resume(books, "pr-1", person=BEN, settings=frozen, now=NOON + 6 * DAY).status is Status.CANARY


def test_freeze_days__are_the_business_s(books: UnitOfWork) -> None:
    frozen = make_settings(calendar=FREEZE)
    midnight = NOON.replace(day=3, hour=23, minute=0)  # the fourth already, in Berlin
    assert freeze_reason(frozen, midnight) is not None
    assert freeze_reason(frozen, midnight - timedelta(seconds=1)) is None


def test_pause_and_resume__return_to_the_same_step_which_begins_anew(books: UnitOfWork) -> None:
    live = step_on(books, make_live(books), now=NOON + 3 * DAY)
    assert live.step == 1
    pause(books, "pr-1", person=DAN, reason="wait", now=NOON + 4 * DAY)
    for person in (ANA, make_person("eve", Role.PROPOSER)):
        with pytest.raises(NotPermitted):
            resume(books, "pr-1", person=person, settings=SETTINGS, now=NOON + 5 * DAY)
    resumed = resume(books, "pr-1", person=BEN, settings=SETTINGS, now=NOON + 5 * DAY)
    assert (resumed.status, resumed.step, resumed.since) == (Status.CANARY, 1, NOON + 5 * DAY)
    with pytest.raises(IllegalTransition, match="CANARY and cannot be resumed"):
        resume(books, "pr-1", person=BEN, settings=SETTINGS, now=NOON + 5 * DAY)


def test_resume__takes_an_approval_that_still_holds(books: UnitOfWork) -> None:
    make_live(books)
    pause(books, "pr-1", person=DAN, reason="wait", now=NOON)
    with pytest.raises(NotPermitted, match="ended"):
        resume(books, "pr-1", person=BEN, settings=SETTINGS, now=NOON + 90 * DAY)


def test_newly_active__supersedes_the_one_before_in_the_same_act(books: UnitOfWork) -> None:
    make_live(books, Status.ACTIVE)
    elsewhere = make_live(books, segment=MONTHLY)
    assert base_version(books, SETTINGS, "flow", elsewhere.proposal.segment) == "constant:nothing"
    then = NOON + 10 * DAY
    second = make_live(books, Status.ACTIVE, now=then, base_version="p-1", action="policy:p-2")
    assert books.proposals.get("pr-1").status is Status.SUPERSEDED
    assert books.proposals.get("pr-2").status is Status.CANARY
    assert base_version(books, SETTINGS, "flow", second.proposal.segment) == "p-2"
    assert verify(books).is_intact


def test_paused_one__does_not_come_back_beside_its_successor(books: UnitOfWork) -> None:
    make_live(books, Status.ACTIVE)
    pause(books, "pr-1", person=DAN, reason="wait", now=NOON + 7 * DAY)
    make_live(books, Status.ACTIVE, now=NOON + 10 * DAY)
    with pytest.raises(IllegalTransition, match="pr-2 is ACTIVE in its segment"):
        resume(books, "pr-1", person=BEN, settings=SETTINGS, now=NOON + 20 * DAY)


def test_second_canary_of_a_segment__waits_for_the_first(books: UnitOfWork) -> None:
    make_live(books)
    second = make_approved(books)
    assert step_on(books, second, now=NOON) == second
    roll_back(books, "pr-1", person=DAN, reason="no", now=NOON)
    assert step_on(books, second, now=NOON).status is Status.CANARY


def test_moved_base__is_judged_anew(books: UnitOfWork) -> None:
    approved = make_approved(books, base_version="p-0")
    assert step_on(books, approved, now=NOON).status is Status.EVALUATING
    assert last_reason(books) == "judged against p-0, but constant:nothing stands now: it is to be judged anew"


def test_rollback__needs_no_approval_and_no_role(books: UnitOfWork) -> None:
    make_live(books)
    pause(books, "pr-1", person=make_person("eve", Role.PROPOSER), reason="?", now=NOON)
    rolled = roll_back(books, "pr-1", person=make_person("eve", Role.PROPOSER), reason="no", now=NOON + 95 * DAY)
    assert rolled.status is Status.ROLLED_BACK
    with pytest.raises(IllegalTransition, match="ROLLED_BACK and cannot become ROLLING_BACK"):
        roll_back(books, "pr-1", person=DAN, reason="again", now=NOON)


def test_scope_of_the_config__caps_the_loss_too(books: UnitOfWork) -> None:
    settings = make_settings(limits={"loss_cap": 10})
    live = make_live(books, settings=settings)
    assert live.proposal.scope.loss_cap_amount == Decimal("10.0")
    reading = make_reading(n_policy=60)
    moved = advance(books, live, settings=settings, tally={}, reading=reading, now=NOON + DAY)
    assert moved.status is Status.ROLLED_BACK
