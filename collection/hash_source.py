"""Source `redis_hash`: every hash whose key matches a pattern, as of now."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import redis

from collection.envelope import raw_text
from collection.raw_records import RawRecord, SourceItem, SourceItems, renamed
from collection.redis_store import RedisWire
from config.sources import RedisHashSource
from domain.errors import InvalidSnapshot
from domain.records import QuarantinedRecord

BATCH = 500  # keys a round trip
NOT_A_HASH = "key holds no hash"
VANISHED = "key vanished while it was read"
_GLOB = re.compile(r"[*?\[\\]")


def read_hashes(wire: RedisWire, source: RedisHashSource) -> SourceItems:
    """One record a key; where no column gives the `unit_id`, the part of the key that the pattern leaves open does.

    Raises:
        SourceUnavailable: Redis does not answer.
        InvalidSnapshot: no key matches.
    """
    keys = _matching(wire, source.pattern)
    n_keys = 0
    while batch := list(islice(keys, BATCH)):
        yield from wire.command(lambda client: _read(client, source, batch, n_keys))  # noqa: B023 # called at once
        n_keys += len(batch)
    if not n_keys:
        raise InvalidSnapshot(
            f"no key of {wire.where} matches {source.pattern}", "check the pattern, and the database in AMSO_REDIS_URL"
        )


def _matching(wire: RedisWire, pattern: str) -> Iterator[str]:
    """SCAN may name a key more than once."""
    seen: set[str] = set()
    cursor = 0
    while True:
        answer: Any = wire.command(lambda client: client.scan(cursor, match=pattern, count=BATCH))  # noqa: B023 # as above
        cursor, keys = answer
        fresh = [key for key in dict.fromkeys(keys) if key not in seen]
        seen.update(fresh)
        yield from fresh
        if not cursor:
            return


def _read(client: redis.Redis, source: RedisHashSource, keys: Sequence[str], start: int) -> Sequence[SourceItem]:
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hgetall(key)
        answers = pipeline.execute(raise_on_error=False)  # one key of another type costs only itself
    return [_item(source, key, start + i, answer) for i, (key, answer) in enumerate(zip(keys, answers, strict=True))]


def _item(source: RedisHashSource, key: str, row: int, answer: Any) -> SourceItem:  # noqa: ANN401 # as redis-py answers
    if isinstance(answer, redis.ResponseError) and "WRONGTYPE" in str(answer):
        return QuarantinedRecord(key, row, NOT_A_HASH, raw_text({"key": key}))
    if isinstance(answer, redis.RedisError):
        raise answer
    if not answer:
        return QuarantinedRecord(key, row, VANISHED, raw_text({"key": key}))
    fields = renamed(answer, source.columns)
    return RawRecord(key, row, {"unit_id": _open_part(source.pattern, key)} | fields, is_text=True)


def _open_part(pattern: str, key: str) -> str:
    """
    >>> _open_part("user:*:profile", "user:42:profile")
    '42'
    """
    literals = _GLOB.split(pattern)
    suffix = "" if "]" in pattern or "\\" in pattern else literals[-1]
    return key.removeprefix(literals[0]).removesuffix(suffix)
