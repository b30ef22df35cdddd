"""The halt latch as every worker sees it: a hash of scope -> reason; implements `domain.ports.HaltMirror`."""

from collections.abc import Mapping, Sequence
from typing import cast

import redis

from collection.redis_store import RedisWire
from domain.errors import InvalidSnapshot, SourceUnavailable
from domain.proposals import Halt


class RedisHaltMirror:
    """SQL is the truth; this answers in microseconds, and halts too where only it says so."""

    def __init__(self, wire: RedisWire) -> None:
        self._wire = wire
        self._key = wire.keys.halt

    def read(self) -> Mapping[str, str]:
        """scope -> reason. Tries once, because a customer waits.

        Raises:
            SourceUnavailable: no answer, or something else stands at the key.
        """
        try:
            found = self._wire.probe(lambda client: client.hgetall(self._key), key=self._key, expects="hash")
        except InvalidSnapshot as error:
            hint = "`write` puts the latch there again; `amso live` does so when it starts"
            raise SourceUnavailable(error.message, hint) from error
        return cast(Mapping[str, str], found)

    def write(self, halts: Sequence[Halt]) -> None:
        """Makes it say exactly this, whatever stood there; nobody sees anything in between."""
        self._wire.command(lambda client: self._replace(client, halts))

    def _replace(self, client: redis.Redis, halts: Sequence[Halt]) -> None:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(self._key)
            for halt in halts:
                pipeline.hset(self._key, halt.scope, halt.reason)
            pipeline.execute()
