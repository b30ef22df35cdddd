"""What is due by the clock: rewards mature, proposals move on, what came of them is counted."""

from datetime import datetime

from domain.errors import AlreadyRecorded, IllegalTransition
from domain.proposals import LIVE, OPEN, TrackedProposal
from loop.readings import worst_reading
from loop.realised import ENDED, keep_realised
from loop.wiring import Workspace
from tracker.outcomes import mature
from tracker.rollout import advance

BATCH = 5_000  # decisions matured in one transaction


def mature_all(workspace: Workspace, decision_point: str, now: datetime) -> int:
    """Closes every decision whose wait is over; how many. What another worker closes at once, it closes."""
    total = 0
    while True:
        try:
            with workspace.knowledge.transaction() as books:
                n = mature(books, decision_point, rules=workspace.outcome_rules, now=now, limit=BATCH)
        except AlreadyRecorded:  # one of them got a revision meanwhile: the next tick closes what is left
            return total
        total += n
        if n < BATCH:
            return total


def advance_all(workspace: Workspace, now: datetime) -> list[TrackedProposal]:
    """Moves every open proposal on by at most one step; those that moved."""
    with workspace.knowledge.transaction() as books:
        found = books.proposals.all(OPEN)
    moved = [_advance(workspace, tracked, now) for tracked in found]
    return [after for before, after in zip(found, moved, strict=True) if after != before]


def compare_all(workspace: Workspace, now: datetime) -> None:
    """What came of everything that is live, or whose last rewards may still mature."""
    with workspace.knowledge.transaction() as books:
        found = books.proposals.all(LIVE | ENDED)
        live = [t for t in found if t.status in LIVE]
        for tracked in found:
            keep_realised(books, tracked, workspace.settings, now, live)


def _advance(workspace: Workspace, tracked: TrackedProposal, now: datetime) -> TrackedProposal:
    """In a transaction of its own: another worker may be faster, or take the audit row; the next tick looks again."""
    try:
        with workspace.knowledge.transaction() as books:
            runs = tracked.status in LIVE
            return advance(
                books,
                tracked,
                settings=workspace.settings,
                tally=books.decisions.tally(tracked.proposal.proposal_id, tracked.since) if runs else {},
                reading=worst_reading(books, tracked, workspace.settings) if runs else None,
                now=now,
            )
    except (IllegalTransition, AlreadyRecorded):
        with workspace.knowledge.transaction() as books:
            return books.proposals.get(tracked.proposal.proposal_id)
