"""Where every proposal stands according to the audit chain alone: state = fold(audit)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC

from domain.ports import UnitOfWork
from domain.proposals import MOVES, Approval, AuditEntry, Status, TrackedProposal

PROPOSAL = "proposal:"


@dataclass
class FoldedProposal:
    """One proposal as its rows tell it."""

    status: Status
    step: int
    revision: int
    proposal_hash: str
    evidence_hash: str
    approvals: set[tuple[str, ...]] = field(default_factory=set)  # of the newest revision


@dataclass
class Fold:
    """Takes rows in order; notes those that tell of an impossible move."""

    proposals: dict[str, FoldedProposal] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    broken_seq: int | None = None

    def take(self, entry: AuditEntry) -> None:
        if not entry.subject.startswith(PROPOSAL):
            return
        proposal_id = entry.subject.removeprefix(PROPOSAL)
        if entry.act == "propose":
            self._take_revision(proposal_id, entry)
        elif entry.act == "move":
            self._take_move(proposal_id, entry)
        elif entry.act == "approve" and proposal_id in self.proposals:
            self.proposals[proposal_id].approvals.add(_key(entry.actor, entry.details))

    def _take_revision(self, proposal_id: str, entry: AuditEntry) -> None:
        known = self.proposals.get(proposal_id)
        revision = _int(entry.details, "revision")
        may_follow = known is None or known.status in (Status.DRAFT, Status.EVALUATING)
        if not may_follow or revision != (1 if known is None else known.revision + 1):
            self._note(entry, f"revision {revision} of {proposal_id} cannot follow what stood before")
        self.proposals[proposal_id] = FoldedProposal(
            Status.DRAFT, 0, revision, str(entry.details["proposal_hash"]), str(entry.details["evidence_hash"])
        )

    def _take_move(self, proposal_id: str, entry: AuditEntry) -> None:
        known = self.proposals.get(proposal_id)
        origin, to = Status(str(entry.details["from"])), Status(str(entry.details["to"]))
        step = _int(entry.details, "step")
        if known is None or known.status is not origin or not _is_move(origin, to, known.step, step):
            stood = "was never proposed" if known is None else f"stood at {known.status} step {known.step}"
            self._note(entry, f"{proposal_id} {stood} and cannot have moved from {origin} to {to} step {step}")
        if known is not None:
            known.status, known.step = to, step

    def _note(self, entry: AuditEntry, problem: str) -> None:
        self.problems.append(f"row {entry.seq}: {problem}")
        self.broken_seq = entry.seq if self.broken_seq is None else self.broken_seq


def problems_of_proposals(books: UnitOfWork, fold: Fold) -> tuple[str, ...]:
    """What stands in the books otherwise than the chain says."""
    stored = {t.proposal.proposal_id: t for t in books.proposals.all()}
    gone = [f"proposal {i} is in the audit chain and nowhere else" for i in fold.proposals if i not in stored]
    return (*gone, *(line for i, t in stored.items() for line in _problems(books, t, fold.proposals.get(i))))


def _problems(books: UnitOfWork, tracked: TrackedProposal, folded: FoldedProposal | None) -> Iterator[str]:
    proposal = tracked.proposal
    name = f"proposal {proposal.proposal_id}"
    if folded is None:
        yield f"{name} was never proposed according to the audit chain"
        return
    if (tracked.status, tracked.step) != (folded.status, folded.step):
        stands = f"stands at {tracked.status} step {tracked.step}"
        yield f"{name} {stands}, the audit chain says {folded.status} step {folded.step}"
    if (proposal.revision, proposal.proposal_hash) != (folded.revision, folded.proposal_hash):
        yield f"{name} was edited after it was proposed: its content has another hash than its audit row"
    if proposal.evidence_hash != folded.evidence_hash:
        yield f"{name}: its evidence was edited after it was proposed"
    for approval in books.approvals.of(proposal.proposal_id, proposal.revision):
        if _key(approval.approver, approval_details(approval)) not in folded.approvals:
            yield f"{name}: the approval by {approval.approver} is not the one in the audit chain"


def approval_details(approval: Approval) -> Mapping[str, object]:
    """What an `approve` row records."""
    return {
        "revision": approval.revision,
        "proposal_hash": approval.proposal_hash,
        "evidence_hash": approval.evidence_hash,
        "rules_hash": approval.rules_hash,
        "team": approval.team,
        "reach": repr(approval.scope.reach),
        "budget_amount": _text(approval.scope.budget_amount),
        "loss_cap_amount": _text(approval.scope.loss_cap_amount),
        "expires_at": approval.expires_at.astimezone(UTC).isoformat(),
        "note": approval.note,
    }


def _key(approver: str, details: Mapping[str, object]) -> tuple[str, ...]:
    return (approver, *(f"{name}={details[name]}" for name in sorted(details)))


def _is_move(origin: Status, to: Status, known_step: int, step: int) -> bool:
    if origin is to is Status.CANARY:
        return step == known_step + 1
    return to in MOVES[origin] and step == known_step


def _int(details: Mapping[str, object], name: str) -> int:
    value = details[name]
    return value if isinstance(value, int) else -1


def _text(amount: object) -> str | None:
    return None if amount is None else str(amount)
