"""Durations, rates, margins and quiet hours."""

from collections.abc import Callable
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.quantities import CalendarPeriod, Duration, Margin, QuietHours, Rate

AMOUNTS = st.integers(0, 10**9) | st.decimals(0, 10**6, places=3)


def test_durations__by_hand() -> None:
    assert Duration.parse("30d").seconds == 30 * 86400
    assert Duration.parse("50ms").seconds == pytest.approx(0.05)
    assert Duration.parse("36h").days == 1.5
    assert Duration.parse("15m").seconds == 900


def test_rates__by_hand() -> None:
    assert Rate.parse("1 per 365d") == Rate(1, Duration(365, "d"))
    assert Rate.parse("4000 per month") == Rate(4000, CalendarPeriod.MONTH)
    assert Rate.parse("2.5 per day").window is CalendarPeriod.DAY


def test_margins__by_hand() -> None:
    assert Margin.parse("above baseline by 20%") == Margin(is_above=True, amount=0.2, is_relative=True)
    assert Margin.parse("below baseline by 0.01") == Margin(is_above=False, amount=0.01, is_relative=False)


def test_quiet_hours__may_run_over_midnight() -> None:
    assert QuietHours.parse("21:00-08:00") == QuietHours(time(21), time(8))


@given(AMOUNTS, st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_durations_and_rates__print_what_they_read(amount: object, unit: str) -> None:
    duration = Duration.parse(f"{amount}{unit}")
    assert Duration.parse(str(duration)) == duration
    rate = Rate.parse(f"{amount} per {duration}")
    assert Rate.parse(str(rate)) == rate


@given(st.booleans(), st.decimals(0, 500, places=2), st.sampled_from(["", "%"]))
def test_margins__print_what_they_read(is_above: bool, amount: object, percent: str) -> None:
    margin = Margin.parse(f"{'above' if is_above else 'below'} baseline by {amount}{percent}")
    again = Margin.parse(str(margin))
    assert (again.is_above, again.is_relative) == (margin.is_above, margin.is_relative)
    assert again.amount == pytest.approx(margin.amount, rel=1e-12)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (Duration.parse, "30 days"),
        (Duration.parse, "-1d"),
        (Duration.parse, "d"),
        (Duration.parse, ""),
        (Rate.parse, "5000 monthly"),
        (Rate.parse, "1 per fortnight"),
        (Margin.parse, "20%"),
        (Margin.parse, "above baseline by -1"),
        (QuietHours.parse, "21-08"),
        (QuietHours.parse, "25:00-08:00"),
        (QuietHours.parse, "08:00-08:00"),
    ],
)
def test_anything_else__says_what_was_found_and_expected(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"found .*, expected .* such as"):
        parse(text)
