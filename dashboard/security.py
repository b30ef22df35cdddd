"""What every answer carries, and what no request gets past: headers, hosts, sizes.

No script or style runs here but the files under /static: a hostile text that got past the escaping would do nothing.
The check of the Host header keeps a page elsewhere from reaching a loopback server under a name of its own.
"""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
POLICY = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Fence:
    """Plain ASGI, so that streams of events pass through untouched.

    Args:
        app: what is inside.
        hosts: names under which the server may be asked for; None = any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_static = scope["path"].startswith("/static/")

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-cache" if is_static else "no-store")
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        if self._hosts is not None and host_name(headers.get("host", "")) not in self._hosts:
            hint = f"expected one of {', '.join(self._hosts)}; another address takes AMSO_API_KEY and --host"
            return error_response(400, "unknown_host", "the server is not known under this name", hint)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return too_large()
        return None


def host_name(host: str) -> str:
    """A Host header without its port.

    >>> host_name("[::1]:8765"), host_name("localhost:8765"), host_name("localhost")
    ('::1', 'localhost', 'localhost')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def error_response(status: int, code: str, message: str, hint: str = "") -> JSONResponse:
    """The form of errors of `--json`."""
    return JSONResponse({"error": {"code": code, "message": message, "hint": hint}}, status)


def too_large() -> JSONResponse:
    return error_response(413, "too_large", f"the body has more than {MAX_BODY_BYTES:,} bytes", "send less at once")
