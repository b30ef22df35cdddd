"""The approval gate: people give their word on exactly what they have seen, under exactly these rules, for a time."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from config.settings import Settings
from domain.errors import IllegalTransition, NotPermitted, StaleProposal
from domain.people import Person, Role
from domain.ports import UnitOfWork
from domain.proposals import Approval, AuditEntry, Proposal, Scope, Status, TrackedProposal
from tracker.audit import SYSTEM, append
from tracker.coverage import field_hashes, missing_approvers, shown_hash
from tracker.fold import approval_details
from tracker.lifecycle import move
from tracker.people import AUTO, require
from tracker.rules import rule_hashes, rules_hash


def approve(
    books: UnitOfWork,
    proposal_id: str,
    *,
    person: Person,
    seen_hash: str,
    settings: Settings,
    scope: Scope | None = None,
    note: str = "",
    now: datetime,
) -> TrackedProposal:
    """One person's word; with the last one needed the proposal becomes APPROVED.

    Args:
        books: one transaction.
        proposal_id: what is approved.
        person: whom the token proved.
        seen_hash: `tracker.coverage.shown_hash` of what the person was shown.
        settings: the rules in force.
        scope: narrower limits than the proposal's; None = as proposed.
        note: for whoever asks later.
        now: when.

    Raises:
        NotPermitted: no approver, the proposer, or somebody who has approved it already.
        IllegalTransition: not PENDING, or too late: `lapse` in a transaction of its own makes it EXPIRED.
        StaleProposal: it, its evidence or the rules are not what was seen; the message lists what differs.
    """
    stands = books.proposals.get(proposal_id)
    proposal = stands.proposal
    _refuse_person(books, proposal, person, "approve")
    _refuse_late(stands, "approved", now)
    _refuse_stale(books, proposal, seen_hash, settings)
    narrowed = proposal.scope if scope is None else proposal.scope & scope
    return _record(books, stands, approver=person.name, team=person.team, scope=narrowed, note=note, now=now)


def reject(books: UnitOfWork, proposal_id: str, *, person: Person, reason: str, now: datetime) -> TrackedProposal:
    """One approver's no is enough.

    Raises:
        NotPermitted: no approver, or the proposer (who withdraws instead).
        IllegalTransition: not PENDING, or too late.
    """
    stands = books.proposals.get(proposal_id)
    require(person, Role.APPROVER, "reject")
    if person.name == stands.proposal.proposer:
        raise NotPermitted(f"{person.name} proposed {proposal_id} and does not judge it", "withdraw it instead")
    _refuse_late(stands, "rejected", now)
    return move(books, proposal_id, Status.REJECTED, actor=person.name, reason=reason, now=now, expected=stands)


def approve_automatically(books: UnitOfWork, pending: TrackedProposal, *, now: datetime) -> TrackedProposal:
    """For a tier that the config lets through without a person; recorded as such."""
    assert AUTO in pending.proposal.approvers
    note = f"the config approves tier {pending.proposal.tier} without a person"
    return _record(books, pending, approver=AUTO, team=None, scope=pending.proposal.scope, note=note, now=now)


def lapse(books: UnitOfWork, tracked: TrackedProposal, *, now: datetime) -> TrackedProposal:
    """PENDING becomes EXPIRED once nobody can decide it any more; everything else stays."""
    if tracked.status is not Status.PENDING or now < tracked.proposal.decide_by:
        return tracked
    reason = f"not decided until {tracked.proposal.decide_by:%Y-%m-%d %H:%M} UTC"
    name = tracked.proposal.proposal_id
    return move(books, name, Status.EXPIRED, actor=SYSTEM, reason=reason, now=now, expected=tracked)


def _record(
    books: UnitOfWork,
    stands: TrackedProposal,
    *,
    approver: str,
    team: str | None,
    scope: Scope,
    note: str,
    now: datetime,
) -> TrackedProposal:
    proposal = stands.proposal
    approval = Approval(
        proposal_id=proposal.proposal_id,
        revision=proposal.revision,
        proposal_hash=proposal.proposal_hash,
        evidence_hash=proposal.evidence_hash,
        rules_hash=proposal.rules_hash,
        approver=approver,
        team=team,
        scope=scope,
        approved_at=now,
        expires_at=now + timedelta(days=proposal.valid_for_days),
        note=note,
    )
    books.approvals.add(approval)
    subject = f"proposal:{proposal.proposal_id}"
    append(books, actor=approver, subject=subject, act="approve", details=approval_details(approval), now=now)
    approvals = books.approvals.of(proposal.proposal_id, proposal.revision)
    if missing_approvers(proposal.approvers, approvals):
        return stands
    reason = f"approved by {', '.join(a.approver for a in approvals)}"
    return move(books, proposal.proposal_id, Status.APPROVED, actor=approver, reason=reason, now=now, expected=stands)


def _refuse_person(books: UnitOfWork, proposal: Proposal, person: Person, act: str) -> None:
    require(person, Role.APPROVER, act)
    name = proposal.proposal_id
    if person.name == proposal.proposer:
        raise NotPermitted(f"{person.name} proposed {name} and cannot {act} it", "somebody else has to look at it")
    if any(a.approver == person.name for a in books.approvals.of(name, proposal.revision)):
        raise NotPermitted(
            f"{person.name} has approved {name} already, and one person counts once", "ask somebody else"
        )


def _refuse_late(stands: TrackedProposal, act: str, now: datetime) -> None:
    name = stands.proposal.proposal_id
    if stands.status is not Status.PENDING:
        raise IllegalTransition(f"proposal {name} is {stands.status} and cannot be {act}", "only PENDING ones can")
    if now >= stands.proposal.decide_by:
        when = f"{stands.proposal.decide_by:%Y-%m-%d %H:%M}"
        raise IllegalTransition(f"proposal {name} had to be decided until {when} UTC", "propose it anew")


def _refuse_stale(books: UnitOfWork, proposal: Proposal, seen_hash: str, settings: Settings) -> None:
    name = proposal.proposal_id
    rows = [e for e in books.audit.entries(subject=f"proposal:{name}") if e.act == "propose"]
    recorded = rows[-1].details if rows else {}
    if recorded.get("shown_hash") != shown_hash(proposal):
        fields = _differences(recorded, "fields", field_hashes(proposal))
        raise StaleProposal(f"{name} was edited after it was proposed: {fields}", "propose it anew")
    if seen_hash != shown_hash(proposal):
        seen = _fields_of(rows, seen_hash)
        differing = (
            "unknown, for it never stood so" if seen is None else _differences(seen, "fields", field_hashes(proposal))
        )
        raise StaleProposal(
            f"{name} is not what was looked at; what differs: {differing}", "look at it as it stands now, then approve"
        )
    if rules_hash(settings, proposal.decision_point) != proposal.rules_hash:
        rules = _differences(recorded, "rules", rule_hashes(settings, proposal.decision_point))
        raise StaleProposal(
            f"the rules have changed since {name} was proposed: {rules}", "revise it under the new rules"
        )


def _fields_of(rows: list[AuditEntry], seen_hash: str) -> Mapping[str, object] | None:
    return next((r.details for r in rows if r.details.get("shown_hash") == seen_hash), None)


def _differences(recorded: Mapping[str, object], key: str, now: Mapping[str, str]) -> str:
    before = recorded.get(key)
    known = before if isinstance(before, Mapping) else {}
    return ", ".join(name for name in now if known.get(name) != now[name])
