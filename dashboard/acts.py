"""The forms: signing in and out, the acts of the gate, the halt. Each calls the function its verb calls.

What the gate refuses is shown on the page it was asked from, with the status that says so. What succeeds answers with
a redirect, so that loading the page again repeats nothing.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dashboard.errors import status_of
from dashboard.pages import proposal_page
from dashboard.rendering import note_for_next_page, page
from dashboard.signed_in import FromForm, SignedIn, Who, find_signed_in, sessions_of, workspace_of
from domain.errors import AmsoError, NotPermitted, UsageError
from domain.proposals import LIVE
from loop import gate
from loop.halts import halt, resume_halt
from loop.identity import person_of
from loop.overview import ranked_strategies
from loop.proposal_view import ProposalAnswer

router = APIRouter()
Text = Annotated[str, Form()]


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 # the name in the address
    """Asks for the token."""
    if find_signed_in(request) is not None:
        return RedirectResponse(_own_path(next), 303)
    return page(request, "login.html", who=None, next=_own_path(next))


@router.post("/login", dependencies=[FromForm])
def login(request: Request, token: Text = "", next: Text = "/") -> Response:  # noqa: A002 # as above
    """Opens a session for whom the token proves."""
    workspace, token = workspace_of(request), token.strip()
    try:
        with workspace.knowledge.transaction() as books:
            person_of(books, token, workspace.settings)
    except NotPermitted as error:
        return page(request, "login.html", who=None, status=403, error=str(error), next=_own_path(next))
    sessions_of(request).close(request.session.get("id"))
    request.session.clear()  # another secret for forms too: nothing from before the login stays good
    request.session["id"] = sessions_of(request).open(token, workspace.clock.now())
    return RedirectResponse(_own_path(next), 303)


@router.post("/logout", dependencies=[FromForm])
def logout(request: Request) -> Response:
    """Forgets the session, here and in the browser."""
    sessions_of(request).close(request.session.get("id"))
    request.session.clear()
    return RedirectResponse("/login", 303)


@router.post("/strategies/{strategy_id}/propose", dependencies=[FromForm])
def propose(
    request: Request,
    who: Who,
    strategy_id: str,
    note: Text = "",
    reach: Text = "",
    budget: Text = "",
    loss_cap: Text = "",
) -> Response:
    """Puts a ranked strategy before people."""
    try:
        shown = gate.propose(
            workspace_of(request),
            who.token,
            strategy=strategy_id,
            note=note.strip(),
            reach=_share(reach),
            budget=_amount("budget", budget),
            loss_cap=_amount("loss cap", loss_cap),
        )
    except AmsoError as error:
        records = ranked_strategies(workspace_of(request))
        return page(request, "strategies.html", who=who, status=status_of(error), error=str(error), records=records)
    name = shown.tracked.proposal.proposal_id
    note_for_next_page(request, f"{name} is {shown.tracked.status.value}")
    return RedirectResponse(f"/proposals/{name}", 303)


@router.post("/proposals/{proposal_id}/approve", dependencies=[FromForm])
def approve(
    request: Request,
    who: Who,
    proposal_id: str,
    seen_hash: Text = "",
    note: Text = "",
    reach: Text = "",
    budget: Text = "",
    loss_cap: Text = "",
) -> Response:
    """The person's word on what the page showed: the form carries its hash."""

    def act() -> ProposalAnswer:
        if not seen_hash:
            raise UsageError("the form does not say what was seen", "load the page again, look, then approve")
        return gate.approve(
            workspace_of(request),
            who.token,
            proposal_id,
            seen_hash=seen_hash,
            note=note.strip(),
            reach=_share(reach),
            budget=_amount("budget", budget),
            loss_cap=_amount("loss cap", loss_cap),
        )

    return _done(request, who, proposal_id, act)


_ACTS = {
    "reject": gate.reject,
    "withdraw": gate.withdraw,
    "pause": gate.pause,
    "resume": gate.resume_strategy,
    "rollback": gate.rollback,
}


@router.post("/proposals/{proposal_id}/{act}", dependencies=[FromForm])
def act_on_proposal(request: Request, who: Who, proposal_id: str, act: str, reason: Text = "") -> Response:
    """The acts that take a reason and nothing else."""
    if act not in _ACTS:
        raise UsageError(f"unknown act {act!r}", f"expected approve, {', '.join(_ACTS)}")
    return _done(
        request,
        who,
        proposal_id,
        lambda: _ACTS[act](workspace_of(request), who.token, proposal_id, reason=reason.strip()),
    )


@router.get("/halt")
def halt_page(request: Request, who: Who) -> HTMLResponse:
    """What is halted, and the switch."""
    return _halt_page(request, who)


@router.post("/halt", dependencies=[FromForm])
def halt_it(request: Request, who: Who, scope: Text = "global", reason: Text = "") -> Response:
    """Stops at once."""
    return _halted(
        request,
        who,
        lambda: halt(workspace_of(request), who.token, scope, reason.strip() or "no reason given").to_data(),
    )


@router.post("/halt/resume", dependencies=[FromForm])
def resume_it(request: Request, who: Who, scope: Text = "") -> Response:
    """The first person asks, a second one confirms."""
    return _halted(request, who, lambda: resume_halt(workspace_of(request), who.token, scope).to_data())


def _halted(request: Request, who: SignedIn, act: Callable[[], dict[str, object]]) -> Response:
    try:
        done = act()
    except AmsoError as error:
        return _halt_page(request, who, status=status_of(error), error=str(error))
    said = {"halted": "is halted", "resume_asked": "stays halted until a second person confirms", "resumed": "goes on"}
    warning = f" Warning: {done['warning']}" if done["warning"] else ""
    note_for_next_page(request, f"{done['scope']} {said[str(done['state'])]}.{warning}")
    return RedirectResponse("/halt", 303)


def _halt_page(request: Request, who: SignedIn, *, status: int = 200, error: str = "") -> HTMLResponse:
    workspace = workspace_of(request)
    with workspace.knowledge.transaction() as books:
        halts = books.halts.all()
        versions = {t.proposal.policy_version for t in books.proposals.all(LIVE)}
    scopes = [
        ("global", "everything"),
        *((f"point:{name}", f"decision point {name}") for name in workspace.settings.decision_points),
        *((f"policy:{version}", f"policy version {version}") for version in sorted(versions)),
    ]
    return page(request, "halt.html", who=who, status=status, error=error, halts=halts, scopes=scopes)


def _done(request: Request, who: SignedIn, proposal_id: str, act: Callable[[], ProposalAnswer]) -> Response:
    try:
        shown = act()
    except AmsoError as error:
        return proposal_page(request, who, proposal_id, status=status_of(error), error=str(error))
    still = f"; still to agree: {shown.missing}" if shown.missing and shown.tracked.status == "PENDING" else ""
    note_for_next_page(request, f"{proposal_id} is {shown.tracked.status.value}{still}")
    return RedirectResponse(f"/proposals/{proposal_id}", 303)


def _own_path(path: str) -> str:
    """Where to go after the login: a path of ours, never another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _share(text: str) -> float | None:
    """Percent as people write it."""
    found = _amount("reach", text.strip().removesuffix("%"))
    return None if found is None else float(found / 100)


def _amount(name: str, text: str) -> Decimal | None:
    if not text.strip():
        return None
    try:
        return Decimal(text.strip())
    except InvalidOperation as error:
        raise UsageError(f"found the {name} {text.strip()[:40]!r}, expected a number", "mend it") from error
