"""Errors as answers: JSON under /v1, a page elsewhere; never a stack trace."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from dashboard.rendering import page
from dashboard.security import error_response
from dashboard.signed_in import LoginNeeded
from domain.errors import (
    AlreadyRecorded,
    AmsoError,
    IllegalTransition,
    InvalidRecord,
    NotFound,
    NotPermitted,
    SourceUnavailable,
    StaleProposal,
    UsageError,
)

_STATUS: tuple[tuple[type[AmsoError], int], ...] = (
    (NotPermitted, 403),
    (NotFound, 404),
    (IllegalTransition, 409),
    (StaleProposal, 409),
    (AlreadyRecorded, 409),
    (UsageError, 422),
    (InvalidRecord, 422),
    (SourceUnavailable, 503),
)
_FOR_PROGRAMS = ("/v1/", "/metrics", "/readyz", "/chart/")


def status_of(error: AmsoError) -> int:
    """
    >>> status_of(StaleProposal("x"))
    409
    """
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def answer_errors(app: FastAPI) -> None:
    """Every kind of failure gets its form."""

    def handled(request: Request, error: Exception) -> Response:
        assert isinstance(error, AmsoError)
        status = status_of(error)
        if status == 403 and request.url.path.startswith("/v1/"):
            status = 401
        return _answer(request, status, error.code, error.message, error.hint)

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        words = {404: "there is no such page", 405: "that is not done this way"}
        return _answer(request, error.status_code, "http_error", words.get(error.status_code, str(error.detail)))

    def unparsable(request: Request, error: Exception) -> Response:  # noqa: ARG001 # its words name our parameters
        return _answer(request, 422, "usage_error", "what was asked cannot be read", "check the address and the form")

    def broken(request: Request, error: Exception) -> Response:  # noqa: ARG001 # the server's log has it
        return _answer(request, 500, "internal_error", "AMSO made a mistake; the server's log says which")

    def login_needed(request: Request, error: Exception) -> Response:  # noqa: ARG001 # Starlette's signature
        assert isinstance(error, LoginNeeded)
        return RedirectResponse(error.login_url, 303)

    for kind, handler in (
        (LoginNeeded, login_needed),
        (AmsoError, handled),
        (HTTPException, refused),
        (RequestValidationError, unparsable),
        (Exception, broken),
    ):
        app.add_exception_handler(kind, handler)


def _answer(request: Request, status: int, code: str, message: str, hint: str = "") -> Response:
    if request.url.path.startswith(_FOR_PROGRAMS) or "session" not in request.scope:
        return error_response(status, code, message, hint)
    return page(request, "error.html", who=None, status=status, message=message, hint=hint)
