"""Appends to Redis streams; implements `domain.ports.Publisher`. Streams are cut by `trim_store`, never by MAXLEN."""

from collections.abc import Sequence
from typing import Any

import redis

from collection.redis_store import RedisWire
from domain.errors import InvalidSnapshot
from domain.records import OutboxEntry


class RedisPublisher:
    """`OutboxEntry.stream` is the whole key."""

    def __init__(self, wire: RedisWire) -> None:
        self._wire = wire

    def publish(self, entries: Sequence[OutboxEntry]) -> None:
        """See `domain.ports.Publisher.publish`. A key of another type is refused before anything is appended.

        Raises:
            SourceUnavailable: no answer, after several tries; some may have been appended.
            InvalidSnapshot: a key holds no stream.
        """
        if entries:
            self._wire.command(lambda client: _append(client, entries))


def _append(client: redis.Redis, entries: Sequence[OutboxEntry]) -> None:
    _refuse_other_types(client, sorted({entry.stream for entry in entries}))
    with client.pipeline(transaction=False) as pipeline:
        for entry in entries:
            fields: dict[Any, Any] = dict(entry.fields)  # redis-py asks for all that it would encode
            pipeline.xadd(entry.stream, fields)
        # pipeline errors would repeat the whole command, with personal data: the bare answers are looked at instead
        for answer in pipeline.execute(raise_on_error=False):
            if isinstance(answer, redis.RedisError):
                raise _bare(answer)


def _bare(error: redis.RedisError) -> redis.RedisError:
    """Without redis-py's `Command # 3 (XADD ...) of pipeline caused error: `."""
    return type(error)(str(error).rpartition("caused error: ")[2])


def _refuse_other_types(client: redis.Redis, keys: Sequence[str]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.type(key)
        for key, found in zip(keys, pipeline.execute(), strict=True):
            if found not in ("none", "stream"):
                raise InvalidSnapshot(
                    f"the Redis key {key} holds a {found}, expected a stream",
                    "remove or rename that key, or choose another `stores.prefix`",
                )
