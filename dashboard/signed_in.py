"""The person behind a request. Proved anew every time, so that whoever is revoked is out at once."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, cast
from urllib.parse import quote

from fastapi import Depends, Form, Request

from dashboard.sessions import Sessions
from domain.errors import NotPermitted
from domain.people import Person, Role
from loop.identity import person_of
from loop.wiring import Workspace


class LoginNeeded(Exception):
    """Nobody is signed in; where to go from there."""

    def __init__(self, path: str) -> None:
        super().__init__("nobody is signed in")
        self.login_url = "/login" if path in ("", "/", "/logout") else f"/login?next={quote(path)}"


@dataclass(frozen=True)
class SignedIn:
    """Who acts, with the token that proves it."""

    person: Person
    token: str

    @property
    def may_propose(self) -> bool:
        return self.person.has(Role.PROPOSER)

    @property
    def may_approve(self) -> bool:
        return self.person.has(Role.APPROVER)


def workspace_of(request: Request) -> Workspace:
    return cast(Workspace, request.app.state.workspace)


def sessions_of(request: Request) -> Sessions:
    return cast(Sessions, request.app.state.sessions)


def find_signed_in(request: Request) -> SignedIn | None:
    """None where nobody is signed in, or not any more."""
    workspace = workspace_of(request)
    token = sessions_of(request).token(request.session.get("id"), workspace.clock.now())
    if token is None:
        return None
    try:
        with workspace.knowledge.transaction() as books:
            return SignedIn(person_of(books, token, workspace.settings), token)
    except NotPermitted:
        sessions_of(request).close(request.session.get("id"))
        return None


def need_signed_in(request: Request) -> SignedIn:
    """The person who asks.

    Raises:
        LoginNeeded: there is none.
    """
    found = find_signed_in(request)
    if found is None:
        raise LoginNeeded(request.url.path if request.method == "GET" else "")
    return found


def csrf_token(request: Request) -> str:
    """The session's own secret, which every form carries; another site can neither read nor guess it."""
    token = request.session.get("csrf")
    if not isinstance(token, str):
        token = request.session["csrf"] = secrets.token_urlsafe(32)
    return token


def check_csrf(request: Request, csrf: Annotated[str, Form()] = "") -> None:
    """Refuses a form that was not made for this session.

    Raises:
        NotPermitted: the secret is missing or another session's.
    """
    expected = request.session.get("csrf")
    if not isinstance(expected, str) or not hmac.compare_digest(csrf.encode(), expected.encode()):
        raise NotPermitted("the form is not of this session", "load the page again and repeat what you did")


Who = Annotated[SignedIn, Depends(need_signed_in)]
FromForm = Depends(check_csrf)
