"""Typed access to a body as a producer sent it. What does not fit is an `InvalidRecord` whose reason counts well.

A reason names the kind, the key and what is wrong with it, never the value: that stays in the raw form.
"""

import math
import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation

from config.known_keys import suggest
from domain.errors import InvalidRecord
from domain.events import Features, Scalar

MAX_TEXT = 200  # characters of an id or a name; longer ones break the indexes of databases
MAX_AMOUNT = Decimal(10) ** 15
MAX_PLACES = 12  # after the point
MAX_WHOLE = 2**53  # floats hold every whole number up to here
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)


class BodyReader:
    """
    >>> BodyReader("market", {"series": "gold", "value": 2}, ("series", "value")).number("value")
    2.0
    """

    def __init__(self, kind: str, body: Mapping[str, object], known: Collection[str]) -> None:
        self._kind = kind
        self._body = body
        for key in body:
            if key not in known:
                raise InvalidRecord(f"{kind}: unknown key{suggest(key, known)}", f"expected {', '.join(known)}")

    def text(self, key: str) -> str:
        return checked_text(self._given(key), self._place(key))

    def optional_text(self, key: str) -> str | None:
        return None if self._body.get(key) is None else self.text(key)

    def optional_texts(self, key: str) -> tuple[str, ...] | None:
        values = self._body.get(key)
        if values is None:
            return None
        if not isinstance(values, (list, tuple)):
            raise InvalidRecord(f"{self._place(key)} is not a list")
        return tuple(checked_text(value, f"an entry of {self._place(key)}") for value in values)

    def number(self, key: str) -> float:
        return _number(self._given(key), self._place(key))

    def amount(self, key: str) -> Decimal:
        """From text, which is exact, or from a number, as it is written."""
        value, place = self._given(key), self._place(key)
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            raise InvalidRecord(f"{place} is not an amount")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidRecord(f"{place} is not finite")
        return _amount(str(value), place)

    def currency(self, key: str) -> str:
        value = self.text(key)
        if not _CURRENCY.fullmatch(value):
            raise InvalidRecord(f"{self._place(key)} is not a currency code of three capitals")
        return value

    def features(self, key: str) -> Features:
        values, place = self._given(key), self._place(key)
        if not isinstance(values, Mapping):
            raise InvalidRecord(f"{place} is not an object")
        one = f"an entry of {place}"
        return {checked_text(name, f"a name in {place}"): _scalar(value, one) for name, value in values.items()}

    def _given(self, key: str) -> object:
        value = self._body.get(key)
        if value is None:
            raise InvalidRecord(f"{self._place(key)} is missing")
        return value

    def _place(self, key: str) -> str:
        return f"{self._kind}: `{key}`"


def checked_text(value: object, place: str) -> str:
    """An id or a name: text that every store can hold.

    Raises:
        InvalidRecord: not text, empty, too long, or with what databases refuse.
    """
    if not isinstance(value, str):
        raise InvalidRecord(f"{place} is not text")
    if not value.strip():
        raise InvalidRecord(f"{place} is empty")
    if len(value) > MAX_TEXT:
        raise InvalidRecord(f"{place} is longer than {MAX_TEXT} characters")
    return storable(value, place)


def storable(value: str, place: str) -> str:
    """Text without what PostgreSQL or UTF-8 cannot hold.

    Raises:
        InvalidRecord: a NUL, or half a character.
    """
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise InvalidRecord(f"{place} holds what is no text")
    return value


def _scalar(value: object, place: str) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    return storable(value, place) if isinstance(value, str) else _number(value, place)


def _number(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidRecord(f"{place} is not a number")
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise InvalidRecord(f"{place} is a whole number beyond 2^53, which text would keep")
    if not math.isfinite(value):
        raise InvalidRecord(f"{place} is not finite")
    return float(value)


def _amount(text: str, place: str) -> Decimal:
    try:
        amount = Decimal(text) if _AMOUNT.fullmatch(text) else None
    except InvalidOperation:
        amount = None
    if amount is None:
        raise InvalidRecord(f"{place} is not an amount")
    exponent = amount.as_tuple().exponent
    if abs(amount) >= MAX_AMOUNT or not isinstance(exponent, int) or -exponent > MAX_PLACES:
        raise InvalidRecord(f"{place} is beyond 10^15, or has more than {MAX_PLACES} places after the point")
    return amount
