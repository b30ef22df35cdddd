"""What changes while people look: read at most once a second for all of them, sent only where it differs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from anyio import to_thread

SECONDS = 0.7  # between two readings: a change is on every page within a second
KEEP_ALIVE_SECONDS = 15.0
REST = 4  # times as long as a reading took, so that a big database has time for others


class Feed:
    """Event name -> HTML, as of the last reading; every page that listens gets what is new to it.

    Reading begins with the first listener and ends with the last. Lives in one event loop.
    """

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read = read
        self._current: Mapping[str, str] = {}
        self._has_changed = asyncio.Condition()
        self._n_listeners = 0
        self._reader: asyncio.Task[None] | None = None
        self._is_closed = False

    async def listen(self, is_allowed: Callable[[], bool]) -> AsyncIterator[str]:
        """Server-sent events until the listener leaves, is no longer allowed, or the feed is closed."""
        self._n_listeners += 1
        if self._reader is None:
            self._reader = asyncio.create_task(self._keep_reading())
        sent: dict[str, str] = {}
        try:
            yield ": here\n\n"
            while not self._is_closed:
                news = {name: html for name, html in self._current.items() if sent.get(name) != html}
                if not await to_thread.run_sync(is_allowed):
                    return
                sent |= news
                yield "".join(event(name, html) for name, html in news.items()) or ": still here\n\n"
                await self._wait(sent)
        finally:
            self._leave()

    async def close(self) -> None:
        """Ends every listener's stream at once."""
        self._is_closed = True
        async with self._has_changed:
            self._has_changed.notify_all()

    async def _wait(self, sent: Mapping[str, str]) -> None:
        """Until something is new to who has got `sent`, or it is time for a sign of life."""

        def is_news() -> bool:
            return self._is_closed or any(sent.get(name) != html for name, html in self._current.items())

        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS), self._has_changed:
                await self._has_changed.wait_for(is_news)
        except TimeoutError:
            pass

    async def _keep_reading(self) -> None:
        while not self._is_closed:
            began = time.monotonic()
            found = await to_thread.run_sync(self._read)
            pause = max(SECONDS, REST * (time.monotonic() - began))
            if found != self._current:
                self._current = found
                async with self._has_changed:
                    self._has_changed.notify_all()
            await asyncio.sleep(pause)

    def _leave(self) -> None:
        self._n_listeners -= 1
        if self._n_listeners == 0 and self._reader is not None:
            self._reader.cancel()
            self._reader, self._current = None, {}


def event(name: str, html: str) -> str:
    """One server-sent event.

    >>> event("halts", "<p>\\nnone</p>")
    'event: halts\\ndata: <p>\\ndata: none</p>\\n\\n'
    """
    data = "\n".join(f"data: {line}" for line in html.splitlines() or [""])
    return f"event: {name}\n{data}\n\n"
