"""The approval gate: what is proposed, who agrees, and stopping what is live."""

from typing import TYPE_CHECKING, Annotated

import typer

from commands import asking
from commands.decorators import with_workspace
from commands.options import (
    Budget,
    LessBudget,
    LessLoss,
    LessReach,
    LossCap,
    Note,
    ProposalId,
    ProposalOrStrategy,
    Reach,
    Reason,
    Scope,
)
from domain.errors import UsageError

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.wiring import Workspace


@with_workspace
def propose(
    workspace: "Workspace",
    token: str | None,
    strategy: Annotated[
        str | None, typer.Argument(metavar="STRATEGY", help="A strategy_id of `amso recommend`, st-...")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Instead: a registered policy, for everyone.")
    ] = None,
    reach: Reach = None,
    budget: Budget = None,
    loss_cap: LossCap = None,
    active_days: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="DAYS",
            help="How long after the canary; default as long as an approval holds, or an experiment takes.",
        ),
    ] = None,
    revises: Annotated[
        str | None, typer.Option(metavar="PROPOSAL", help="Your proposal that this changes; its approvals are void.")
    ] = None,
    note: Note = "",
) -> "Answer":
    """Put a strategy or a policy version before people; exit 1 where the gate refuses it."""
    from loop import gate as verb

    return verb.propose(
        workspace,
        token,
        strategy=strategy,
        policy=policy,
        note=note,
        reach=reach,
        budget=budget,
        loss_cap=loss_cap,
        active_days=active_days,
        revises=revises,
    )


@with_workspace
def approve(
    workspace: "Workspace",
    token: str | None,
    as_json: bool,
    proposal: ProposalId,
    seen_hash: Annotated[
        str | None,
        typer.Option("--hash", metavar="HASH", help="`seen_hash` of what you looked at; anything else is refused."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="As it stands now, without showing and asking.")] = False,
    reach: LessReach = None,
    budget: LessBudget = None,
    loss_cap: LessLoss = None,
    note: Note = "",
) -> "Answer":
    """Give your word on a proposal, or on less than it asks for; a terminal shows it and asks."""
    from loop import gate as verb

    if seen_hash is None and not yes:
        seen_hash = asking.look(verb.show_proposal(workspace, proposal), can_ask=not as_json and asking.is_terminal())
    return verb.approve(
        workspace, token, proposal, seen_hash=seen_hash, note=note, reach=reach, budget=budget, loss_cap=loss_cap
    )


@with_workspace
def reject(workspace: "Workspace", token: str | None, proposal: ProposalId, reason: Reason = "") -> "Answer":
    """Say no to a proposal, for good; one approver's no is enough."""
    from loop import gate as verb

    return verb.reject(workspace, token, proposal, reason=reason)


@with_workspace
def withdraw(workspace: "Workspace", token: str | None, proposal: ProposalId, reason: Reason = "") -> "Answer":
    """Take back a proposal that is not live yet: its proposer, or an approver."""
    from loop import gate as verb

    return verb.withdraw(workspace, token, proposal, reason=reason)


@with_workspace
def pause(workspace: "Workspace", token: str | None, proposal: ProposalOrStrategy, reason: Reason = "") -> "Answer":
    """Stop new offers of a live strategy; anybody with a token may."""
    from loop import gate as verb

    return verb.pause(workspace, token, proposal, reason=reason)


@with_workspace
def resume(
    workspace: "Workspace",
    token: str | None,
    proposal: Annotated[
        str | None, typer.Argument(metavar="PROPOSAL", help="A paused one: pr-..., or its strategy's st-...")
    ] = None,
    halt: Annotated[
        str | None,
        typer.Option("--halt", metavar="SCOPE", help="Instead: what was halted. One person asks, a second confirms."),
    ] = None,
    reason: Reason = "",
) -> "Answer":
    """Let a paused strategy go on (an approver), or what was halted (two people)."""
    from loop import gate, halts

    if (proposal is None) == (halt is None):
        raise UsageError("expected one of a paused strategy and a halt", "amso resume PROPOSAL, or --halt SCOPE")
    if halt is not None:
        return halts.resume_halt(workspace, token, halt)
    assert proposal is not None
    return gate.resume_strategy(workspace, token, proposal, reason=reason)


@with_workspace
def rollback(workspace: "Workspace", token: str | None, proposal: ProposalOrStrategy, reason: Reason = "") -> "Answer":
    """Take a live or paused strategy out of the way; anybody with a token may."""
    from loop import gate as verb

    return verb.rollback(workspace, token, proposal, reason=reason)


@with_workspace
def halt(workspace: "Workspace", token: str | None, scope: Scope = "global", reason: Reason = "") -> "Answer":
    """The kill switch: nothing but the baseline from now on; anybody with a token may."""
    from loop import halts as verb

    return verb.halt(workspace, token, scope, reason)


@with_workspace
def proposals_list(workspace: "Workspace") -> "Answer":
    """All proposals, the newest first."""
    from loop import gate as verb

    return verb.list_proposals(workspace)


@with_workspace
def proposals_show(workspace: "Workspace", proposal: ProposalId) -> "Answer":
    """One proposal, with everything that it takes to judge it."""
    from loop import gate as verb

    return verb.show_proposal(workspace, proposal)
