"""Waiting for a store that does not answer: said once when it goes, once when it is back, tried again in between."""

import time
from collections.abc import Callable
from typing import TypeVar

from domain.errors import SourceUnavailable

PAUSE_SECONDS = 0.5
T = TypeVar("T")


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
