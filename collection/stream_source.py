"""One consumer of one group of one Redis stream; implements `domain.ports.EventStream`.

Nothing is handed out and forgotten: a read gives first what this consumer holds unacknowledged (after a crash, or
because its handling failed), then what others left longer than `claim_idle_seconds`, then what is new. Delivery counts
tell poison. An entry that was trimmed while it was pending exists no more: `take_lost` names it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import redis

from collection.redis_store import RedisWire
from domain.errors import SourceUnavailable
from domain.events import StreamEntry

T = TypeVar("T")
START = "0-0"
STREAM = "stream"
Raw = tuple[str, Mapping[str, str]]  # entry id, fields; no fields where the entry exists no more


class RedisStream:
    """A consumer; its name must be one that no other living process uses."""

    def __init__(
        self, wire: RedisWire, key: str, *, group: str, consumer: str, claim_idle_seconds: float = 30.0
    ) -> None:
        self._wire = wire
        self._key = key
        self._group = group
        self._consumer = consumer
        self._claim_idle_seconds = claim_idle_seconds
        self._claim_at = 0.0  # of the monotonic clock
        self._claim_from = START
        self._has_group = False
        self._may_hold = True  # entries that were handed to us and not acknowledged
        self._held: set[str] = set()
        self._lost: list[str] = []

    @property
    def name(self) -> str:
        return self._key

    def read(self, *, block_seconds: float, limit: int = 256) -> Sequence[StreamEntry]:
        """See `domain.ports.EventStream.read`.

        Raises:
            SourceUnavailable: no answer; the next read starts again with what we hold.
            InvalidSnapshot: the key holds no stream.
        """
        give_up_at = time.monotonic() + block_seconds
        while True:
            left = max(0.0, give_up_at - time.monotonic())
            found = self._own(limit) or self._claimed(limit) or self._new(left, limit)
            if found or time.monotonic() >= give_up_at:
                return found

    def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        ids = [entry.entry_id for entry in entries]
        if ids:
            self._wire.command(lambda client: client.xack(self._key, self._group, *ids), key=self._key, expects=STREAM)
            self._held.difference_update(ids)

    def take_lost(self) -> Sequence[str]:
        """Ids of entries that were removed from the stream before anyone acknowledged them; each is told once."""
        lost, self._lost = self._lost, []
        return lost

    def close(self) -> None:
        """Leaves the group, unless something is still pending here: another consumer takes that over first."""
        self._wire.command(self._leave, key=self._key, expects=STREAM)

    def _own(self, limit: int) -> Sequence[StreamEntry]:
        if not (self._may_hold or self._held):
            return ()
        entries: Sequence[Raw] = ()
        while not entries:
            pending = self._ask(lambda client: self._read_group(client, START, limit))
            self._may_hold = bool(pending)  # there may be more than `limit`
            if not pending:
                break
            entries = self._live(pending)
        self._held = {entry_id for entry_id, _ in entries}
        return self._counted(entries)

    def _claimed(self, limit: int) -> Sequence[StreamEntry]:
        now = time.monotonic()
        if now < self._claim_at and self._claim_from == START:
            return ()
        idle = int(self._claim_idle_seconds * 1000)
        # XAUTOCLAIM forgets the entries that no longer exist; only this answer names them
        following, entries, gone = self._ask(
            lambda client: client.xautoclaim(
                self._key, self._group, self._consumer, idle, start_id=self._claim_from, count=limit
            )
        )
        self._claim_from = following
        self._claim_at = now + self._claim_idle_seconds / 4
        self._lost += gone
        self._held |= {entry_id for entry_id, _ in entries}
        return self._counted(entries)

    def _new(self, block_seconds: float, limit: int) -> Sequence[StreamEntry]:
        slice_seconds = min(block_seconds, self._wire.timeouts.block_seconds, max(self._claim_idle_seconds, 0.1))
        block = max(1, round(slice_seconds * 1000)) if slice_seconds > 0 else None  # 0 would wait for ever
        entries = self._ask(lambda client: self._read_group(client, ">", limit, block))
        self._held |= {entry_id for entry_id, _ in entries}
        return [StreamEntry(entry_id, fields) for entry_id, fields in entries]

    def _ask(self, act: Callable[[redis.Redis], T]) -> T:
        """One question to the group, which is made where there is none."""
        try:
            return self._wire.blocking(lambda client: self._in_group(client, act), key=self._key, expects=STREAM)
        except SourceUnavailable:
            self._may_hold = True  # the answer may have been on its way
            raise

    def _in_group(self, client: redis.Redis, act: Callable[[redis.Redis], T]) -> T:
        if not self._has_group:
            self._make_group(client)
        try:
            return act(client)
        except redis.ResponseError as error:
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):  # somebody removed the stream or the group
                raise
        self._make_group(client)
        return act(client)

    def _make_group(self, client: redis.Redis) -> None:
        try:
            client.xgroup_create(self._key, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self._has_group = True

    def _read_group(self, client: redis.Redis, after: str, limit: int, block: int | None = None) -> Sequence[Raw]:
        # redis-py types every answer as a union of all its shapes
        answer: Any = client.xreadgroup(self._group, self._consumer, {self._key: after}, count=limit, block=block)
        return answer[0][1] if answer else ()

    def _live(self, entries: Sequence[Raw]) -> Sequence[Raw]:
        """Without those that exist no more: they are noted as lost and acknowledged, or they would come for ever."""
        gone = [entry_id for entry_id, fields in entries if not fields]
        if gone:
            self._lost += [entry_id for entry_id in gone if entry_id not in self._lost]
            self._ask(lambda client: client.xack(self._key, self._group, *gone))
        return [(entry_id, fields) for entry_id, fields in entries if fields]

    def _counted(self, entries: Sequence[Raw]) -> Sequence[StreamEntry]:
        """With how often each was delivered. All lie between the first and the last of our own pending ones."""
        if not entries:
            return ()
        first, last = entries[0][0], entries[-1][0]
        pending: Any = self._ask(
            lambda client: client.xpending_range(
                self._key, self._group, first, last, count=len(entries), consumername=self._consumer
            )
        )
        times = {row["message_id"]: row["times_delivered"] for row in pending}
        return [StreamEntry(entry_id, fields, times.get(entry_id, 1)) for entry_id, fields in entries]

    def _leave(self, client: redis.Redis) -> None:
        try:
            if not client.xpending_range(self._key, self._group, "-", "+", count=1, consumername=self._consumer):
                client.xgroup_delconsumer(self._key, self._group, self._consumer)
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
