"""Source `redis_json`: a string key that holds a JSON object, or a list of objects."""

import json
from typing import Any

from collection.envelope import raw_text
from collection.raw_records import RawRecord, SourceItem, SourceItems, renamed
from collection.redis_store import RedisWire
from config.sources import RedisJsonSource
from domain.errors import InvalidSnapshot
from domain.records import QuarantinedRecord

NOT_AN_OBJECT = "entry is not a JSON object"


def read_json_key(wire: RedisWire, source: RedisJsonSource) -> SourceItems:
    """One record an object.

    Raises:
        SourceUnavailable: Redis does not answer.
        InvalidSnapshot: no such key, another type, no JSON.
    """
    text: Any = wire.command(lambda client: client.get(source.key), key=source.key, expects="string")
    if text is None:
        raise InvalidSnapshot(
            f"{wire.where} has no key {source.key}", "check the name, and the database in AMSO_REDIS_URL"
        )
    found = _parse(source.key, text)
    entries = found if isinstance(found, list) else [found]
    return (_item(source, row, entry) for row, entry in enumerate(entries))


def _parse(key: str, text: str) -> object:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidSnapshot(
            f"the Redis key {key} holds no JSON: {error}", "expected one object or a list of objects, written whole"
        ) from error


def _item(source: RedisJsonSource, row: int, entry: object) -> SourceItem:
    if isinstance(entry, dict):
        return RawRecord(source.key, row, renamed(entry, source.columns))
    return QuarantinedRecord(source.key, row, NOT_AN_OBJECT, raw_text({"entry": entry}))


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
