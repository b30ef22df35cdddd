"""The connection to Redis that all stores and sources of the wire share: a server by URL, or the embedded one.

Two clients, because redis-py's defaults make an idle blocking read raise after a minute: one for commands with short
timeouts, one for blocking reads whose socket waits longer than the server does. Neither retries by itself; how often
something is tried is said by the verb:

- `command` tries again after a pause, a bounded number of times. A write whose answer was lost may happen twice.
- `probe` tries once: for health checks, and for what must answer fast.
- `blocking` tries once: a second XREADGROUP would skip what the lost answer held, so its caller decides.

Nothing connects before the first use. Where the embedded server has ended with its owner, the next use starts it.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from collection.keys import Keys
from config.overrides import without_password
from domain.errors import AmsoError, ConfigError, InvalidSnapshot, SourceUnavailable

if TYPE_CHECKING:
    from collection.embedded_server import EmbeddedServer

EMBEDDED = "embedded"
T = TypeVar("T")
# How a server says that it cannot now, rather than that we asked for nonsense; redis-py takes some words off messages.
_NOT_NOW = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)
_NOT_NOW_WORDS = ("MISCONF", "BUSY ", "NOREPLICAS")


@dataclass(frozen=True)
class Timeouts:
    """How long the wire waits for what."""

    connect_seconds: float = 1.0
    command_seconds: float = 2.0  # for the answer of a command
    block_seconds: float = 3.0  # longest single blocking read; longer waits are several
    block_margin_seconds: float = 5.0  # for the answer of a blocking read, beyond the time it blocks
    backoff_seconds: tuple[float, ...] = (0.05, 0.15, 0.45)  # pauses before the second, third, ... try
    join_seconds: float = 2.0  # for another process that is just starting the embedded server


DEFAULT_TIMEOUTS = Timeouts()


class RedisWire:
    """One process's way to Redis; threads may share it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     wire = open_wire("embedded", Path(folder), "amso")
    ...     wire.command(lambda client: client.set("amso:x", "1"))
    ...     wire.close()
    True
    """

    def __init__(self, link: "Link", keys: Keys, timeouts: Timeouts) -> None:
        self.keys = keys
        self.timeouts = timeouts
        self._link = link

    @property
    def where(self) -> str:
        """For people; without a password."""
        return self._link.where

    def command(self, act: Callable[[redis.Redis], T], *, key: str = "", expects: str = "") -> T:
        """Runs `act`, again after a pause where the network failed.

        Args:
            act: calls the client; everything in it is repeated as a whole.
            key: what it works on, named where it holds something else.
            expects: the type of `key`: stream, hash, string, set.

        Raises:
            SourceUnavailable: no answer, or the server cannot now.
            InvalidSnapshot: `key` holds another type, or the server refuses the command.
        """
        for pause in self.timeouts.backoff_seconds:
            try:
                return self.probe(act, key=key, expects=expects)
            except SourceUnavailable:
                time.sleep(pause)
        return self.probe(act, key=key, expects=expects)

    def probe(self, act: Callable[[redis.Redis], T], *, key: str = "", expects: str = "") -> T:
        """As `command`, but tries once."""
        clients = self._link.clients()
        with self._link.watched(clients), _translated(clients.commands, self.where, key, expects):
            return act(clients.commands)

    def blocking(self, act: Callable[[redis.Redis], T], *, key: str = "", expects: str = "") -> T:
        """As `probe`, on the client whose socket waits longer than `timeouts.block_seconds`."""
        clients = self._link.clients()
        with self._link.watched(clients), _translated(clients.commands, self.where, key, expects):
            return act(clients.blocking)

    def check(self) -> None:
        """Raises SourceUnavailable where Redis does not answer."""
        self.probe(lambda client: client.ping())

    def close(self) -> None:
        """Closes the connections, and stops the embedded server if it is ours."""
        self._link.close()


@dataclass(frozen=True)
class Clients:
    """The two clients of one server."""

    commands: redis.Redis
    blocking: redis.Redis

    def close(self) -> None:
        self.commands.close()
        self.blocking.close()

    def forget(self) -> None:
        """Closes what nobody reads from: under another thread's read a closed socket is no lost connection."""
        for client in (self.commands, self.blocking):
            client.connection_pool.disconnect(inuse_connections=False)


