"""The HTTP API for products: decisions out, outcomes in. Products are no people: they prove themselves by a key."""

import hmac
import time
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from dashboard.metrics import Meters
from dashboard.security import LOOPBACK_HOSTS, MAX_BODY_BYTES, error_response, too_large
from dashboard.signed_in import workspace_of
from domain.errors import InvalidRecord, NotPermitted
from loop.serving import Refused, Taken, decide_one, parse_bodies, refuse_unreadable, take_outcomes

KEY_VARIABLE = "AMSO_API_KEY"


def need_service(request: Request) -> None:
    """Whoever has the key; where none is set, whoever is on this machine.

    Raises:
        NotPermitted: neither.
    """
    key = workspace_of(request).environ.get(KEY_VARIABLE, "")
    if key:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {key}".encode()):
            raise NotPermitted("the key is missing or wrong", f"send `Authorization: Bearer` and {KEY_VARIABLE}")
    elif request.client is None or request.client.host not in LOOPBACK_HOSTS:
        raise NotPermitted("without a key only this machine is served", f"set {KEY_VARIABLE} where AMSO serves")


async def json_text(request: Request) -> str | Response:
    """The body as text, or the refusal of it. A JSON content type keeps pages elsewhere from posting unasked."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return error_response(415, "not_json", "the body is not declared as application/json", "set Content-Type")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return too_large()
    return body.decode(errors="replace")


router = APIRouter(prefix="/v1", dependencies=[Depends(need_service)])
JsonText = Annotated[str | Response, Depends(json_text)]


@router.post("/decide")
def decide(request: Request, text: JsonText) -> Response:
    """Answers one context."""
    if isinstance(text, Response):
        return text
    workspace, meters = workspace_of(request), cast(Meters, request.app.state.meters)
    begun = time.perf_counter()
    try:
        bodies, is_list = parse_bodies(text)
        if is_list:
            raise InvalidRecord("the body is a list", "one context a request")
    except InvalidRecord as error:
        return _refusal(refuse_unreadable(workspace, "context", text, error))
    answer = decide_one(workspace, bodies[0])
    if isinstance(answer, Refused):
        return _refusal(answer)
    meters.note_decision(time.perf_counter() - begun)
    return JSONResponse(answer.to_data())


@router.post("/outcomes")
def outcomes(request: Request, text: JsonText) -> Response:
    """Takes one outcome or exposure in, or a list of them; of a list, what is refused does not stop the others."""
    if isinstance(text, Response):
        return text
    workspace = workspace_of(request)
    try:
        bodies, is_list = parse_bodies(text)
    except InvalidRecord as error:
        return _refusal(refuse_unreadable(workspace, "outcome", text, error))
    results = take_outcomes(workspace, bodies)
    if is_list:
        status = max((_status(r) for r in results if isinstance(r, Refused)), default=200)
        return JSONResponse({"results": [_to_data(r) for r in results]}, status)
    return _refusal(results[0]) if isinstance(results[0], Refused) else JSONResponse(results[0].to_data())


def _to_data(result: Taken | Refused) -> dict[str, object]:
    if isinstance(result, Taken):
        return result.to_data()
    return {"status": "refused", "error": {"code": _code(result), "message": result.reason, "hint": result.hint}}


def _refusal(refused: Refused) -> JSONResponse:
    return error_response(_status(refused), _code(refused), refused.reason, refused.hint)


def _status(refused: Refused) -> int:
    return 409 if refused.is_conflict else 422


def _code(refused: Refused) -> str:
    return "conflict" if refused.is_conflict else "invalid_record"
