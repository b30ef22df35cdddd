"""The approval gate as verbs: propose, approve, reject, withdraw, pause, resume, roll back, look.

Each act is one transaction of the person whom the token proves; the rules are `tracker/`'s.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from domain.errors import NotFound, UsageError
from domain.people import Person
from domain.ports import UnitOfWork
from domain.proposals import OPEN, Scope, TrackedProposal
from loop.drafts import Asked, draft_of_policy, draft_of_strategy
from loop.identity import act_as, in_transaction
from loop.proposal_view import ProposalAnswer, ProposalsAnswer, view
from loop.wiring import Workspace
from tracker import approvals, proposals, rollout
from tracker.coverage import shown_hash

Act = Callable[[UnitOfWork, Person, datetime], TrackedProposal]


def propose(
    workspace: Workspace,
    token: str | None,
    *,
    strategy: str | None = None,
    policy: str | None = None,
    note: str = "",
    reach: float | None = None,
    budget: Decimal | None = None,
    loss_cap: Decimal | None = None,
    active_days: float | None = None,
    revises: str | None = None,
) -> ProposalAnswer:
    """The verb `propose`: a recommended strategy or a registered policy version, before people or refused with reasons.

    Args:
        workspace: where.
        token: the proposer's.
        strategy: a strategy_id of `recommend`.
        policy: a policy_version of `train`; for everyone.
        note: for whoever judges it.
        reach: share of the segment's units; None = all.
        budget: worst-case cost of all its decisions; None = none but the config's.
        loss_cap: against the baseline; None = the config's.
        active_days: after the canary; None = as long as an approval holds, an experiment as long as it is designed.
        revises: the proposal, pending or to be judged anew, whose next revision this is; earlier approvals are void.

    Raises:
        UsageError: neither or both of strategy and policy, or limits that make no sense.
        NotPermitted: the person may not propose.
        StaleProposal: its evidence is against something else than what serves now.
    """
    if (strategy is None) == (policy is None):
        raise UsageError("expected one of a strategy and a policy version", "give a STRATEGY_ID or --policy VERSION")
    asked = Asked(_scope(reach, budget, loss_cap), active_days, note)

    def act(books: UnitOfWork, person: Person, now: datetime) -> TrackedProposal:
        settings, data_dir = workspace.settings, workspace.data_dir
        if strategy is not None:
            draft = draft_of_strategy(books, settings, data_dir, strategy, asked)
        else:
            assert policy is not None
            draft = draft_of_policy(books, settings, data_dir, policy, asked)
        if revises is not None:
            return proposals.revise(books, revises, draft, proposer=person, settings=settings, now=now)
        return proposals.propose(books, draft, proposer=person, settings=settings, now=now)

    return _do(workspace, token, act)


def approve(
    workspace: Workspace,
    token: str | None,
    proposal_id: str,
    *,
    seen_hash: str | None = None,
    note: str = "",
    reach: float | None = None,
    budget: Decimal | None = None,
    loss_cap: Decimal | None = None,
) -> ProposalAnswer:
    """The verb `approve`: one person's word on what they saw.

    Args:
        workspace: where.
        token: the approver's.
        proposal_id: what is approved.
        seen_hash: `seen_hash` of what was shown to the person; None = as it stands when this arrives.
        note: for whoever asks later.
        reach: narrower than proposed; None = as proposed. So are `budget` and `loss_cap`.
        budget: worst-case cost of all its decisions.
        loss_cap: against the baseline.

    Raises:
        NotPermitted: no approver, the proposer, or somebody who has approved it already.
        StaleProposal: it, its evidence or the rules are not what was seen.
        IllegalTransition: it is not PENDING, or too late.
    """
    _lapse(workspace, proposal_id)
    scope = _scope(reach, budget, loss_cap)

    def act(books: UnitOfWork, person: Person, now: datetime) -> TrackedProposal:
        seen = seen_hash or shown_hash(books.proposals.get(proposal_id).proposal)
        return approvals.approve(
            books,
            proposal_id,
            person=person,
            seen_hash=seen,
            settings=workspace.settings,
            scope=scope,
            note=note,
            now=now,
        )

    return _do(workspace, token, act)


def reject(workspace: Workspace, token: str | None, proposal_id: str, *, reason: str) -> ProposalAnswer:
    """The verb `reject`: one approver's no is enough."""
    _lapse(workspace, proposal_id)
    return _do(
        workspace,
        token,
        lambda books, person, now: approvals.reject(books, proposal_id, person=person, reason=reason, now=now),
    )


