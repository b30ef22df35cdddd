"""Column types that mean the same on SQLite and PostgreSQL."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import JSON, DateTime, Dialect, Float, String
from sqlalchemy.types import TypeDecorator

from domain.errors import InvalidSnapshot

Json = dict[str, Any]  # whatever JSON holds
Value = TypeVar("Value")


class UtcDateTime(TypeDecorator[datetime]):
    """SQLite forgets time zones: written as UTC, read as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 # SQLAlchemy's
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"found the naive datetime {value.isoformat()}, expected an aware one")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 # SQLAlchemy's
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """Text on both engines: every digit and the exponent come back. SQL neither compares nor sums it."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002 # SQLAlchemy's
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise TypeError(f"found {value!r}, expected a finite Decimal")
        return str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 # SQLAlchemy's
        return None if value is None else Decimal(value)


class FiniteFloat(TypeDecorator[float]):
    """A float64, bit for bit; SQLite would turn NaN into NULL without a word."""

    impl = Float(53)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002 # SQLAlchemy's
        if value is not None and not math.isfinite(value):
            raise ValueError(f"found {value}, expected a finite number")
        return value


class Word(TypeDecorator[StrEnum]):
    """A member of an enum by its value."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002 # SQLAlchemy's
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002 # SQLAlchemy's
        return None if value is None else self.kind(value)


class JsonOf(TypeDecorator[Value], Generic[Value]):
    """A value as JSON: `to_data` makes plain data of it, `from_data` the value again. None is NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def __init__(self, to_data: Callable[[Value], object], from_data: Callable[[Any], Value]) -> None:
        super().__init__()
        self.to_data = to_data
        self.from_data = from_data

    def process_bind_param(self, value: Value | None, dialect: Dialect) -> object:  # noqa: ARG002 # SQLAlchemy's
        return None if value is None else self.to_data(value)

    def process_result_value(self, value: object, dialect: Dialect) -> Value | None:  # noqa: ARG002 # SQLAlchemy's
        return None if value is None else self.from_data(value)


def json_text(value: object) -> str:
    """JSON that PostgreSQL reads too: no NaN, no infinity.

    Raises:
        InvalidSnapshot: a number is NaN or infinite, or something JSON has no form for. (psycopg asks for the text so
            late that SQLAlchemy no longer says whose statement failed; hence not a plain ValueError.)
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise unstorable(error) from error


def unstorable(why: object) -> InvalidSnapshot:
    return InvalidSnapshot(f"a record cannot be stored: {why}", "expected finite numbers, text and aware datetimes")


def _mapping(value: object) -> dict[object, object]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"found a {type(value).__name__}, which JSON has no form for")


_ENCODER = json.JSONEncoder(allow_nan=False, default=_mapping)  # made once: making it costs more than encoding a row
