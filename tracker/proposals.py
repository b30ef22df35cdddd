"""Makes proposals: a strategy with its evidence, plan and tier, refused with its reasons or put before people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from config.settings import Settings
from domain.errors import NotPermitted, UsageError
from domain.estimates import Verdict
from domain.people import Person, Role
from domain.ports import UnitOfWork
from domain.proposals import Plan, Proposal, Scope, Status, TrackedProposal
from domain.segments import Segment
from tracker.approvals import approve_automatically
from tracker.audit import SYSTEM, append
from tracker.coverage import field_hashes, shown_hash
from tracker.lifecycle import move
from tracker.people import AUTO, require
from tracker.plans import PlanInputs, build_plan, plan_problem
from tracker.rules import reward_wait_seconds, rule_hashes, rules_hash
from tracker.tiers import ChosenTier, canary_in_force, choose_tier, risk_of, tiers_in_force

EXPERIMENT = "experiment"
_DESIGN_KEYS = ("units_per_action", "days", "smallest_difference", "largest_loss")


@dataclass(frozen=True)
class ProposalDraft:
    """What somebody wants approved; tier, approvers, plan and hashes follow from it and the settings."""

    strategy_id: str
    decision_point: str
    segment: Segment
    action: str  # an action id, policy:VERSION, or experiment
    actions: tuple[str, ...]  # what it may serve
    evidence: Mapping[str, object]  # its `verdict`; an experiment's `design`
    base_version: str  # of the incumbent it was judged against, as `tracker.rollout.base_version` says it
    scope: Scope = field(default_factory=Scope)
    plan: PlanInputs = field(default_factory=lambda: PlanInputs(decisions_per_day=None))
    note: str = ""


def propose(
    books: UnitOfWork, draft: ProposalDraft, *, proposer: Person, settings: Settings, now: datetime
) -> TrackedProposal:
    """A new proposal: PENDING, REFUSED with its reasons in the audit row, or APPROVED where its tier says so.

    Raises:
        NotPermitted: the person may not propose.
        UsageError: the draft makes no sense: no action, a reach beyond [0, 1].
    """
    require(proposer, Role.PROPOSER, "propose")
    proposal_id = f"pr-{len(books.proposals.all()) + 1}"  # two at once: one finds its id taken
    return _submit(books, draft, proposal_id, 1, proposer=proposer, settings=settings, now=now)


def revise(
    books: UnitOfWork, proposal_id: str, draft: ProposalDraft, *, proposer: Person, settings: Settings, now: datetime
) -> TrackedProposal:
    """The next revision of one that is pending, or whose base has moved; approvals of earlier revisions are void.

    Raises:
        NotPermitted: somebody else proposed it.
        IllegalTransition: it is neither PENDING nor back in EVALUATING.
    """
    require(proposer, Role.PROPOSER, "revise")
    stands = books.proposals.get(proposal_id)
    _refuse_strangers(stands, proposer, "revise")
    if draft.decision_point != stands.proposal.decision_point:
        found = f"revision for {draft.decision_point}, expected {stands.proposal.decision_point}"
        raise UsageError(f"{proposal_id}: found a {found}", "propose it on its own")
    if stands.status is not Status.EVALUATING:
        reason = "changes were asked for: a new revision"
        move(books, proposal_id, Status.DRAFT, actor=proposer.name, reason=reason, now=now, expected=stands)
    revision = stands.proposal.revision + 1
    return _submit(books, draft, proposal_id, revision, proposer=proposer, settings=settings, now=now)


def withdraw(books: UnitOfWork, proposal_id: str, *, person: Person, reason: str, now: datetime) -> TrackedProposal:
    """Takes back what is not live yet: whoever proposed it, or an approver.

    Raises:
        NotPermitted: the person is neither.
        IllegalTransition: it is neither PENDING nor APPROVED.
    """
    stands = books.proposals.get(proposal_id)
    if not person.has(Role.APPROVER):
        _refuse_strangers(stands, person, "withdraw")
    return move(books, proposal_id, Status.WITHDRAWN, actor=person.name, reason=reason, now=now, expected=stands)


def _submit(
    books: UnitOfWork,
    draft: ProposalDraft,
    proposal_id: str,
    revision: int,
    *,
    proposer: Person,
    settings: Settings,
    now: datetime,
) -> TrackedProposal:
    """DRAFT -> EVALUATING -> PENDING or REFUSED."""
    _refuse_nonsense(draft)
    chosen, proposal = _build(draft, proposal_id, revision, proposer=proposer, settings=settings, now=now)
    books.proposals.add(proposal, now)
    append(
        books,
        actor=proposer.name,
        subject=f"proposal:{proposal_id}",
        act="propose",
        details=_propose_details(proposal, settings),
        now=now,
    )
    move(books, proposal_id, Status.EVALUATING, actor=SYSTEM, reason="its evidence and plan are checked", now=now)
    reasons = tuple(_refusals(proposal, chosen, settings))
    if reasons:
        details = {"reasons": list(reasons)}
        reason = "; ".join(reasons)
        return move(books, proposal_id, Status.REFUSED, actor=SYSTEM, reason=reason, now=now, details=details)
    reason = f"tier {proposal.tier} asks for {_people(proposal.approvers)} until {proposal.decide_by:%Y-%m-%d %H:%M}"
    pending = move(books, proposal_id, Status.PENDING, actor=SYSTEM, reason=reason, now=now)
    return approve_automatically(books, pending, now=now) if AUTO in proposal.approvers else pending


def _build(
    draft: ProposalDraft, proposal_id: str, revision: int, *, proposer: Person, settings: Settings, now: datetime
) -> tuple[ChosenTier, Proposal]:
    cap = settings.limits.loss_cap
    scope = draft.scope & Scope(loss_cap_amount=None if cap is None else Decimal(str(cap)))
    risk = risk_of(settings, draft.decision_point, draft.actions, scope, draft.plan.segment_share)
    chosen = choose_tier(risk, tiers_in_force(settings))
    proposal = Proposal(
        proposal_id=proposal_id,
        revision=revision,
        strategy_id=draft.strategy_id,
        decision_point=draft.decision_point,
        segment=draft.segment,
        action=draft.action,
        actions=draft.actions,
        scope=scope,
        plan=_plan(draft, chosen, settings),
        evidence=dict(draft.evidence),
        tier=chosen.name,
        approvers=chosen.approvers,
        valid_for_days=chosen.tier.valid_for.days,
        decide_by=(now + timedelta(seconds=chosen.tier.decide_within.seconds)).astimezone(UTC),
        proposer=proposer.name,
        created_at=now.astimezone(UTC),
        rules_hash=rules_hash(settings, draft.decision_point),
        base_version=draft.base_version,
        note=draft.note,
    )
    return chosen, proposal


def _plan(draft: ProposalDraft, chosen: ChosenTier, settings: Settings) -> Plan:
    return build_plan(
        draft.plan,
        canary_in_force(settings),
        n_actions=len(draft.actions),
        reward_wait_days=reward_wait_seconds(settings, draft.decision_point) / 86_400,
        valid_for_days=chosen.tier.valid_for.days,
        decide_within_days=chosen.tier.decide_within.days,
    )


def _refusals(proposal: Proposal, chosen: ChosenTier, settings: Settings) -> Iterator[str]:
    """Why it is not put before people."""
    if not chosen.fits:
        yield f"no approval tier allows its reach, price change and loss cap; the last one is {chosen.name}"
    catalogue = {a.action_id for a in settings.actions(proposal.decision_point)}
    unknown = [a for a in proposal.actions if a not in catalogue]
    if unknown:
        yield f"{', '.join(unknown)}: not in the catalogue of {proposal.decision_point}"
    yield from _experiment_refusals(proposal) if is_experiment(proposal) else _evidence_refusals(proposal)
    problem = plan_problem(proposal.plan, proposal.valid_for_days)
    if problem is not None:
        yield problem


def is_experiment(proposal: Proposal) -> bool:
    return proposal.action.partition(":")[0] == EXPERIMENT


def _evidence_refusals(proposal: Proposal) -> Iterator[str]:
    verdict = proposal.evidence.get("verdict")
    if verdict != Verdict.PROMOTE:
        yield f"its evidence says {verdict or 'nothing'}, expected promote"


def _experiment_refusals(proposal: Proposal) -> Iterator[str]:
    design = proposal.evidence.get("design")
    missing = [key for key in _DESIGN_KEYS if not isinstance(design, Mapping) or key not in design]
    if missing:
        yield f"an experiment is judged by its design, and the evidence lacks {', '.join(missing)}"
    if proposal.scope.loss_cap_amount is None:
        yield "an experiment needs a loss cap, and neither its scope nor limits.loss_cap has one"
    if len(proposal.actions) < 2:
        yield "an experiment randomises over two actions or more"


def _propose_details(proposal: Proposal, settings: Settings) -> dict[str, object]:
    """What later looks are compared with; hashes only, so that the chain holds no content."""
    return {
        "revision": proposal.revision,
        "proposal_hash": proposal.proposal_hash,
        "evidence_hash": proposal.evidence_hash,
        "shown_hash": shown_hash(proposal),
        "rules_hash": proposal.rules_hash,
        "fields": field_hashes(proposal),
        "rules": dict(rule_hashes(settings, proposal.decision_point)),
    }


def _refuse_nonsense(draft: ProposalDraft) -> None:
    reach, share = draft.scope.reach, draft.plan.segment_share
    if not draft.actions:
        raise UsageError("a proposal that may serve no action", "name the actions of its strategy")
    if not 0 < reach <= 1 or not 0 <= share <= 1:
        raise UsageError(f"found reach {reach:g} and segment share {share:g}, expected shares up to 1", "mend them")


def _refuse_strangers(stands: TrackedProposal, person: Person, act: str) -> None:
    proposer = stands.proposal.proposer
    if person.name != proposer or not person.has(Role.PROPOSER):
        name = stands.proposal.proposal_id
        raise NotPermitted(f"{person.name} cannot {act} {name}, which {proposer} proposed", f"ask {proposer}")


def _people(approvers: Mapping[str, int]) -> str:
    return " and ".join(f"{n} of {who}" for who, n in approvers.items())