class Link:
    """Makes the clients when they are first needed, and again when the embedded server was lost."""

    def __init__(
        self, connect: "Callable[[], tuple[Clients, EmbeddedServer | None]]", where: str, *, wait_seconds: float
    ) -> None:
        self.where = where
        self._connect = connect
        self._wait_seconds = wait_seconds
        self._guard = threading.Lock()  # two threads must not open the embedded server at once
        self._clients: Clients | None = None
        self._server: EmbeddedServer | None = None
        self._is_closed = False

    def clients(self) -> Clients:
        """Does not queue behind a thread that is opening the server for long: an answer is waited for."""
        if not self._guard.acquire(timeout=self._wait_seconds):
            raise SourceUnavailable(f"{self.where} is just being opened", "try again")
        try:
            if self._is_closed:
                raise SourceUnavailable(f"the connection to {self.where} was closed", "open it again")
            if self._clients is None:
                self._clients, self._server = self._connect()
            return self._clients
        finally:
            self._guard.release()

    @contextmanager
    def watched(self, clients: Clients) -> Iterator[None]:
        """Lets go of an embedded server that no longer answers, so that the next use opens it again."""
        try:
            yield
        except SourceUnavailable:
            with self._guard:
                is_lost = self._server is not None and not self._server.answers
                if is_lost and self._clients is clients:
                    clients.forget()
                    self._clients = None
                    self._let_go()
            raise

    def close(self) -> None:
        with self._guard:
            self._is_closed = True
            self._let_go()

    def _let_go(self) -> None:
        if self._clients is not None:
            self._clients.close()
        if self._server is not None:
            self._server.close()
        self._clients = self._server = None


def open_wire(
    redis_url: str, data_dir: Path, prefix: str = "amso", *, timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> RedisWire:
    """The wire of the settings: `embedded`, or redis://, rediss://, unix://. Connects at the first use.

    Raises:
        ConfigError: the URL cannot be understood, or nothing can be embedded on this system.
    """
    if redis_url == EMBEDDED:
        return RedisWire(_embedded(data_dir, timeouts), Keys(prefix), timeouts)
    clients = _clients(redis_url, timeouts)
    link = Link(lambda: (clients, None), without_password(redis_url), wait_seconds=timeouts.join_seconds)
    return RedisWire(link, Keys(prefix), timeouts)


def _embedded(data_dir: Path, timeouts: Timeouts) -> Link:
    if sys.platform == "win32":
        raise ConfigError("no Redis can be embedded on Windows", "give one with AMSO_REDIS_URL")
    from collection.embedded_server import open_embedded  # needs what Windows lacks

    def connect() -> "tuple[Clients, EmbeddedServer | None]":
        server = open_embedded(data_dir, wait_seconds=timeouts.join_seconds)
        return _clients(f"unix://{server.socket}", timeouts), server

    return Link(connect, f"the embedded Redis in {data_dir}", wait_seconds=timeouts.join_seconds)


def _clients(url: str, timeouts: Timeouts) -> Clients:
    commands = _client(url, timeouts, timeouts.command_seconds)
    return Clients(commands, _client(url, timeouts, timeouts.block_seconds + timeouts.block_margin_seconds))


def _client(url: str, timeouts: Timeouts, answer_seconds: float) -> redis.Redis:
    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=timeouts.connect_seconds,
            socket_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # the same shapes of answers whatever the version
            decode_responses=True,
            encoding_errors="surrogateescape",  # bytes that are no text fail validation, not the connection
        )
    except ValueError as error:
        # neither the URL nor the error is repeated: they may hold a password
        raise ConfigError(
            "the Redis URL cannot be used: it is no URL that is understood",
            "expected `embedded`, redis://HOST:PORT/DB, rediss://... or unix://PATH",
        ) from error


@contextmanager
def _translated(client: redis.Redis, where: str, key: str, expects: str) -> Iterator[None]:
    try:
        yield
    except redis.AuthenticationError as error:
        raise _refused(where, error) from error
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise SourceUnavailable(
            f"{where} does not answer: {_first_line(error)}", "check that it runs and can be reached"
        ) from error
    except redis.ResponseError as error:
        raise _response_error(client, where, key, expects, error) from error


def _response_error(client: redis.Redis, where: str, key: str, expects: str, error: redis.ResponseError) -> AmsoError:
    words = _first_line(error)
    if "WRONGTYPE" in words:
        return InvalidSnapshot(
            f"the Redis key {key} holds {_found(client, key)}, expected a {expects}",
            "remove or rename that key, or choose another `stores.prefix`",
        )
    if isinstance(error, redis.exceptions.NoPermissionError):
        return _refused(where, error)
    if isinstance(error, _NOT_NOW) or words.startswith(_NOT_NOW_WORDS):
        return SourceUnavailable(f"{where} cannot now: {words}", "it recovers by itself once the server can again")
    return InvalidSnapshot(f"{where} refused a command: {words}", "expected Redis 7 or newer, or Valkey")


def _refused(where: str, error: Exception) -> SourceUnavailable:
    return SourceUnavailable(
        f"{where} lets us not in: {_first_line(error)}", "set user and password in AMSO_REDIS_URL, and allow its keys"
    )


def _found(client: redis.Redis, key: str) -> str:
    try:
        kind: Any = client.type(key)  # redis-py types it as bytes too, which `decode_responses` rules out
        return f"a {kind}"
    except redis.RedisError:
        return "another type"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
