"""A real Valkey inside a data dir: one server however many processes use it, gone when its owner is gone.

Two locks, both released by the kernel whatever dies when:
`owner.lock` is held by the process that started the server; `server.lock` is inherited by the server itself. Whoever
gets the first is the next owner, and starts a server only once the second is free: two never write the same file.
Everyone else joins by `server.json`. The append-only file survives; `everysec` may lose the last second if the
machine or the server itself is killed.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

from collection.file_lock import FileLock
from collection.server_process import Reply, ServerProcess, ask, find_server
from domain.errors import ConfigError, InvalidSnapshot, SourceUnavailable

MAX_SOCKET_PATH = 100  # bytes; the kernel takes 104 (macOS) or 108 (Linux)
START_SECONDS = 15.0  # for our own server to answer; it takes a tenth of a second, and reading a long file extends it
PREDECESSOR_SECONDS = 3.0  # what a server whose owner was killed takes to end, with room
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class ServerPlace:
    """Where the server of a data dir keeps its files."""

    folder: Path

    @property
    def owner_lock(self) -> Path:
        return self.folder / "owner.lock"

    @property
    def server_lock(self) -> Path:
        return self.folder / "server.lock"

    @property
    def note(self) -> Path:
        return self.folder / "server.json"

    @property
    def config(self) -> Path:
        return self.folder / "valkey.conf"

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    @property
    def short_folder(self) -> Path:
        """Outside the data dir, where its own path is too long for a socket."""
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"amso-{digest}"

    @property
    def socket(self) -> Path:
        inside = self.folder / "valkey.sock"
        return inside if len(os.fsencode(inside)) <= MAX_SOCKET_PATH else self.short_folder / "valkey.sock"


class EmbeddedServer:
    """A server that answers at `socket`; ours to stop, or another process's that we joined."""

    def __init__(self, socket: Path, process: ServerProcess | None = None) -> None:
        self.socket = socket
        self._process = process
        # whoever forgets to close leaves nothing behind when the program ends
        self._stop = weakref.finalize(self, _stop_own, process, os.getpid())

    @property
    def is_owner(self) -> bool:
        return self._process is not None

    @property
    def answers(self) -> bool:
        return ask(self.socket) is not Reply.NOTHING

    def close(self) -> None:
        """Stops the server if it is ours."""
        self._stop()


def open_embedded(data_dir: Path, *, wait_seconds: float = 10.0) -> EmbeddedServer:
    """Joins the server of a data dir, or starts it.

    Args:
        data_dir: what is kept lies in its folder `redis`.
        wait_seconds: how long another process may hold the data dir without a server that answers; starting our own
            takes what it takes.

    Raises:
        ConfigError: no server program, or the folder cannot be written.
        InvalidSnapshot: the server refuses its own files.
        SourceUnavailable: another process holds the data dir, and its server does not answer.
    """
    place = _place(data_dir)
    give_up_at = time.monotonic() + wait_seconds
    while True:
        lock = FileLock.take(place.owner_lock)
        if lock is not None:
            return _start(place, lock)
        socket = _noted_socket(place)
        if socket is not None and ask(socket) is Reply.PONG:
            return EmbeddedServer(socket)
        if time.monotonic() > give_up_at:
            raise SourceUnavailable(
                f"another process holds the embedded Redis in {place.folder}, and no server answers there",
                "wait for it to start, or end that process",
            )
        time.sleep(POLL_SECONDS)


def _place(data_dir: Path) -> ServerPlace:
    place = ServerPlace(data_dir.resolve() / "redis")
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        place.folder.chmod(0o700)
    except OSError as error:
        raise ConfigError(
            f"the folder {place.folder} of the embedded Redis cannot be used: {error.strerror}",
            "expected a folder of one's own: set AMSO_DATA_DIR, or give a Redis with AMSO_REDIS_URL",
        ) from error
    return place


