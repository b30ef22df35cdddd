"""Rates: read from a file, used on the very business day."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import ConfigError
from tests.tracker.office import NOON
from tracker.exchange import Exchange, read_exchange_rates

MARCH = date(2026, 3, 1)


def test_rates__are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fx.csv"
    path.write_text("date,currency,rate\n2026-03-01,USD,0.92\n")
    assert read_exchange_rates(path) == {(MARCH, "USD"): Decimal("0.92")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,currency\n", "lacks the columns rate"),
        ("", "lacks the columns date, currency, rate"),
        ("date,currency,rate\n2026-03-01,USD,0\n", "line 2: found 2026-03-01,USD,0"),
        ("date,currency,rate\n2026-03-01,USD,NaN\n", "line 2"),
        ("date,currency,rate\nyesterday,USD,1\n", "line 2"),
        ("date,currency,rate\n2026-03-01,USD\n", "line 2"),
    ],
)
def test_bad_rates__are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "fx.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_exchange_rates(path)


def test_missing_file__is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_exchange_rates(tmp_path / "none.csv")


def test_day__is_the_business_s() -> None:
    exchange = Exchange("EUR", "Asia/Tokyo", {(MARCH.replace(day=2), "USD"): Decimal("0.9")})
    evening = NOON.replace(hour=16)  # one in the morning of the second, in Tokyo
    assert exchange.convert(Decimal(10), "USD", evening) is not None
    assert exchange.convert(Decimal(10), "USD", NOON) is None
    own = exchange.convert(Decimal("10.1"), "EUR", NOON)
    assert own is not None
    assert (own.amount, own.rate) == (Decimal("10.1"), Decimal(1))
