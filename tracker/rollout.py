"""Walks an approved proposal through canary, active life and maturing, and back where it harms (DESIGN section 7).

A canary step counts once it is `step_days` old and its decisions reach `min_per_action` times the number of actions
that were really served: a policy that uses two of five actions is judged on two. Fewer at the step's end is
inconclusive: it pauses, it never ships. The loss cap counts as reached when the reading's best guess of the loss
(difference times decisions) is at the cap and its interval leaves out zero: a cap on the guess alone would roll back
nearly everything that is no better than the baseline (a random walk crosses every line).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from config.settings import Settings
from domain.errors import IllegalTransition, NotPermitted
from domain.guardrails import GuardrailReading
from domain.people import Person, Role
from domain.ports import UnitOfWork
from domain.proposals import LIVE, Coverage, Proposal, Status, TrackedProposal
from domain.segments import Segment
from tracker.approvals import lapse
from tracker.audit import SYSTEM
from tracker.coverage import Cause, NotCovered, standing
from tracker.lifecycle import move, place
from tracker.people import require
from tracker.rules import rules_hash

REWARD = "reward"


def advance(
    books: UnitOfWork,
    tracked: TrackedProposal,
    *,
    settings: Settings,
    tally: Mapping[str, int],
    reading: GuardrailReading | None,
    now: datetime,
) -> TrackedProposal:
    """At most one step on; what stands where nothing is due, or where somebody else has moved it since it was read.

    Args:
        books: one transaction.
        tracked: as it was read.
        settings: the rules in force.
        tally: action -> decisions under it since `tracked.since`.
        reading: of its guardrails, the worst one; None = nothing has matured yet.
        now: when.
    """
    stands = books.proposals.get(tracked.proposal.proposal_id)
    if place(stands) != place(tracked):
        return stands
    match stands.status:
        case Status.PENDING:
            return lapse(books, stands, now=now)
        case Status.APPROVED:
            return _start(books, stands, settings, now)
        case Status.CANARY | Status.ACTIVE | Status.PAUSED:
            return _watch(books, stands, settings, tally, reading, now)
        case Status.MATURING if now >= stands.since + timedelta(days=stands.proposal.plan.reward_wait_days):
            return _go(books, stands, Status.COMPLETED, "its last reward has matured", now)
    return stands


def share_served(tracked: TrackedProposal, covered: Coverage) -> float:
    """Of the segment's units, those that the proposal decides for now."""
    if tracked.status is Status.CANARY:
        return covered.scope.reach * tracked.proposal.plan.canary_steps[tracked.step]
    return covered.scope.reach if tracked.status is Status.ACTIVE else 0.0


def base_version(books: UnitOfWork, settings: Settings, decision_point: str, segment: Segment) -> str:
    """The incumbent: the policy version now ACTIVE for this segment, else the baseline."""
    active = _others(books, {Status.ACTIVE}, decision_point, segment)
    if active:
        return active[0].proposal.policy_version
    baseline = settings.baseline(decision_point)
    return "baseline" if baseline is None else f"constant:{baseline}"


def freeze_reason(settings: Settings, now: datetime) -> str | None:
    """Why nothing widens or starts today, in the business's time zone."""
    today = now.astimezone(ZoneInfo(settings.business.time_zone)).date()
    for freeze in settings.calendar.freeze:
        if freeze.starts_on <= today <= freeze.ends_on:
            return f"{today} is in the freeze {freeze.starts_on} to {freeze.ends_on}" + (
                f" ({freeze.why})" if freeze.why else ""
            )
    return None


def pause(books: UnitOfWork, proposal_id: str, *, person: Person, reason: str, now: datetime) -> TrackedProposal:
    """New offers stop; anybody may."""
    return move(books, proposal_id, Status.PAUSED, actor=person.name, reason=reason, now=now)


def resume(
    books: UnitOfWork, proposal_id: str, *, person: Person, settings: Settings, reason: str = "", now: datetime
) -> TrackedProposal:
    """Back to where it was paused from; its step begins anew.

    Raises:
        NotPermitted: no approver, the proposer, or no approval that still covers it.
        IllegalTransition: not PAUSED, a freeze day, or another one serves its segment by now.
    """
    stands = books.proposals.get(proposal_id)
    require(person, Role.APPROVER, "resume")
    if person.name == stands.proposal.proposer:
        raise NotPermitted(f"{person.name} proposed {proposal_id} and cannot resume it", "another approver can")
    if stands.paused_from is None:
        raise IllegalTransition(f"proposal {proposal_id} is {stands.status} and cannot be resumed", "only PAUSED can")
    found = _standing(books, stands.proposal, settings, now)
    if isinstance(found, NotCovered):
        raise NotPermitted(found.reason, "without an approval that stands it can only be rolled back")
    in_the_way = freeze_reason(settings, now) or _in_the_way(books, stands.proposal, {stands.paused_from})
    if in_the_way:
        raise IllegalTransition(f"proposal {proposal_id} cannot be resumed: {in_the_way}", "later, or roll it back")
    reason = reason or "resumed"
    return move(books, proposal_id, stands.paused_from, actor=person.name, reason=reason, now=now, expected=stands)


def roll_back(books: UnitOfWork, proposal_id: str, *, person: Person, reason: str, now: datetime) -> TrackedProposal:
    """Out of the way in one step, from every live or paused state; anybody may, and no approval is asked for."""
    return _roll_back(books, books.proposals.get(proposal_id), reason, now, actor=person.name)


