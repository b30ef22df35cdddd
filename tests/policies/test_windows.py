from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from config.quantities import CalendarPeriod, Duration, QuietHours
from policies.windows import is_quiet, window_start

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "now", "start"),
    [
        ("day", "2026-11-24T10:00", "2026-11-23T23:00"),
        ("day", "2026-11-24T23:30", "2026-11-24T23:00"),  # already the 25th in Berlin
        ("week", "2026-11-29T22:59", "2026-11-22T23:00"),  # Sunday evening: since Monday the 23rd
        ("week", "2026-11-29T23:00", "2026-11-29T23:00"),
        ("month", "2026-11-24T10:00", "2026-10-31T23:00"),
        ("month", "2026-10-31T22:30", "2026-09-30T22:00"),  # it began in summer time
        ("year", "2026-07-01T00:00", "2025-12-31T23:00"),
    ],
)
def test_window_start__is_a_local_midnight(period: str, now: str, start: str) -> None:
    found = window_start(CalendarPeriod(period), utc(now), BERLIN)
    assert found == utc(start)
    assert found.tzinfo is UTC


def test_window_start__where_midnight_is_skipped_or_comes_twice() -> None:
    skipped = window_start(CalendarPeriod.DAY, utc("2024-04-26T10:00"), ZoneInfo("Africa/Cairo"))
    assert skipped == utc("2024-04-25T22:00")  # the clocks went from 00:00 to 01:00
    twice = window_start(CalendarPeriod.DAY, utc("2023-11-05T12:00"), ZoneInfo("America/Havana"))
    assert twice == utc("2023-11-05T04:00")  # the clocks went from 01:00 back to 00:00


def test_window_start__a_duration_reaches_back() -> None:
    assert window_start(Duration.parse("365d"), utc("2026-11-24T10:00"), BERLIN) == utc("2025-11-24T10:00")


@pytest.mark.parametrize(
    ("hours", "now", "quiet"),
    [
        ("21:00-08:00", "2026-11-24T19:59", False),
        ("21:00-08:00", "2026-11-24T20:00", True),
        ("21:00-08:00", "2026-11-24T06:59", True),
        ("21:00-08:00", "2026-11-24T07:00", False),
        ("12:00-14:00", "2026-11-24T11:00", True),
        ("12:00-14:00", "2026-11-24T13:00", False),
    ],
)
def test_is_quiet__from_start_until_before_end_in_local_time(hours: str, now: str, quiet: bool) -> None:
    assert is_quiet(QuietHours.parse(hours), utc(now), BERLIN) is quiet
