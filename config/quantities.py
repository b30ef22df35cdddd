"""Durations, rates, margins and quiet hours: short texts in the file, frozen records in the program."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import PlainSerializer, PlainValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"{_NUMBER}\s*(ms|s|m|h|d)")
_RATE = re.compile(rf"{_NUMBER}\s+per\s+(\S+)")
_MARGIN = re.compile(rf"(above|below)\s+baseline\s+by\s+{_NUMBER}\s*(%?)")
_QUIET = re.compile(r"(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)")


@dataclass(frozen=True)
class Duration:
    """A fixed length of time.

    >>> Duration.parse("26h").days
    1.0833333333333333
    """

    amount: float
    unit: str  # ms | s | m | h | d

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Reads `50ms`, `26h`, `30d`.

        Raises:
            ValueError: the text is no duration.
        """
        amount, unit = _match(_DURATION, text, "a duration such as 50ms, 30s, 15m, 26h or 30d")
        return cls(float(amount), unit)

    @property
    def seconds(self) -> float:
        return self.amount * _SECONDS[self.unit]

    @property
    def days(self) -> float:
        return self.seconds / _SECONDS["d"]

    def __str__(self) -> str:
        return f"{_plain(self.amount)}{self.unit}"


class CalendarPeriod(StrEnum):
    """A stretch of the business's calendar, in its time zone; its length varies."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class Rate:
    """So much per stretch of time: `40 per day`, `1 per 365d`.

    >>> Rate.parse("5000 per month").window
    <CalendarPeriod.MONTH: 'month'>
    """

    amount: float
    window: Duration | CalendarPeriod

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Reads `40 per day`, `5000 per month`, `1 per 365d`.

        Raises:
            ValueError: the text is no rate.
        """
        expected = "a rate such as 40 per day, 5000 per month or 1 per 365d"
        amount, window = _match(_RATE, text, expected)
        if window in set(CalendarPeriod):
            return cls(float(amount), CalendarPeriod(window))
        if not _DURATION.fullmatch(window):
            raise ValueError(f"found text {text!r}, expected {expected}")
        return cls(float(amount), Duration.parse(window))

    def __str__(self) -> str:
        return f"{_plain(self.amount)} per {self.window}"


@dataclass(frozen=True)
class Margin:
    """How far a metric may leave the baseline before it counts as harm."""

    is_above: bool  # harm is above the baseline, else below
    amount: float  # in the metric's unit, or a share of the baseline where relative
    is_relative: bool

    @classmethod
    def parse(cls, text: str) -> "Margin":
        """Reads `above baseline by 0.01`, `below baseline by 20%`.

        Raises:
            ValueError: the text is no margin.
        """
        expected = "a margin such as `above baseline by 0.01` or `below baseline by 20%`"
        side, amount, percent = _match(_MARGIN, text, expected)
        return cls(side == "above", float(amount) / 100 if percent else float(amount), bool(percent))

    def __str__(self) -> str:
        amount = f"{_plain(round(self.amount * 100, 10))}%" if self.is_relative else _plain(self.amount)
        return f"{'above' if self.is_above else 'below'} baseline by {amount}"


@dataclass(frozen=True)
class QuietHours:
    """From `start` to `end` in the customer's time zone; over midnight where end < start."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "QuietHours":
        """Reads `21:00-08:00`.

        Raises:
            ValueError: the text is no pair of times.
        """
        expected = "quiet hours such as 21:00-08:00"
        h1, m1, h2, m2 = map(int, _match(_QUIET, text, expected))
        if max(h1, h2) > 23 or max(m1, m2) > 59 or (h1, m1) == (h2, m2):
            raise ValueError(f"found text {text!r}, expected {expected}")
        return cls(time(h1, m1), time(h2, m2))

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


def _match(pattern: re.Pattern[str], text: object, expected: str) -> tuple[str, ...]:
    found = pattern.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"found {text!r}, expected {expected}")
    return found.groups()


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)


Quantity = TypeVar("Quantity")


def _reader(kind: type[Quantity], parse: Callable[[str], Quantity]) -> PlainValidator:
    return PlainValidator(lambda value: value if isinstance(value, kind) else parse(value))


_AS_TEXT = PlainSerializer(str, return_type=str)
DurationText = Annotated[Duration, _reader(Duration, Duration.parse), _AS_TEXT]
RateText = Annotated[Rate, _reader(Rate, Rate.parse), _AS_TEXT]
MarginText = Annotated[Margin, _reader(Margin, Margin.parse), _AS_TEXT]
QuietHoursText = Annotated[QuietHours, _reader(QuietHours, QuietHours.parse), _AS_TEXT]
