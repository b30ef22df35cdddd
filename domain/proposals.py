"""Proposals, approvals and the life cycle between them (DESIGN section 7).

    DRAFT ─► EVALUATING ─► PENDING ─► APPROVED ─► CANARY ─► ACTIVE ─► MATURING ─► COMPLETED
                 │            │           │          └─► PAUSED ◄─┘
                 ▼            ▼           ▼          CANARY, ACTIVE, PAUSED ─► ROLLING_BACK ─► ROLLED_BACK
              REFUSED   REJECTED, EXPIRED, WITHDRAWN      CANARY, ACTIVE ─► SUPERSEDED

PENDING goes back to DRAFT when changes are asked for; APPROVED goes to EXPIRED, WITHDRAWN, or back to EVALUATING when
its base has moved; PAUSED returns to the state it was paused from. Only tracker/ moves a status, one audit row a move:
two workers that advance one approval race for that row, and one of them loses.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from domain.canonical import content_hash
from domain.segments import Segment, predicate_to_data


class Status(StrEnum):
    DRAFT = "DRAFT"
    EVALUATING = "EVALUATING"
    REFUSED = "REFUSED"
    PENDING = "PENDING"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"
    APPROVED = "APPROVED"
    CANARY = "CANARY"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"
    SUPERSEDED = "SUPERSEDED"
    MATURING = "MATURING"
    COMPLETED = "COMPLETED"


_S = Status
MOVES: Mapping[Status, frozenset[Status]] = {
    _S.DRAFT: frozenset({_S.EVALUATING}),
    _S.EVALUATING: frozenset({_S.PENDING, _S.REFUSED}),
    _S.REFUSED: frozenset(),
    _S.PENDING: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED, _S.WITHDRAWN, _S.DRAFT}),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.WITHDRAWN: frozenset(),
    _S.APPROVED: frozenset({_S.CANARY, _S.EXPIRED, _S.WITHDRAWN, _S.EVALUATING}),
    _S.CANARY: frozenset({_S.ACTIVE, _S.PAUSED, _S.ROLLING_BACK, _S.SUPERSEDED}),
    _S.ACTIVE: frozenset({_S.PAUSED, _S.ROLLING_BACK, _S.SUPERSEDED, _S.MATURING}),
    _S.PAUSED: frozenset({_S.CANARY, _S.ACTIVE, _S.ROLLING_BACK}),
    _S.ROLLING_BACK: frozenset({_S.ROLLED_BACK}),
    _S.ROLLED_BACK: frozenset(),
    _S.SUPERSEDED: frozenset(),
    _S.MATURING: frozenset({_S.COMPLETED}),
    _S.COMPLETED: frozenset(),
}
LIVE = frozenset({Status.CANARY, Status.ACTIVE})
OPEN = frozenset(status for status, moves in MOVES.items() if moves)


@dataclass(frozen=True)
class Plan:
    """How a proposal would run, at measured traffic: what the approver signs."""

    canary_steps: tuple[float, ...]  # shares of the scope, rising; after the last the whole scope is active
    step_days: float
    min_per_action: int  # decisions per action before a step counts
    active_days: float  # after the canary
    reward_wait_days: float
    decisions_per_day: float | None  # in the scope; None where the log has no times
    smallest_harm: tuple[float | None, ...]  # a step: smallest loss a decision that it would see; None = cannot say
    largest_loss_amount: float | None  # over the whole plan; None where nothing bounds it

    @property
    def days(self) -> float:
        """Until the last reward has matured."""
        return len(self.canary_steps) * self.step_days + self.active_days + self.reward_wait_days


@dataclass(frozen=True)
class Scope:
    """Limits of a strategy or of an approval; the effective one is the narrowest of all."""

    reach: float = 1.0  # share of the segment's units
    budget_amount: Decimal | None = None  # worst-case cost of all its decisions
    loss_cap_amount: Decimal | None = None  # against the baseline

    def __and__(self, other: "Scope") -> "Scope":
        """Whatever is narrower.

        >>> (Scope(0.5, Decimal(10)) & Scope(0.2)).reach
        0.2
        """
        return Scope(
            min(self.reach, other.reach),
            _least(self.budget_amount, other.budget_amount),
            _least(self.loss_cap_amount, other.loss_cap_amount),
        )


@dataclass(frozen=True)
class Proposal:
    """One immutable revision of a strategy that asks for approval. Everything but `status` is under its hash."""

    proposal_id: str
    revision: int  # from 1; the newest counts
    strategy_id: str
    decision_point: str
    segment: Segment
    action: str  # an action id, policy:VERSION, or experiment
    actions: tuple[str, ...]  # what it may serve
    scope: Scope
    plan: Plan
    evidence: Mapping[str, object]
    tier: str
    approvers: Mapping[str, int]  # `any` or a team -> distinct people
    valid_for_days: float  # an approval holds that long
    decide_by: datetime
    proposer: str
    created_at: datetime
    rules_hash: str  # of the catalogue, prices, objective, guardrails, limits and tiers it was made under
    base_version: str  # of the incumbent it was judged against
    note: str = ""

    @cached_property
    def proposal_hash(self) -> str:
        body = asdict(self) | {"segment": predicate_to_data(self.segment.predicate)}
        del body["evidence"]
        return content_hash(body)

    @cached_property
    def evidence_hash(self) -> str:
        return content_hash(dict(self.evidence))

    @property
    def policy_version(self) -> str:
        """p-... of a learned policy, constant:ACTION, or `experiment`."""
        kind, _, version = self.action.partition(":")
        if kind in ("policy", "experiment"):
            return version or kind
        return f"constant:{self.action}"


@dataclass(frozen=True)
class TrackedProposal:
    """A proposal where it stands."""

    proposal: Proposal
    status: Status
    since: datetime
    step: int = 0  # of the canary, from 0
    paused_from: Status | None = None


@dataclass(frozen=True)
class Approval:
    """One person's word, bound to three hashes."""

    proposal_id: str
    revision: int
    proposal_hash: str
    evidence_hash: str
    rules_hash: str
    approver: str  # a person's name, or `auto`
    team: str | None
    scope: Scope
    approved_at: datetime
    expires_at: datetime
    note: str = ""


@dataclass(frozen=True)
class Coverage:
    """What the approvals of a proposal allow, until when; nothing else may leave AMSO."""

    scope: Scope
    expires_at: datetime


@dataclass(frozen=True)
class Halt:
    """A latch over everything, a decision point or a policy version; stands until a second person confirms."""

    scope: str  # global | point:NAME | policy:VERSION
    reason: str
    halted_by: str
    halted_at: datetime
    resume_asked_by: str | None = None


@dataclass(frozen=True)
class AuditEntry:
    """One append-only row. `entry_hash` covers everything before it through `previous_hash`."""

    seq: int  # from 1, gapless
    at: datetime
    actor: str
    subject: str  # proposal:ID | halt:SCOPE | person:NAME | policy:VERSION
    act: str  # move | approve | reject | halt | ask_resume | resume | add_person | ...
    details: Mapping[str, object]
    previous_hash: str
    entry_hash: str


def _least(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return b if a is None else a if b is None else min(a, b)
