"""The gate: one defect of any kind, and nothing is covered."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.proposals import LIVE, Approval, Coverage, Proposal, Scope, Status, TrackedProposal
from domain.segments import ALL
from tests.tracker.office import DAY, MONTHLY, NOON
from tracker.coverage import Cause, NotCovered, coverage, missing_approvers, standing
from tracker.plans import PlanInputs, build_plan
from tracker.tiers import DEFAULT_CANARY

RULES = "rules-1"
LATER = NOON + DAY


def make_proposal(**changes: object) -> Proposal:
    plan = build_plan(
        PlanInputs(1000.0), DEFAULT_CANARY, n_actions=2, reward_wait_days=14, valid_for_days=90, decide_within_days=7
    )
    proposal = Proposal(
        proposal_id="pr-1",
        revision=1,
        strategy_id="st-1",
        decision_point="flow",
        segment=ALL,
        action="policy:p-1",
        actions=("nothing", "offer"),
        scope=Scope(0.5, Decimal(100)),
        plan=plan,
        evidence={"verdict": "promote", "low": 0.1},
        tier="mid",
        approvers={"any": 1, "legal": 1},
        valid_for_days=90,
        decide_by=NOON + 7 * DAY,
        proposer="ana",
        created_at=NOON,
        rules_hash=RULES,
        base_version="constant:nothing",
    )
    return replace(proposal, **changes)  # type: ignore[arg-type]  # tests say what they change


def make_approval(approver: str = "ben", team: str | None = None, **changes: object) -> Approval:
    proposal = make_proposal()
    approval = Approval(
        proposal_id="pr-1",
        revision=1,
        proposal_hash=proposal.proposal_hash,
        evidence_hash=proposal.evidence_hash,
        rules_hash=RULES,
        approver=approver,
        team=team,
        scope=proposal.scope,
        approved_at=NOON,
        expires_at=NOON + 90 * DAY,
    )
    return replace(approval, **changes)  # type: ignore[arg-type]  # tests say what they change


BOTH = (make_approval("ben"), make_approval("cleo", "legal"))


def covers(
    proposal: Proposal | None = None,
    approvals: tuple[Approval, ...] = BOTH,
    *,
    status: Status = Status.ACTIVE,
    rules_hash: str = RULES,
    now: datetime = LATER,
) -> Coverage | NotCovered:
    tracked = TrackedProposal(proposal or make_proposal(), status, since=NOON)
    return coverage(tracked, approvals, rules_hash=rules_hash, now=now)


def test_sound_approvals__cover_with_the_narrowest_scope_until_the_first_ends() -> None:
    narrow = replace(BOTH[1], scope=Scope(0.2, Decimal(70), Decimal(5)), expires_at=NOON + 30 * DAY)
    assert covers(approvals=(BOTH[0], narrow)) == Coverage(Scope(0.2, Decimal(70), Decimal(5)), NOON + 30 * DAY)


EDITS: Mapping[str, object] = {
    "action": "policy:p-2",
    "actions": ("nothing", "offer", "call"),
    "segment": MONTHLY,
    "scope": Scope(1.0, Decimal(100)),
    "approvers": {"any": 1},
    "tier": "low",
    "valid_for_days": 900,
    "proposer": "eve",
    "decide_by": NOON + 70 * DAY,
    "decision_point": "paywall",
    "base_version": "p-0",
    "note": "harmless",
    "plan": replace(make_proposal().plan, canary_steps=(1.0,)),
    "strategy_id": "st-2",
    "created_at": LATER,
    "revision": 2,
    "proposal_id": "pr-2",
}


@pytest.mark.parametrize("field", sorted(EDITS))
def test_edited_content__covers_nothing(field: str) -> None:
    found = covers(replace(make_proposal(), **{field: EDITS[field]}))  # type: ignore[arg-type]  # any field
    assert isinstance(found, NotCovered)
    assert found.cause is Cause.CONTENT


def test_every_field_of_a_proposal__is_under_a_hash() -> None:
    untested = {"evidence", "rules_hash"}  # below
    assert set(EDITS) | untested == set(Proposal.__dataclass_fields__)


def test_edited_evidence__covers_nothing() -> None:
    found = covers(make_proposal(evidence={"verdict": "promote", "low": 0.2}))
    assert isinstance(found, NotCovered)
    assert "evidence of pr-1 is not what ben approved" in found.reason


def test_changed_rules__cover_nothing() -> None:
    for found in (covers(rules_hash="rules-2"), covers(approvals=(BOTH[0], replace(BOTH[1], rules_hash="rules-2")))):
        assert isinstance(found, NotCovered)
        assert found.cause is Cause.RULES


def test_own_approval__covers_nothing() -> None:
    found = covers(approvals=(make_approval("ana"), BOTH[1]))
    assert found == NotCovered(Cause.PEOPLE, "ana proposed pr-1 and cannot approve it")


def test_same_approver_twice__covers_nothing() -> None:
    found = covers(approvals=(BOTH[1], BOTH[1]))
    assert isinstance(found, NotCovered)
    assert "counted twice" in found.reason


@pytest.mark.parametrize("approvals", [(), BOTH[:1], BOTH[1:], (BOTH[0], make_approval("dan"))])
def test_missing_people__cover_nothing(approvals: tuple[Approval, ...]) -> None:
    found = covers(approvals=approvals)
    assert isinstance(found, NotCovered)
    assert found.cause is Cause.PEOPLE


def test_approval_without_a_person__is_only_for_tiers_that_allow_it() -> None:
    assert isinstance(covers(approvals=(*BOTH, make_approval("auto"))), NotCovered)
    allowed = make_proposal(approvers={"auto": 1})
    auto = make_approval("auto", proposal_hash=allowed.proposal_hash)
    assert isinstance(covers(allowed, (auto,)), Coverage)
    assert isinstance(covers(allowed, (replace(auto, approver="ben"),)), NotCovered)


@pytest.mark.parametrize("status", sorted(set(Status) - LIVE))
def test_what_is_not_live__is_covered_by_nothing(status: Status) -> None:
    assert covers(status=status) == NotCovered(Cause.STATUS, f"pr-1 is {status}, which is not live")


@given(st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400)))
def test_approval__holds_from_its_word_to_its_end_whatever_the_clock_does(offset: timedelta) -> None:
    found = covers(now=NOON + offset)
    assert isinstance(found, Coverage) == (timedelta(0) <= offset < 90 * DAY)
    if offset < timedelta(0):
        assert isinstance(found, NotCovered)
        assert found.cause is Cause.CLOCK


def test_end_is_exclusive() -> None:
    end = NOON + 90 * DAY
    assert isinstance(covers(now=end - timedelta(microseconds=1)), Coverage)
    assert isinstance(covers(now=end), NotCovered)


def test_standing__asks_nothing_about_the_status() -> None:
    assert isinstance(standing(make_proposal(), BOTH, rules_hash=RULES, now=LATER), Coverage)


@pytest.mark.parametrize(
    ("needs", "people", "is_met"),
    [
        ({"any": 2}, {"ben": "pricing", "cleo": "legal"}, True),
        ({"pricing": 1, "legal": 1}, {"ben": "pricing", "cleo": "legal"}, True),
        ({"pricing": 1, "legal": 1}, {"ben": "pricing", "dan": "pricing"}, False),
        ({"pricing": 1, "any": 1}, {"ben": "pricing"}, False),  # one person counts once
        ({"pricing": 1, "any": 1}, {"ben": "pricing", "dan": None}, True),
        ({"pricing": 2}, {"ben": "pricing", "dan": None}, False),
    ],
)
def test_people_count__once_each_for_their_team_or_any(
    needs: dict[str, int], people: dict[str, str | None], *, is_met: bool
) -> None:
    approvals = [make_approval(name, team) for name, team in people.items()]
    assert (missing_approvers(needs, approvals) == "") == is_met
