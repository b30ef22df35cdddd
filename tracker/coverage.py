"""THE gate: whether the approvals of a proposal cover it now. Every decision but the baseline passes here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from operator import and_

from domain.canonical import content_hash
from domain.proposals import LIVE, Approval, Coverage, Proposal, TrackedProposal
from domain.segments import predicate_to_data
from tracker.people import ANY, AUTO


class Cause(StrEnum):
    """Why nothing covers it; the rollout acts differently on an approval's end than on a clock that jumps."""

    STATUS = "status"  # it is not live
    CONTENT = "content"  # it is not what was approved
    RULES = "rules"  # it was approved under other rules
    EXPIRED = "expired"
    CLOCK = "clock"  # the time given lies before what has happened already
    PEOPLE = "people"  # not those who must agree


@dataclass(frozen=True)
class NotCovered:
    cause: Cause
    reason: str  # one sentence


def coverage(
    tracked: TrackedProposal, approvals: Sequence[Approval], *, rules_hash: str, now: datetime
) -> Coverage | NotCovered:
    """What may leave AMSO under this proposal at `now`: nothing, or its scope as narrow as its narrowest approval.

    Everything is computed from the content itself, so an edited row covers nothing. One defective approval is enough
    to refuse: no act of this room leaves one behind.
    """
    name = tracked.proposal.proposal_id
    if tracked.status not in LIVE:
        return NotCovered(Cause.STATUS, f"{name} is {tracked.status}, which is not live")
    if now < tracked.since:
        return NotCovered(Cause.CLOCK, f"the clock stands at {now}, before {name} became {tracked.status}")
    return standing(tracked.proposal, approvals, rules_hash=rules_hash, now=now)


def standing(
    proposal: Proposal, approvals: Sequence[Approval], *, rules_hash: str, now: datetime
) -> Coverage | NotCovered:
    """The same whatever its status: what it takes to become live, or live again."""
    if not approvals:
        return NotCovered(Cause.PEOPLE, f"nobody has approved {proposal.proposal_id}")
    for approval in approvals:
        defect = _defect(proposal, approval, rules_hash, now)
        if defect is not None:
            return defect
    missing = missing_approvers(proposal.approvers, approvals)
    if missing:
        return NotCovered(Cause.PEOPLE, f"{proposal.proposal_id} is not approved by enough people: {missing}")
    scope = reduce(and_, (a.scope for a in approvals), proposal.scope)
    return Coverage(scope, min(a.expires_at for a in approvals))


def shown_hash(proposal: Proposal) -> str:
    """What a person who looks at a proposal has seen: its content and its evidence, in one hash."""
    return content_hash([proposal.proposal_hash, proposal.evidence_hash])


def field_hashes(proposal: Proposal) -> Mapping[str, str]:
    """Field -> a short hash, for telling somebody which fields have changed since they looked."""
    data = asdict(proposal) | {"segment": predicate_to_data(proposal.segment.predicate)}
    return {name: content_hash(value)[:12] for name, value in data.items()}


def missing_approvers(needs: Mapping[str, int], approvals: Sequence[Approval]) -> str:
    """Who must still agree, in words; empty where nobody.

    One person counts once. A team's need is met by its members; who is left over counts for `any`.

    >>> missing_approvers({"any": 2}, [])
    'found 0 people, expected 2'
    """
    people = {a.approver: a.team for a in approvals}
    if len(people) < len(approvals):
        return "somebody is counted twice"
    if (AUTO in people) != (AUTO in needs):
        return "an approval without a person is for the tiers that allow it, and those need no other"
    of_team = Counter(people.values())
    short = [(who, n) for who, n in needs.items() if who not in (ANY, AUTO) and of_team[who] < n]
    if short:
        return ", ".join(f"found {of_team[who]} of team {who}, expected {n}" for who, n in short)
    expected = sum(needs.values())
    return "" if len(people) >= expected else f"found {len(people)} people, expected {expected}"


def _defect(proposal: Proposal, approval: Approval, rules_hash: str, now: datetime) -> NotCovered | None:
    name, who = proposal.proposal_id, approval.approver
    checks = (
        (
            (approval.proposal_id, approval.revision) != (name, proposal.revision),
            Cause.CONTENT,
            f"the approval by {who} is for another revision than {name}'s {proposal.revision}",
        ),
        (
            approval.proposal_hash != proposal.proposal_hash,
            Cause.CONTENT,
            f"{name} is not what {who} approved: its content has another hash",
        ),
        (
            approval.evidence_hash != proposal.evidence_hash,
            Cause.CONTENT,
            f"the evidence of {name} is not what {who} approved",
        ),
        (
            {approval.rules_hash, proposal.rules_hash} != {rules_hash},
            Cause.RULES,
            f"the rules have changed since {who} approved {name}",
        ),
        (who == proposal.proposer, Cause.PEOPLE, f"{who} proposed {name} and cannot approve it"),
        (now < approval.approved_at, Cause.CLOCK, f"the clock stands at {now}, before {who} approved {name}"),
        (now >= approval.expires_at, Cause.EXPIRED, f"the approval by {who} of {name} ended {approval.expires_at}"),
    )
    return next((NotCovered(cause, reason) for is_so, cause, reason in checks if is_so), None)
