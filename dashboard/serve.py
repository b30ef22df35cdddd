"""`amso serve`: the application on a socket, until it is told to end."""

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from dashboard.api import KEY_VARIABLE
from dashboard.app import create_app
from dashboard.feed import Feed
from dashboard.security import LOOPBACK_HOSTS
from domain.errors import ConfigError, SourceUnavailable
from loop.wiring import Workspace

GRACE_SECONDS = 1  # for requests under way when it ends


@dataclass(frozen=True)
class Served:
    """Where it was, once it has ended."""

    url: str

    def to_data(self) -> dict[str, object]:
        return {"url": self.url}

    def print(self) -> None:
        sys.stdout.write("ended\n")


class Server(uvicorn.Server):
    """Ends its event streams before it waits for connections to close; they would stay open for ever."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._feed.close()
        await super().shutdown(sockets)


def make_server(app: ASGIApp, feed: Feed) -> Server:
    """A server that logs warnings only; `run(sockets=[...])` serves."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, server_header=False
    )
    return Server(config, feed)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 = a free one.

    Raises:
        ConfigError: no such address here.
        SourceUnavailable: the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError) as error:
        raise ConfigError(f"the host {host!r} is no address of this machine", "127.0.0.1 is the usual one") from error
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(512)
    except (OSError, OverflowError) as error:
        found.close()
        raise SourceUnavailable(
            f"nothing can listen at {host}:{port}: {error}", "choose another --port; 0 takes a free one"
        ) from error
    return found


def serve(workspace: Workspace, *, host: str = "127.0.0.1", port: int = 8765) -> Served:
    """The verb: serves until SIGINT or SIGTERM.

    Raises:
        ConfigError: another host than this machine's own without a key for products; a mode that cannot be served.
        SourceUnavailable: the port is taken.
    """
    is_loopback, has_key = host in LOOPBACK_HOSTS, bool(workspace.environ.get(KEY_VARIABLE))
    if not (is_loopback or has_key):
        raise ConfigError(
            f"the host {host} can be reached by others, and {KEY_VARIABLE} is not set",
            f"set {KEY_VARIABLE}, which products then send, or serve 127.0.0.1",
        )
    workspace.settings.refuse_unenforced_modes()
    app = create_app(workspace, is_loopback=is_loopback)
    with bind(host, port) as listening, _ends_quietly():
        url = url_of(host, listening)
        sys.stderr.write("\n".join(_greeting(url, has_key=has_key)) + "\n")
        sys.stderr.flush()
        make_server(app, app.state.feed).run(sockets=[listening])
    return Served(url)


def url_of(host: str, listening: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"


@contextmanager
def _ends_quietly() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; here that means the end, so that stores are closed."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: None) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _greeting(url: str, *, has_key: bool) -> list[str]:
    asks = (
        f"whoever has {KEY_VARIABLE}" if has_key else f"programs on this machine; set {KEY_VARIABLE} to let others in"
    )
    return [
        f"dashboard: {url}/   (log in with a person's token: `amso people add NAME`)",
        f"HTTP API: {url}/v1/decide and /v1/outcomes, for {asks}",
        "Ctrl-C ends it",
    ]
