"""Small factories of the tracker's tests: settings, people, drafts, approved and live proposals on a real database."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from config.settings import Settings
from domain.decisions import Arm, Decision, Experience
from domain.events import Envelope, Outcome
from domain.people import Person, Role
from domain.ports import UnitOfWork
from domain.proposals import Scope, Status, TrackedProposal
from domain.segments import ALL, Condition, Predicate, Segment
from tracker.approvals import approve
from tracker.coverage import shown_hash
from tracker.plans import PlanInputs
from tracker.proposals import ProposalDraft, propose
from tracker.rollout import advance

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MONTHLY = Segment("monthly", Predicate((Condition("plan", any_of=("monthly",)),)))
TIERS: Mapping[str, object] = {
    "low": {"reach": 0.05, "approvers": {"any": 1}, "decide_within": "7d", "valid_for": "90d"},
    "mid": {"reach": 0.5, "approvers": {"any": 2}, "decide_within": "3d", "valid_for": "90d"},
    "high": {"approvers": {"pricing": 1, "legal": 1}, "decide_within": "2d", "valid_for": "60d"},
}
CANARY: Mapping[str, object] = {"steps": [0.1, 0.5], "min_days": 3, "min_per_action": 20}


def make_settings(**changes: object) -> Settings:
    """One gated decision point `flow`; sections replaced as given."""
    data: dict[str, object] = {
        "business": {"currency": "EUR", "time_zone": "Europe/Berlin"},
        "decision_points": {
            "flow": {
                "mode": "gated",
                "baseline": "nothing",
                "reward_wait": "14d",
                "actions": {
                    "nothing": {},
                    "offer": {"discount": 0.1, "cost": 1.5, "max_cost": 2},
                    "call": {"cost": 6.5, "reversible": False},
                },
            }
        },
        "approvals": {"tiers": TIERS, "canary": CANARY},
    }
    return Settings.model_validate_json(json.dumps(data | changes))


SETTINGS = make_settings()


def make_person(name: str, *roles: Role, team: str | None = None) -> Person:
    return Person(name, roles or (Role.APPROVER,), team, f"hash-of-{name}", NOON)


ANA = make_person("ana", Role.PROPOSER, Role.APPROVER)
BEN = make_person("ben", team="pricing")
CLEO = make_person("cleo", team="legal")
DAN = make_person("dan")


def make_draft(**changes: object) -> ProposalDraft:
    draft = ProposalDraft(
        strategy_id="st-1",
        decision_point="flow",
        segment=ALL,
        action="policy:p-1",
        actions=("nothing", "offer"),
        evidence={"verdict": "promote", "low": 0.1},
        base_version="constant:nothing",
        scope=Scope(0.04, Decimal(100), Decimal(50)),
        plan=PlanInputs(decisions_per_day=1000, reward_sd=5.0),
    )
    return replace(draft, **changes)  # type: ignore[arg-type]  # tests say what they change


def make_pending(
    books: UnitOfWork, *, settings: Settings = SETTINGS, now: datetime = NOON, **changes: object
) -> TrackedProposal:
    return propose(books, make_draft(**changes), proposer=ANA, settings=settings, now=now)


def agree(
    books: UnitOfWork,
    tracked: TrackedProposal,
    *people: Person,
    settings: Settings = SETTINGS,
    now: datetime = NOON,
    scope: Scope | None = None,
) -> TrackedProposal:
    for person in people:
        seen = shown_hash(tracked.proposal)
        tracked = approve(
            books, tracked.proposal.proposal_id, person=person, seen_hash=seen, settings=settings, scope=scope, now=now
        )
    return tracked


def make_approved(
    books: UnitOfWork, *, settings: Settings = SETTINGS, now: datetime = NOON, **changes: object
) -> TrackedProposal:
    return agree(books, make_pending(books, settings=settings, now=now, **changes), BEN, settings=settings, now=now)


def step_on(
    books: UnitOfWork,
    tracked: TrackedProposal,
    *,
    now: datetime,
    settings: Settings = SETTINGS,
    tally: Mapping[str, int] | None = None,
) -> TrackedProposal:
    """`advance` with enough decisions unless the test says otherwise."""
    counted = {"offer": 50, "nothing": 50} if tally is None else tally
    return advance(books, tracked, settings=settings, tally=counted, reading=None, now=now)


def make_live(
    books: UnitOfWork,
    to: Status = Status.CANARY,
    *,
    settings: Settings = SETTINGS,
    now: datetime = NOON,
    **changes: object,
) -> TrackedProposal:
    """CANARY step 0 at `now`, or ACTIVE two steps later."""
    tracked = make_approved(books, settings=settings, now=now, **changes)
    tracked = step_on(books, tracked, now=now, settings=settings)
    if to is Status.ACTIVE:
        step = timedelta(days=tracked.proposal.plan.step_days)
        tracked = step_on(books, tracked, now=now + step, settings=settings)
        tracked = step_on(books, tracked, now=now + 2 * step, settings=settings)
    assert tracked.status is to
    return tracked


def make_decision(decision_id: str = "d-1", **changes: object) -> Decision:
    decision = Decision(
        decision_id=decision_id,
        request_id=f"r-{decision_id}",
        decision_point="flow",
        unit="u-1",
        decided_at=NOON,
        mode="gated",
        arm=Arm.POLICY,
        action="offer",
        propensity=0.5,
        eligible=("nothing", "offer"),
        distribution={"nothing": 0.5, "offer": 0.5},
        draw=0.7,
        policy_version="p-1",
        proposal_id=None,
        why="the policy chose it",
        features={},
        catalogue_version="c-1",
        numpy_version="2",
        payload={},
        valid_until=None,
        reserved_amount=Decimal(0),
    )
    return replace(decision, **changes)  # type: ignore[arg-type]  # tests say what they change


def make_outcome(outcome_id: str = "o-1", amount: str = "10", **changes: object) -> Outcome:
    outcome = Outcome(outcome_id, "raw-1", "net_revenue", Decimal(amount), "EUR", decision_id="d-1")
    return replace(outcome, **changes)  # type: ignore[arg-type]  # tests say what they change


def make_envelope(at: datetime = NOON + DAY) -> Envelope:
    return Envelope("e-1", "shop", None, at, "outcome", {})


def earn(books: UnitOfWork, reward: str, *, day: float, arm: Arm, proposal_id: str | None, n: int = 60) -> None:
    """Matured decisions of as many units, all alike but for a cent."""
    for i in range(n):
        name = f"{arm.value}-{day}-{i}"
        at = NOON + day * DAY + i * timedelta(minutes=1)
        books.decisions.add(
            [make_decision(name, unit=name, arm=arm, decided_at=at, proposal_id=proposal_id, request_id=name)]
        )
        amount = Decimal(reward) + Decimal(i % 2) / 100
        books.replay.put([Experience(name, "flow", name, at, amount, 1, True, at)])
