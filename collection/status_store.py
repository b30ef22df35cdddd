"""What is going on, for people who watch: one JSON text a name; implements `domain.ports.StatusBoard`."""

import json
from collections.abc import Mapping
from typing import Any

import redis

from collection.redis_store import RedisWire
from domain.canonical import canonical

KEEP_SECONDS = 86_400  # what nobody writes any more disappears


class RedisStatusBoard:
    """The names stand in a set of their own: a scan would visit every key of a shared Redis."""

    def __init__(self, wire: RedisWire, *, keep_seconds: int = KEEP_SECONDS) -> None:
        self._wire = wire
        self._keep_seconds = keep_seconds

    def write(self, name: str, data: Mapping[str, object]) -> None:
        text = canonical(data).decode()
        self._wire.command(lambda client: self._put(client, name, text))

    def read(self) -> Mapping[str, Mapping[str, object]]:
        """name -> what was written last. Something else at a name's key is shown as `unreadable`."""
        names = self._wire.keys.status_names
        return self._wire.command(self._get, key=names, expects="set")

    def _put(self, client: redis.Redis, name: str, text: str) -> None:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.set(self._wire.keys.status(name), text, ex=self._keep_seconds)
            pipeline.sadd(self._wire.keys.status_names, name)
            pipeline.execute()

    def _get(self, client: redis.Redis) -> Mapping[str, Mapping[str, object]]:
        found: Any = client.smembers(self._wire.keys.status_names)  # redis-py types it as a union
        names = sorted(found)
        if not names:
            return {}
        values: Any = client.mget([self._wire.keys.status(name) for name in names])
        old = [name for name, value in zip(names, values, strict=True) if value is None]
        if old:
            client.srem(self._wire.keys.status_names, *old)
        return {name: _data(value) for name, value in zip(names, values, strict=True) if value is not None}


def _data(text: str) -> Mapping[str, object]:
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"unreadable": text[:200]}
