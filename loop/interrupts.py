"""Ctrl-C while something is learned: the first asks for an orderly end, the second ends at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SAID = b"\nstopping after this period; Ctrl-C again ends at once\n"


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed inside the block; the handler that was there comes back after it.

    Only the main thread receives signals; elsewhere nobody asks.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    n_asked = 0

    def ask(_number: int, _frame: object) -> None:
        nonlocal n_asked
        n_asked += 1
        if n_asked > 1:
            raise KeyboardInterrupt
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, SAID)  # a buffered stream may be in use right now

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: n_asked > 0
    finally:
        signal.signal(signal.SIGINT, before)
