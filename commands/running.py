"""The running loop: serving it, watching it, and looking back at what it decided."""

import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import asking
from commands.answering import attempt, show
from commands.decorators import open_workspace, with_workspace
from commands.options import DecisionId, Json, Limit, OnlyPoint, Seed, VerdictLimit, moment
from domain.errors import UsageError

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.wiring import Workspace


@with_workspace
def live(
    workspace: "Workspace",
    follow: Annotated[
        bool, typer.Option("--follow/--once", help="Go on for ever, or do what is there and due now.")
    ] = True,
    seed: Seed = 0,
) -> "Answer":
    """The loop: collect, decide, propose, wait for people, carry out what they approved, track, learn again."""
    from loop import live as verb

    return verb.live_follow(workspace, seed=seed) if follow else verb.live_once(workspace, seed=seed)


@with_workspace
def serve(
    workspace: "Workspace",
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own (127.0.0.1) needs AMSO_API_KEY.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = 8765,
) -> "Answer":
    """Serve the dashboard for people and the HTTP API for products, until Ctrl-C."""
    from dashboard import serve as verb

    return verb.serve(workspace, host=host, port=port)


@with_workspace
def status(
    workspace: "Workspace",
    as_json: bool,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every second until Ctrl-C.")] = False,
) -> "Answer":
    """Strategies and where each stands, halts, and what waits; live from Redis, else from SQL."""
    from loop import status as verb

    if watch and as_json:
        raise UsageError("--watch draws for people, --json is for programs", "leave one of them out")
    return verb.watch(workspace) if watch else verb.status(workspace)


@with_workspace
def decisions_list(workspace: "Workspace", decision_point: OnlyPoint = None, limit: Limit = 50) -> "Answer":
    """The newest decisions."""
    from loop import decisions as verb

    return verb.list_decisions(workspace, decision_point=decision_point, limit=limit)


@with_workspace
def decisions_show(workspace: "Workspace", decision: DecisionId) -> "Answer":
    """One decision, its outcomes and its reward. Shows the unit as the product knows it."""
    from loop import decisions as verb

    return verb.show_decision(workspace, decision)


@with_workspace
def verdicts(workspace: "Workspace", decision_point: OnlyPoint = None, limit: VerdictLimit = 20) -> "Answer":
    """Offline verdicts beside what came of them once live, and whether our own predictions come true."""
    from loop import verdicts as verb

    return verb.verdicts(workspace, decision_point=decision_point, limit=limit)


@with_workspace
def replay(
    workspace: "Workspace",
    decision: Annotated[
        str | None, typer.Argument(metavar="DECISION", help="One decision, d-...; default all.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment, metavar="TIME", help="Only those since then; ISO 8601, UTC where it names no zone."
        ),
    ] = None,
    limit: Limit = 100_000,
) -> "Answer":
    """Compute logged decisions again and compare bit for bit; exit 1 where any differs."""
    from loop import decisions as verb

    return verb.replay(workspace, decision_id=decision, since=since, limit=limit)


@with_workspace
def audit_verify(workspace: "Workspace") -> "Answer":
    """Check every row's hash, and every proposal and approval against the rows; exit 1 where anything does not fit."""
    from loop import audit as verb

    return verb.verify_audit(workspace)


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market and of all that is learned in it.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep everything here; default a fresh folder in the data dir."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Let the demo's second person approve without asking.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Leave the dashboard up at the end; Ctrl-C ends it.")] = False,
    as_json: Json = False,
) -> None:
    """The whole loop on a reference market whose truth is known: a log in, people approve, outcomes come home."""
    from loop import demo as verb

    asks = not (yes or as_json) and sys.stdin.isatty() and sys.stderr.isatty()
    confirm = asking.confirm_shown if asks else None
    told = attempt(lambda: verb.demo(seed=seed, out=out, confirm=confirm), as_json)
    told.workspace.close()
    show(told, as_json)
    if serve:
        attempt(lambda: _serve_pages(told.folder), as_json=False)  # stdout holds the demo's answer already


def _serve_pages(folder: Path) -> "Answer":
    """Serves what the demo left."""
    from dashboard import serve as verb

    with closing(open_workspace(folder / "amso.yaml", None)) as workspace:
        return verb.serve(workspace)
