"""Rows of tables, hashes and JSON objects as envelopes: the one shape in which everything is taken in.

Of a customer every column but `unit_id` and `at` is a feature; of the other contents only the known columns count.
A customer without its own time is as of when it was read; everything else must say when it happened. The id of the
event is a hash of source, time and content, so that reading the same rows again adds nothing.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

from collection.bodies import keys_of
from collection.envelope import parse_time
from collection.raw_records import RawRecord
from config.sources import Content
from domain.canonical import content_hash
from domain.errors import InvalidRecord
from domain.events import Envelope

_IDS = frozenset({"unit_id", "outcome_id", "decision_id", "corrects", "series", "account", "metric"})
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_SECONDS_A_DAY = 86_400


def row_envelope(record: RawRecord, content: Content, *, producer: str, read_at: datetime) -> Envelope:
    """One row as the event it tells of; `parse_body` reads it on.

    Raises:
        InvalidRecord: no readable time where one is needed, a value of an unknown type.
    """
    given = {name: value for name, value in record.fields.items() if not _is_missing(value)}
    at = _at(given.pop("at", None), content, read_at)
    is_customer = content is Content.CUSTOMER
    body = _customer(given, record.is_text) if is_customer else _known(given, content.value)
    key = content_hash({"producer": producer, "at": at, "type": content.value, "body": body})
    return Envelope(f"row-{key[:32]}", producer, None, at, content.value, body)


def _customer(given: Mapping[str, object], is_text: bool) -> dict[str, object]:
    columns = {name: value for name, value in given.items() if name not in ("unit_id", "features")}
    nested = given.get("features")
    if isinstance(nested, Mapping):  # a JSON object may have the form of a body
        columns = dict(nested) | columns
    elif nested is not None:
        columns["features"] = nested
    features = {name: _feature(value, is_text) for name, value in columns.items()}
    return {"unit_id": _id(given.get("unit_id")), "features": features}


def _known(given: Mapping[str, object], kind: str) -> dict[str, object]:
    known = {name: given[name] for name in keys_of(kind) if name in given}
    return {name: _id(value) if name in _IDS else _value(value) for name, value in known.items()}


def _at(value: object, content: Content, read_at: datetime) -> datetime:
    if value is None:
        if content is Content.CUSTOMER:
            return read_at
        raise InvalidRecord(f"{content.value}: `at` is missing")
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if not isinstance(value, str):
        raise InvalidRecord("`at` is not an ISO 8601 time")
    return _utc(_table_time(value))


def _table_time(text: str) -> datetime:
    """Tables often keep times without a zone: then UTC, as in decision logs."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parse_time(text)  # says what is wrong


def _utc(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidRecord("`at` is not an ISO 8601 time") from error


def _id(value: object) -> object:
    """Ids compare as text: 7, 7.0 and "7" are one."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, Decimal, UUID)) and not isinstance(value, bool):
        return str(value)
    return _value(value)


def _feature(value: object, is_text: bool) -> object:
    if isinstance(value, str):
        return _from_text(value) if is_text else value
    if isinstance(value, datetime):
        return _utc(value).timestamp() / _SECONDS_A_DAY  # as decision logs have it: days since 1970, UTC
    if isinstance(value, date):
        return float((value - date(1970, 1, 1)).days)
    return float(value) if isinstance(value, Decimal) else _value(value)


def _from_text(text: str) -> object:
    """A number where it is written like one; `007` and `1e9999` stay text."""
    if not _NUMBER.fullmatch(text):
        return {"true": True, "false": False}.get(text, text)
    number = float(text)
    return number if math.isfinite(number) else text


def _value(value: object) -> object:
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise InvalidRecord("a column is neither text, number, flag nor time")


def _is_missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
