"""Waits for several streams at once, so that a reader of many reacts to each of them without delay."""

from collections.abc import Sequence
from typing import Any

import redis

from collection.redis_store import RedisWire
from collection.stream_source import START, STREAM
from domain.errors import SourceUnavailable


class StreamWatch:
    """Tells that something was appended; reading it is up to the consumers, which then do not block.

    The ids it waits beyond are noted before it answers, hence before the consumers look: nothing falls in between.
    """

    def __init__(self, wire: RedisWire, keys: Sequence[str]) -> None:
        self._wire = wire
        self._keys = tuple(keys)
        self._after: dict[str, str] = {}

    def wait(self, *, block_seconds: float) -> bool:
        """True as soon as a stream has got an entry since the last answer; the first call answers at once.

        Raises:
            SourceUnavailable: no answer.
            InvalidSnapshot: a key holds no stream.
        """
        try:
            has_news = not self._after or bool(self._wire.blocking(lambda client: self._news(client, block_seconds)))
            if has_news:
                self._after = {key: self._last_id(key) for key in self._keys}
        except SourceUnavailable:
            self._after = {}  # the next call answers at once, and everything is looked at
            raise
        return has_news

    def _news(self, client: redis.Redis, block_seconds: float) -> object:
        milliseconds = round(min(block_seconds, self._wire.timeouts.block_seconds) * 1000)
        after: Any = self._after  # redis-py asks for every type that it would encode
        return client.xread(after, count=1, block=max(1, milliseconds))  # 0 would wait for ever

    def _last_id(self, key: str) -> str:
        return self._wire.command(lambda client: _last_id(client, key), key=key, expects=STREAM)


def _last_id(client: redis.Redis, key: str) -> str:
    if not client.exists(key):
        return START
    info: Any = client.xinfo_stream(key)  # redis-py types it as a union
    return str(info["last-generated-id"])
