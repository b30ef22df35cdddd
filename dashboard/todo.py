"""What waits for one person: proposals to judge, halts to confirm, strategies to resume."""

from dataclasses import dataclass

from dashboard.signed_in import SignedIn
from domain.proposals import OPEN, Status
from loop.proposal_view import ProposalAnswer, view
from loop.wiring import Workspace


@dataclass(frozen=True)
class Task:
    """One thing to do, and where."""

    text: str
    url: str


@dataclass(frozen=True)
class Rights:
    """Which acts of a proposal's page make sense for a person; the gate decides whatever a page offers."""

    approve: bool = False
    reject: bool = False
    withdraw: bool = False
    pause: bool = False
    resume: bool = False
    rollback: bool = False

    @property
    def any(self) -> bool:
        return self.approve or self.reject or self.withdraw or self.pause or self.resume or self.rollback


def rights(who: SignedIn, shown: ProposalAnswer) -> Rights:
    """By the status, the person's roles, and who has agreed already."""
    tracked, approvers = shown.tracked, [a.approver for a in shown.approvals]
    is_own = tracked.proposal.proposer == who.person.name
    may_judge = who.may_approve and not is_own
    may_withdraw = who.may_approve or (is_own and who.may_propose)
    match tracked.status:
        case Status.PENDING:
            return Rights(
                approve=may_judge and who.person.name not in approvers, reject=may_judge, withdraw=may_withdraw
            )
        case Status.APPROVED:
            return Rights(withdraw=may_withdraw)
        case Status.CANARY | Status.ACTIVE:
            return Rights(pause=True, rollback=True)
        case Status.PAUSED:
            return Rights(resume=may_judge, rollback=True)
    return Rights()


def todo(workspace: Workspace, who: SignedIn) -> list[Task]:
    """The person's list, as things stand now."""
    now = workspace.clock.now()
    with workspace.knowledge.transaction() as books:
        shown = [view(books, workspace.settings, tracked, now) for tracked in books.proposals.all(OPEN)]
        halts = books.halts.all()
    confirms = [h for h in halts if h.resume_asked_by not in (None, who.person.name)]
    to_confirm = [
        Task(f"{h.resume_asked_by} asks to resume {h.scope}: confirm, or leave it", "/halt") for h in confirms
    ]
    return to_confirm + [task for answer in shown for task in _of_proposal(who, answer)]


def _of_proposal(who: SignedIn, shown: ProposalAnswer) -> list[Task]:
    p, may = shown.tracked.proposal, rights(who, shown)
    what, url = f"{p.action} for {p.segment.predicate}", f"/proposals/{p.proposal_id}"
    if may.approve:
        return [Task(f"{p.proposal_id} by {p.proposer} waits for your judgement: {what}", url)]
    if may.resume:
        return [Task(f"{p.proposal_id} is paused and waits for an approver to resume it: {what}", url)]
    if shown.tracked.status is Status.PENDING and p.proposer == who.person.name:
        return [Task(f"your {p.proposal_id} waits for others ({shown.missing}): {what}", url)]
    return []
