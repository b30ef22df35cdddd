"""Small records of every kind, for the tests of the books; `dataclasses.replace` makes the others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from domain.decisions import Arm, Decision, Experience, RewardRevision
from domain.people import Person, Role
from domain.proposals import Approval, AuditEntry, Plan, Proposal, Scope
from domain.records import SeqGap, StoredEvent, StoredOutcome, StrategyRecord
from domain.segments import Condition, Predicate, Segment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MONTHLY = Segment("monthly", Predicate((Condition("plan", any_of=("monthly",)), Condition("tenure_days", min=60))))
PLAN = Plan((0.05, 0.25), 3.0, 50, 28.0, 14.0, 120.5, (None, 0.125), 900.0)
_numbers = count()


def fresh(prefix: str) -> str:
    """A name that no other example of this process has."""
    return f"{prefix}-{next(_numbers)}"


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def make_decision(
    decision_id: str = "d-1", *, minutes: float = 0, unit: str = "u-1", point: str = "main", arm: Arm = Arm.POLICY
) -> Decision:
    return Decision(
        decision_id=decision_id,
        request_id=f"r-{decision_id}",
        decision_point=point,
        unit=unit,
        decided_at=at(minutes),
        mode="gated",
        arm=arm,
        action="discount_10",
        propensity=0.1 + 0.2,
        eligible=("none", "discount_10"),
        distribution={"none": 0.7, "discount_10": 0.1 + 0.2},
        draw=0.9999999999999999,
        policy_version="p-0123456789ab",
        proposal_id="prop-1",
        why="approved proposal prop-1 decides",
        features={"plan": "monthly", "tenure_days": 90, "spend": 1 / 3, "is_new": False, "country": None},
        catalogue_version="c-1",
        numpy_version="2.4.0",
        payload={"discount": 10, "banner": {"text": "10 % off"}},
        valid_until=at(minutes + 60),
        reserved_amount=Decimal("1.50"),
    )


def make_event(event_id: str = "e-1", *, minutes: float = 0, subject: str = "u-1") -> StoredEvent:
    body = {"features": {"plan": "monthly", "spend": 0.1}}
    return StoredEvent(event_id, "customer", "shop", subject, at(minutes), at(minutes + 1), body)


def make_outcome(outcome_id: str = "o-1", decision_id: str | None = "d-1", *, minutes: float = 0) -> StoredOutcome:
    amounts = (Decimal("9.990"), "USD", Decimal("9.1234567890123456789"), Decimal("0.9132589"))
    return StoredOutcome(
        outcome_id, decision_id, "u-1", "revenue", *amounts, at(minutes), at(minutes + 1), None, is_named=True
    )


def make_revision(revision: int = 1, *, amount: str = "9.12", decision_id: str = "d-1") -> RewardRevision:
    return RewardRevision(decision_id, revision, Decimal(amount), "net@1", at(revision), f"outcome:o-{revision}")


def make_experience(decision: Decision, *, reward: str = "9.12", is_matured: bool = True) -> Experience:
    key = (decision.decision_id, decision.decision_point, decision.unit, decision.decided_at)
    return Experience(*key, Decimal(reward), 1, is_matured, NOON)


def make_strategy(strategy_id: str = "s-1", *, run: str = "recommend_1", minutes: float = 0) -> StrategyRecord:
    return StrategyRecord(strategy_id, "main", MONTHLY, "discount_10", {"reach": 0.5}, {"low": 0.1}, run, at(minutes))


def make_proposal(proposal_id: str = "prop-1", revision: int = 1) -> Proposal:
    return Proposal(
        proposal_id=proposal_id,
        revision=revision,
        strategy_id="s-1",
        decision_point="main",
        segment=MONTHLY,
        action="policy:p-0123456789ab",
        actions=("none", "discount_10"),
        scope=Scope(0.5, Decimal("1000.00"), None),
        plan=PLAN,
        evidence={"low": 0.1, "n": 30_000, "verdict": "promote"},
        tier="medium",
        approvers={"pricing": 1, "any": 1},
        valid_for_days=90.0,
        decide_by=at(60),
        proposer="ann",
        created_at=NOON,
        rules_hash="r" * 64,
        base_version="constant:none",
    )


def make_approval(proposal: Proposal, approver: str = "bob", *, minutes: float = 5) -> Approval:
    hashes = (proposal.proposal_hash, proposal.evidence_hash, proposal.rules_hash)
    scope = Scope(0.25, None, Decimal("500.5"))
    times = (at(minutes), at(minutes) + timedelta(days=90))
    return Approval(proposal.proposal_id, proposal.revision, *hashes, approver, "pricing", scope, *times, "fine by me")


def make_person(name: str = "ann", *, token_hash: str = "") -> Person:
    return Person(name, (Role.PROPOSER, Role.APPROVER), "pricing", token_hash or f"hash of {name}'s", NOON)


def make_audit_entry(seq: int, *, subject: str = "proposal:prop-1") -> AuditEntry:
    details = {"from": "DRAFT", "to": "EVALUATING", "share": 0.1}
    return AuditEntry(seq, at(seq), "ann", subject, "move", details, f"hash {seq - 1}", f"hash {seq}")


def make_gap(first: int, last: int, *, producer: str = "shop") -> SeqGap:
    return SeqGap(producer, first, last, NOON)


def without_offer(decision: Decision) -> Decision:
    return replace(decision, valid_until=None)
