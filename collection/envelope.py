"""What every stream entry carries around its body (DESIGN section 5), read strictly, and written for producers."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from collection.bodies import KINDS, body_data, kind_of
from collection.body_reader import checked_text
from config.known_keys import suggest
from domain.canonical import content_hash
from domain.errors import InvalidRecord
from domain.events import Body, Envelope, StreamEntry

FIELDS = ("id", "producer", "seq", "at", "type", "body")
MAX_SEQ = 2**63 - 1  # what a database counts to


def parse_envelope(entry: StreamEntry) -> Envelope:
    """The entry's fields, checked; the body is still plain data.

    Raises:
        InvalidRecord: the reason is the same for all records with this fault.
    """
    fields = entry.fields
    for name in fields:
        if name not in FIELDS:
            raise InvalidRecord(f"unknown field{suggest(name, FIELDS)}", f"expected {', '.join(FIELDS)}")
    return Envelope(
        event_id=_text(fields, "id"),
        producer=_text(fields, "producer"),
        seq=_seq(fields.get("seq")),
        at=parse_time(_text(fields, "at")),
        kind=_kind(_text(fields, "type")),
        body=parse_json_object(_given(fields, "body"), "`body`"),
    )


def entry_fields(body: Body, *, event_id: str, producer: str, at: datetime, seq: int | None = None) -> dict[str, str]:
    """The inverse, with `parse_body`: what a producer appends to the stream."""
    text = json.dumps(body_data(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    fields = {"id": event_id, "producer": producer, "at": at.isoformat(), "type": kind_of(body), "body": text}
    return fields if seq is None else fields | {"seq": str(seq)}


def body_hash(envelope: Envelope) -> str:
    """Tells a repeated entry from another one under the same id."""
    return content_hash({"type": envelope.kind, "body": envelope.body})


def raw_text(fields: Mapping[str, object]) -> str:
    """A record as the quarantine keeps it: JSON in plain ASCII, whatever it holds."""
    return json.dumps({name: _plain(value) for name, value in fields.items()}, default=str)


def parse_time(text: str) -> datetime:
    """ISO 8601 with a time zone, as UTC.

    Raises:
        InvalidRecord: unreadable, or without a zone.
    """
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRecord("`at` is not an ISO 8601 time") from error
    raise InvalidRecord("`at` has no time zone")


def parse_json_object(text: str, place: str) -> Mapping[str, object]:
    """A JSON object, strictly: no key twice, no NaN, no half characters.

    Raises:
        InvalidRecord: anything else.
    """
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
        json.dumps(data, ensure_ascii=False).encode()  # half a character has no bytes
    except InvalidRecord as error:
        raise InvalidRecord(f"{place} {error.message}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRecord(f"{place} is not JSON") from error
    if not isinstance(data, dict):
        raise InvalidRecord(f"{place} is not a JSON object")
    return data


def _given(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise InvalidRecord(f"`{name}` is missing")
    return fields[name]


def _text(fields: Mapping[str, str], name: str) -> str:
    return checked_text(_given(fields, name), f"`{name}`")


def _seq(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_SEQ):
        raise InvalidRecord("`seq` is not a whole number from 0 to 2^63 - 1")
    return int(text)


def _kind(text: str) -> str:
    if text not in KINDS:
        raise InvalidRecord(f"unknown type{suggest(text, KINDS)}", f"expected {', '.join(KINDS)}")
    return text


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    data: dict[str, object] = {}
    for key, value in pairs:
        if key in data:
            raise InvalidRecord("has a key twice")
        data[key] = value
    return data


def _no_constant(_text: str) -> object:
    raise InvalidRecord("holds NaN or an infinity")


def _plain(value: object) -> object:
    """JSON has no NaN and no infinity."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
