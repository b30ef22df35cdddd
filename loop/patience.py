"""Waiting for a store that does not answer: said once when it goes, once when it is back, tried again in between."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from domain.errors import SourceUnavailable

PAUSE_SECONDS = 0.5
T = TypeVar("T")


@contextmanager
def ends_on_request() -> Iterator[None]:
    """SIGTERM ends the block like Ctrl-C, also where a shell made the process deaf to SIGINT; restored afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def patiently(act: Callable[[], T], tell: Callable[[str], None], *, pause_seconds: float = PAUSE_SECONDS) -> T:
    """What `act` returns once it succeeds. Nothing is lost meanwhile: what was not committed comes again."""
    is_away = False
    while True:
        try:
            result = act()
        except SourceUnavailable as error:
            if not is_away:
                tell(f"{error.message}; waiting for it")
                is_away = True
            time.sleep(pause_seconds)
        else:
            if is_away:
                tell("it answers again")
            return result