def _start(books: UnitOfWork, stands: TrackedProposal, settings: Settings, now: datetime) -> TrackedProposal:
    proposal = stands.proposal
    found = _standing(books, proposal, settings, now)
    if isinstance(found, NotCovered):
        return _go(books, stands, Status.EXPIRED, found.reason, now) if found.cause is Cause.EXPIRED else stands
    base = base_version(books, settings, proposal.decision_point, proposal.segment)
    if base != proposal.base_version:
        reason = f"judged against {proposal.base_version}, but {base} stands now: it is to be judged anew"
        return _go(books, stands, Status.EVALUATING, reason, now)
    if freeze_reason(settings, now) or _in_the_way(books, proposal, {Status.CANARY}):
        return stands
    return _go(books, stands, Status.CANARY, "starts at its smallest share", now)


def _watch(
    books: UnitOfWork,
    stands: TrackedProposal,
    settings: Settings,
    tally: Mapping[str, int],
    reading: GuardrailReading | None,
    now: datetime,
) -> TrackedProposal:
    found = _standing(books, stands.proposal, settings, now)
    if isinstance(found, NotCovered):
        return _uncovered(books, stands, found, now)
    harm = _harm(reading, found, settings)
    if harm is not None and stands.status in LIVE:
        return _roll_back(books, stands, harm, now)
    if stands.status is Status.CANARY:
        return _widen(books, stands, settings, tally, now)
    if stands.status is Status.ACTIVE and now >= stands.since + timedelta(days=stands.proposal.plan.active_days):
        return _go(books, stands, Status.MATURING, "its plan ends here; its last rewards mature", now)
    return stands


def _uncovered(books: UnitOfWork, stands: TrackedProposal, found: NotCovered, now: datetime) -> TrackedProposal:
    """An approval's end is final; a clock that jumps changes nothing; everything else waits for people."""
    if found.cause is Cause.EXPIRED:
        return _roll_back(books, stands, found.reason, now)
    if found.cause is Cause.CLOCK or stands.status is Status.PAUSED:
        return stands
    return _go(books, stands, Status.PAUSED, found.reason, now)


def _widen(
    books: UnitOfWork, stands: TrackedProposal, settings: Settings, tally: Mapping[str, int], now: datetime
) -> TrackedProposal:
    plan = stands.proposal.plan
    if now < stands.since + timedelta(days=plan.step_days) or freeze_reason(settings, now):
        return stands
    n_served = sum(1 for n in tally.values() if n > 0)
    found, expected = sum(tally.values()), plan.min_per_action * max(1, n_served)
    if found < expected:
        reason = f"inconclusive: {found} decisions in step {stands.step}, expected {expected}"
        return _go(books, stands, Status.PAUSED, reason, now)
    if stands.step + 1 < len(plan.canary_steps):
        share = plan.canary_steps[stands.step + 1]
        reason = f"{found} decisions without harm: widens to {share:g}"
        return _go(books, stands, Status.CANARY, reason, now, step=stands.step + 1)
    active = _go(books, stands, Status.ACTIVE, f"{found} decisions without harm in its last step", now)
    for other in _others(books, LIVE, stands.proposal.decision_point, stands.proposal.segment):
        if other.proposal.proposal_id != stands.proposal.proposal_id:
            _go(books, other, Status.SUPERSEDED, f"{stands.proposal.proposal_id} serves its segment now", now)
    return active


def _harm(reading: GuardrailReading | None, covered: Coverage, settings: Settings) -> str | None:
    if reading is None:
        return None
    if reading.is_breached:
        interval = f"{reading.difference:g} [{reading.low:g}, {reading.high:g}]"
        return f"guardrail {reading.metric}: {interval} against the baseline, harm begins at {reading.harm_margin:g}"
    cap = covered.scope.loss_cap_amount
    loss = -reading.difference * reading.n_policy
    if cap is None or reading.metric not in (REWARD, settings.objective.metric):
        return None
    if loss >= cap and reading.high < 0:
        return f"loss cap: about {loss:.2f} lost against the baseline, {cap} allowed"
    return None


def _roll_back(
    books: UnitOfWork, stands: TrackedProposal, reason: str, now: datetime, *, actor: str = SYSTEM
) -> TrackedProposal:
    name = stands.proposal.proposal_id
    move(books, name, Status.ROLLING_BACK, actor=actor, reason=reason, now=now, expected=stands)
    return move(books, name, Status.ROLLED_BACK, actor=actor, reason=reason, now=now)


def _go(
    books: UnitOfWork, stands: TrackedProposal, to: Status, reason: str, now: datetime, *, step: int | None = None
) -> TrackedProposal:
    name = stands.proposal.proposal_id
    return move(books, name, to, actor=SYSTEM, reason=reason, now=now, step=step, expected=stands)


def _standing(books: UnitOfWork, proposal: Proposal, settings: Settings, now: datetime) -> Coverage | NotCovered:
    approvals = books.approvals.of(proposal.proposal_id, proposal.revision)
    rules = rules_hash(settings, proposal.decision_point)
    return standing(proposal, approvals, rules_hash=rules, now=now)


def _in_the_way(books: UnitOfWork, proposal: Proposal, statuses: set[Status]) -> str | None:
    for other in _others(books, statuses, proposal.decision_point, proposal.segment):
        if other.proposal.proposal_id != proposal.proposal_id:
            return f"{other.proposal.proposal_id} is {other.status} in its segment"
    return None


def _others(
    books: UnitOfWork, statuses: frozenset[Status] | set[Status], decision_point: str, segment: Segment
) -> list[TrackedProposal]:
    return [
        t
        for t in books.proposals.all(statuses)
        if t.proposal.decision_point == decision_point and t.proposal.segment.segment_id == segment.segment_id
    ]