def withdraw(workspace: Workspace, token: str | None, proposal_id: str, *, reason: str) -> ProposalAnswer:
    """The verb `withdraw`: takes back what is not live yet."""
    return _do(
        workspace,
        token,
        lambda books, person, now: proposals.withdraw(books, proposal_id, person=person, reason=reason, now=now),
    )


def pause(workspace: Workspace, token: str | None, proposal_id: str, *, reason: str) -> ProposalAnswer:
    """The verb `pause`: new offers stop; anybody with a token may."""
    return _do(
        workspace,
        token,
        lambda books, person, now: rollout.pause(
            books, _named(books, proposal_id), person=person, reason=reason, now=now
        ),
    )


def resume_strategy(workspace: Workspace, token: str | None, proposal_id: str, *, reason: str) -> ProposalAnswer:
    """The verb `resume ID`: back to where it was paused from, under an approval that still stands."""
    return _do(
        workspace,
        token,
        lambda books, person, now: rollout.resume(
            books, _named(books, proposal_id), person=person, settings=workspace.settings, reason=reason, now=now
        ),
    )


def rollback(workspace: Workspace, token: str | None, proposal_id: str, *, reason: str) -> ProposalAnswer:
    """The verb `rollback`: out of the way in one step; anybody with a token may."""
    return _do(
        workspace,
        token,
        lambda books, person, now: rollout.roll_back(
            books, _named(books, proposal_id), person=person, reason=reason, now=now
        ),
    )


def list_proposals(workspace: Workspace) -> ProposalsAnswer:
    """The verb `proposals list`."""
    with workspace.knowledge.transaction() as books:
        return ProposalsAnswer(tuple(books.proposals.all()))


def show_proposal(workspace: Workspace, proposal_id: str) -> ProposalAnswer:
    """The verb `proposals show`.

    Raises:
        NotFound: no such proposal.
    """
    with workspace.knowledge.transaction() as books:
        return view(books, workspace.settings, books.proposals.get(proposal_id), workspace.clock.now())


def _do(workspace: Workspace, token: str | None, act: Act) -> ProposalAnswer:
    def acting(books: UnitOfWork, person: Person, now: datetime) -> ProposalAnswer:
        return view(books, workspace.settings, act(books, person, now), now)

    return act_as(workspace, token, acting)


def _lapse(workspace: Workspace, proposal_id: str) -> None:
    """Nobody can decide what is too late; that it is EXPIRED stays, even though the act itself is refused."""
    now = workspace.clock.now()
    in_transaction(workspace, lambda books: approvals.lapse(books, books.proposals.get(proposal_id), now=now))


def _named(books: UnitOfWork, name: str) -> str:
    """The proposal's id: of a strategy, its newest proposal that is not over."""
    if not name.startswith("st-"):
        return name
    found = [t for t in books.proposals.all(OPEN) if t.proposal.strategy_id == name]
    if not found:
        raise NotFound(f"no proposal of strategy {name} is open", "`amso proposals list` shows all")
    return found[0].proposal.proposal_id


def _scope(reach: float | None, budget: Decimal | None, loss_cap: Decimal | None) -> Scope:
    for name, amount in (("budget", budget), ("loss cap", loss_cap)):
        if amount is not None and not (amount.is_finite() and amount >= 0):
            raise UsageError(f"found a {name} of {amount}, expected an amount of 0 or more", "mend it")
    if reach is not None and not 0 < reach <= 1:
        raise UsageError(f"found a reach of {reach:g}, expected a share above 0 and up to 1", "0.2 is a fifth of them")
    return Scope(1.0 if reach is None else reach, budget, loss_cap)
