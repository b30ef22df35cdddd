"""Moves a proposal by the table in domain/proposals.py; nothing else moves a status (DESIGN section 7).

Two workers that do the same at once race for one audit row: the chain's head is read before anything else, so whoever
commits second finds its row taken, or the status gone. Becoming approved or live takes approvals that stand, whoever
asks for the move.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from domain.errors import IllegalTransition, NotPermitted
from domain.ports import UnitOfWork
from domain.proposals import LIVE, MOVES, Proposal, Status, TrackedProposal
from tracker.audit import append_after
from tracker.coverage import NotCovered, standing

_MUST_BE_COVERED = LIVE | {Status.APPROVED}


def move(
    books: UnitOfWork,
    proposal_id: str,
    to: Status,
    *,
    actor: str,
    reason: str,
    now: datetime,
    step: int | None = None,
    details: Mapping[str, object] | None = None,
    expected: TrackedProposal | None = None,
) -> TrackedProposal:
    """One move and its audit row. A canary step that has been taken already is not taken again.

    Args:
        books: one transaction.
        proposal_id: what moves.
        to: where to.
        actor: a person's name, or `amso`.
        reason: one sentence.
        now: when.
        step: of the canary; only one after the other.
        details: more for the audit row.
        expected: where the caller saw it; None = wherever it stands.

    Raises:
        IllegalTransition: the table has no such move, or another worker was faster.
        NotPermitted: it would become approved or live without approvals that stand.
    """
    head = books.audit.head()
    stands = books.proposals.get(proposal_id)
    if expected is not None and place(expected) != place(stands):
        raise _lost_race(expected)
    if stands.status is to is Status.CANARY and step is not None and step <= stands.step:
        return stands
    _refuse_illegal(stands, to, step)
    if to in _MUST_BE_COVERED:
        _refuse_uncovered(books, stands.proposal, now)
    moved = replace(
        stands,
        status=to,
        since=now,
        step=stands.step if step is None else step,
        paused_from=stands.status if to is Status.PAUSED else None,
    )
    if not books.proposals.set_status(
        proposal_id, expected=stands.status, to=to, at=now, step=moved.step, paused_from=moved.paused_from
    ):
        raise _lost_race(stands)
    row = {"from": stands.status, "to": to, "step": moved.step, "revision": stands.proposal.revision, "reason": reason}
    append_after(
        books,
        head,
        actor=actor,
        subject=f"proposal:{proposal_id}",
        act="move",
        details={**(details or {}), **row},
        now=now,
    )
    return moved


def place(tracked: TrackedProposal) -> tuple[int, Status, int]:
    """Where a proposal stands, without its content."""
    return tracked.proposal.revision, tracked.status, tracked.step


def _refuse_illegal(stands: TrackedProposal, to: Status, step: int | None) -> None:
    name, status = stands.proposal.proposal_id, stands.status
    if status is to is Status.CANARY:
        n_steps = len(stands.proposal.plan.canary_steps)
        if step != stands.step + 1 or step >= n_steps:
            raise IllegalTransition(
                f"proposal {name} is at canary step {stands.step} of {n_steps} and cannot take step {step}",
                "steps come one after the other; after the last it becomes ACTIVE",
            )
    elif to not in MOVES[status] or (status is Status.PAUSED and to in LIVE and to is not stands.paused_from):
        allowed = ", ".join(sorted(MOVES[status])) or "nothing: that is final"
        raise IllegalTransition(f"proposal {name} is {status} and cannot become {to}", f"it can become {allowed}")
    elif step not in (None, stands.step):
        raise IllegalTransition(f"proposal {name} is {status} and has no step {step}", "only a canary has steps")


def _refuse_uncovered(books: UnitOfWork, proposal: Proposal, now: datetime) -> None:
    approvals = books.approvals.of(proposal.proposal_id, proposal.revision)
    found = standing(proposal, approvals, rules_hash=proposal.rules_hash, now=now)
    if isinstance(found, NotCovered):
        raise NotPermitted(found.reason, "whoever must agree has to approve it as it stands now")


def _lost_race(seen: TrackedProposal) -> IllegalTransition:
    return IllegalTransition(
        f"proposal {seen.proposal.proposal_id} is no longer {seen.status} step {seen.step}: somebody else was faster",
        "look at it again",
    )
