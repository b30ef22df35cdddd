"""The pages that are read: overview, strategies, proposals, decisions, audit; and the stream of what changes."""

from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from dashboard.feed import Feed
from dashboard.fragments import read_fragments
from dashboard.rendering import page, render
from dashboard.signed_in import SignedIn, Who, find_signed_in, workspace_of
from dashboard.todo import rights, todo
from domain.errors import AmsoError
from loop.audit import verify_audit
from loop.decisions import list_decisions, show_decision
from loop.gate import show_proposal
from loop.overview import decisions_by_day, earned, ranked_strategies

AUDIT_ROWS = 100
router = APIRouter()


@router.get("/")
def overview(request: Request, who: Who) -> HTMLResponse:
    """What lives, what waits for me, what was earned."""
    workspace = workspace_of(request)
    return page(
        request,
        "overview.html",
        who=who,
        tasks=todo(workspace, who),
        fragments=read_fragments(workspace),
        earned=earned(workspace),
    )


@router.get("/todo")
def my_todo(request: Request, who: Who) -> HTMLResponse:
    """The part of the overview that is one person's."""
    return HTMLResponse(render("parts/todo.html", tasks=todo(workspace_of(request), who)))


@router.get("/chart/decisions.json")
def decisions_chart(request: Request, who: Who) -> JSONResponse:  # noqa: ARG001 # only for who is signed in
    """Columns for uPlot: days, then a number a day of each kind of answer."""
    found = decisions_by_day(workspace_of(request))
    return JSONResponse(
        {
            "days": [day.isoformat() for day in found.days],
            "series": [{"name": name, "values": list(values)} for name, values in found.served.items()],
        }
    )


@router.get("/strategies")
def strategies(request: Request, who: Who) -> HTMLResponse:
    """What the newest recommendation ranked, with its evidence."""
    return page(request, "strategies.html", who=who, records=ranked_strategies(workspace_of(request)))


@router.get("/proposals/{proposal_id}")
def proposal(request: Request, who: Who, proposal_id: str) -> HTMLResponse:
    """Everything that it takes to judge it, and the acts that make sense."""
    return proposal_page(request, who, proposal_id)


def proposal_page(
    request: Request, who: SignedIn, proposal_id: str, *, status: int = 200, error: str = ""
) -> HTMLResponse:
    """Also for an act that was refused, with the reason."""
    shown = show_proposal(workspace_of(request), proposal_id)
    may = rights(who, shown)
    return page(
        request,
        "proposal.html",
        who=who,
        status=status,
        error=error,
        shown=shown,
        p=shown.tracked.proposal,
        data=shown.to_data(),
        may=may,
    )


@router.get("/decisions")
def decisions(request: Request, who: Who, decision_id: Annotated[str, Query(alias="id")] = "") -> Response:
    """The newest ones, or on to the one that was asked for."""
    if decision_id.strip():
        return RedirectResponse(request.url_for("decision", decision_id=decision_id.strip()).path, 303)
    found = list_decisions(workspace_of(request), limit=100).decisions
    return page(request, "decisions.html", who=who, decisions=found)


@router.get("/decisions/{decision_id}")
def decision(request: Request, who: Who, decision_id: str) -> HTMLResponse:
    """One decision with everything it knew. The raw unit id stays with the command line."""
    found = show_decision(workspace_of(request), decision_id)
    return page(request, "decision.html", who=who, d=found.decision, found=found)


@router.get("/audit")
def audit(request: Request, who: Who, before: int = 0, check: bool = False) -> HTMLResponse:
    """The newest rows, or those before one; the chain is walked where that is asked for."""
    workspace = workspace_of(request)
    with workspace.knowledge.transaction() as books:
        head = books.audit.head()
        last = before - 1 if before > 0 else (head.seq if head else 0)
        entries = list(books.audit.entries(after_seq=max(0, last - AUDIT_ROWS), limit=AUDIT_ROWS))
    shown = [e for e in reversed(entries) if e.seq <= last]
    report = verify_audit(workspace).report if check else None
    return page(request, "audit.html", who=who, entries=shown, report=report, head=head)


@router.get("/events")
async def events(request: Request) -> Response:
    """Server-sent events: what changes on the pages. Ends when the person is no longer proved."""
    from anyio import to_thread

    def is_allowed() -> bool:
        try:
            return find_signed_in(request) is not None
        except AmsoError:  # SQL is away: nothing new can be read either, and the page says so
            return True

    if not await to_thread.run_sync(is_allowed):
        return PlainTextResponse("nobody is signed in\n", 401)
    feed = cast(Feed, request.app.state.feed)
    return StreamingResponse(feed.listen(is_allowed), media_type="text/event-stream")
