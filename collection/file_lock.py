"""A lock that the kernel gives back whatever dies when: an exclusive flock on a file."""

import fcntl
import os
import threading
import time
import weakref
from pathlib import Path

POLL_SECONDS = 0.01


class FileLock:
    """Held from `take` until `release`, or until every process that has its descriptor is gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._guard = threading.Lock()
        self._is_held = True
        _held.add(self)

    @classmethod
    def take(cls, path: Path, *, wait_seconds: float = 0.0) -> "FileLock | None":
        """None where somebody else holds it that long."""
        give_up_at = time.monotonic() + wait_seconds
        while (descriptor := _try(path)) is None:
            if time.monotonic() >= give_up_at:
                return None
            time.sleep(POLL_SECONDS)
        return cls(descriptor)

    def release(self) -> None:
        """Closes our descriptor; a child that inherited it keeps the lock. A second call does nothing."""
        with self._guard:
            if self._is_held:
                self._is_held = False
                os.close(self.descriptor)


def _try(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _release_in_child() -> None:
    """A forked child must not keep its parent's locks alive."""
    for lock in list(_held):
        lock.release()


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()
os.register_at_fork(after_in_child=_release_in_child)
