"""What holds at a decision point right now: halted or not, and which live proposals approvals really cover.

Nothing is remembered between two looks, so an approval that expires, a halt, or an edited proposal counts at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.decision_points import Mode
from domain.context import Context
from domain.decisions import Arm, Decision
from domain.errors import AmsoError, SourceUnavailable
from domain.ports import HaltMirror, UnitOfWork
from domain.proposals import LIVE, Coverage, Halt, Status, TrackedProposal
from loop.points import Point
from loop.shelf import PolicyShelf
from policies.arms import unit_share
from policies.deciding import RowPolicy
from tracker.caps import open_budget
from tracker.coverage import NotCovered, coverage
from tracker.halts import halted
from tracker.rollout import share_served

NO_POLICY = ""
UNREADABLE = "the halt latch cannot be read (Redis does not answer)"


@dataclass(frozen=True)
class Deployed:
    """A live proposal that approvals cover."""

    tracked: TrackedProposal
    coverage: Coverage
    policy: RowPolicy
    reach: float  # share of the segment's units that it decides for

    def is_for(self, unit: str, context: Context) -> bool:
        """Whether the unit is in the segment and inside the reach; units once inside stay so while it widens."""
        return unit_share(self.tracked.proposal.proposal_id, unit) < self.reach and self.covers(context)

    def covers(self, context: Context) -> bool:
        """Whether the segment holds such a unit."""
        try:
            return bool(self.tracked.proposal.segment.predicate.mask(context)[0])
        except AmsoError:  # a column is missing: nobody can say that the unit belongs
            return False


@dataclass(frozen=True)
class Situation:
    """What holds for the decisions of one moment."""

    halt: str | None  # why nothing but the baseline is served
    deployed: tuple[Deployed, ...] = ()  # canaries before what they would replace
    doubts: tuple[str, ...] = ()  # live proposals that decide nothing, and why

    def honours(self, decision: Decision, now: datetime) -> bool:
        """Whether what a policy decided earlier may still be told: its proposal is covered now, or its offer stands.

        A halt beats both; whatever was the baseline then may always be told.
        """
        if decision.arm is not Arm.POLICY:
            return True
        if any(d.tracked.proposal.proposal_id == decision.proposal_id for d in self.deployed):
            return True
        return self.halt is None and decision.valid_until is not None and now < decision.valid_until

    def segments_of(self, context: Context) -> list[str]:
        """Ids of the segments that live proposals decide for and that hold such a unit; `all` needs no note."""
        segments = {d.tracked.proposal.segment.segment_id: d for d in self.deployed}
        return [
            name
            for name, d in segments.items()
            if d.tracked.proposal.segment.predicate.conditions and d.covers(context)
        ]


def look(books: UnitOfWork, point: Point, latch: HaltMirror, shelf: PolicyShelf, now: datetime) -> Situation:
    """Reads the latch on both sides, and every live proposal of the point with its approvals."""
    try:
        mirrored = [Halt(scope, why, "the latch", now) for scope, why in latch.read().items()]
    except SourceUnavailable:
        return Situation(UNREADABLE)
    halts = (*mirrored, *books.halts.all())  # SQL knows who it was, and is heard last
    halt = halted(halts, point.name, NO_POLICY)
    if halt is not None or point.mode is not Mode.GATED:
        return Situation(halt)
    found = [
        _deploy(books, point, tracked, halts, shelf, now)
        for tracked in books.proposals.all(LIVE)
        if tracked.proposal.decision_point == point.name
    ]
    deployed = [d for d in found if isinstance(d, Deployed)]
    deployed.sort(key=lambda d: d.tracked.status is not Status.CANARY)  # stable: the newest first inside each
    return Situation(None, tuple(deployed), tuple(d for d in found if isinstance(d, str)))


def _deploy(
    books: UnitOfWork,
    point: Point,
    tracked: TrackedProposal,
    halts: Sequence[Halt],
    shelf: PolicyShelf,
    now: datetime,
) -> Deployed | str:
    p = tracked.proposal
    approvals = books.approvals.of(p.proposal_id, p.revision)
    covered = coverage(tracked, approvals, rules_hash=point.rules_hash, now=now)
    if isinstance(covered, NotCovered):
        return f"{p.proposal_id} decides nothing: {covered.reason}"
    stopped = halted(halts, point.name, p.policy_version)
    if stopped is not None:
        return f"{p.proposal_id} decides nothing: {stopped}"
    try:
        policy = shelf.policy_of(books, p, point.action_set)
    except AmsoError as error:
        return f"{p.proposal_id} decides nothing: {error.message}"
    open_budget(books, p.proposal_id, covered)
    return Deployed(tracked, covered, policy, share_served(tracked, covered))