def _start(place: ServerPlace, lock: FileLock) -> EmbeddedServer:
    try:
        server_lock = _after_predecessor(place)
        try:
            process = _launch(place, lock, server_lock)
        finally:
            server_lock.release()  # the server has inherited it
    except BaseException:
        lock.release()
        raise
    server = EmbeddedServer(place.socket, process)
    try:
        _await_answer(place, process)
        _write_atomically(place.note, json.dumps({"socket": str(place.socket), "pid": process.pid}))
    except BaseException:
        server.close()
        raise
    return server


def _launch(place: ServerPlace, lock: FileLock, server_lock: FileLock) -> ServerProcess:
    program = find_server()
    _forget(place)
    if place.socket.parent != place.folder:
        _make_private(place.socket.parent)
    _write_atomically(place.config, _config(place))

    def release() -> None:
        _forget(place)
        lock.release()  # also where the server ended by itself: the next who needs it starts it

    return ServerProcess([program, str(place.config)], log=place.log, lock=server_lock.descriptor, on_end=release)


def _config(place: ServerPlace) -> str:
    settings = {
        "port": "0",
        "unixsocket": _quoted(place.socket),
        "unixsocketperm": "700",
        "dir": _quoted(place.folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "set-proc-title": "no",  # keeps the path of this file on the command line, by which it is recognised
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _await_answer(place: ServerPlace, process: ServerProcess) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while (reply := ask(place.socket)) is not Reply.PONG:
        if not process.is_running:
            raise InvalidSnapshot(
                f"the embedded Redis in {place.folder} ended at once: {_last_line(place.log)}",
                f"see {place.log}; a damaged file is mended with valkey-check-aof --fix, or moved away",
            )
        if reply is Reply.LOADING:
            give_up_at = time.monotonic() + START_SECONDS
        if time.monotonic() > give_up_at:
            raise SourceUnavailable(
                f"the embedded Redis in {place.folder} did not answer within {START_SECONDS:g} s", f"see {place.log}"
            )
        time.sleep(POLL_SECONDS)


def _after_predecessor(place: ServerPlace) -> FileLock:
    """The server's own lock, once the server of a killed owner has ended. Where nobody told it to, we do (macOS)."""
    lock = FileLock.take(place.server_lock, wait_seconds=PREDECESSOR_SECONDS)
    for order in (signal.SIGTERM, signal.SIGKILL):
        if lock is None:
            _signal_predecessor(place, order)
            lock = FileLock.take(place.server_lock, wait_seconds=PREDECESSOR_SECONDS)
    if lock is None:
        raise SourceUnavailable(
            f"an earlier server still holds {place.folder}", f"end the process whose id stands in {place.server_lock}"
        )
    return lock


def _signal_predecessor(place: ServerPlace, order: signal.Signals) -> None:
    words = place.server_lock.read_text()
    if words.isdigit() and str(place.config) in _command_line(int(words)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(words), order)


def _command_line(pid: int) -> str:
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            return ""
    command = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]  # macOS has no /proc
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603


def _noted_socket(place: ServerPlace) -> Path | None:
    try:
        note = json.loads(place.note.read_text())
    except (OSError, ValueError):
        return None
    return Path(note["socket"]) if isinstance(note, dict) and isinstance(note.get("socket"), str) else None


def _forget(place: ServerPlace) -> None:
    """Removes what says that a server runs here; its data stay."""
    place.note.unlink(missing_ok=True)
    place.socket.unlink(missing_ok=True)
    place.config.unlink(missing_ok=True)
    if place.socket.parent == place.short_folder:
        with contextlib.suppress(OSError):
            place.short_folder.rmdir()


def _make_private(folder: Path) -> None:
    """A folder only we can enter. One that somebody else made in a shared place is refused."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigError(
            f"{folder} is not a private folder of this user", "remove it, or set TMPDIR to a folder of one's own"
        )


def _stop_own(process: ServerProcess | None, owner: int) -> None:
    if process is not None and os.getpid() == owner:  # not in a child forked from the owner
        process.stop()


def _write_atomically(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(text)
    part.chmod(0o600)
    part.replace(path)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1] if lines else "it wrote nothing"
