"""Pseudonyms and exchange rates."""

import re
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from collection.exchange_rates import ExchangeRates, read_exchange_rates
from collection.pseudonym import load_or_make_key, unit_pseudonym
from domain.errors import ConfigError, InvalidSnapshot

DAY = date(2026, 3, 2)


def rates_of(tmp_path: Path, text: str) -> ExchangeRates:
    path = tmp_path / "fx.csv"
    path.write_text(text)
    return read_exchange_rates(path, "EUR")


def test_pseudonym__depends_on_unit_and_key_only() -> None:
    one = unit_pseudonym(b"k" * 32, "ann")
    assert re.fullmatch(r"u-[0-9a-f]{20}", one)
    assert one == unit_pseudonym(b"k" * 32, "ann")
    assert len({one, unit_pseudonym(b"k" * 32, "bob"), unit_pseudonym(b"j" * 32, "ann")}) == 3


def test_key__is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path / "data", {})
    assert load_or_make_key(tmp_path / "data", {"AMSO_UNIT_KEY": ""}) == key
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["unit.key"]
    assert (tmp_path / "data" / "unit.key").stat().st_mode & 0o777 == 0o600


def test_key__made_by_many_at_once_is_one(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(load_or_make_key(tmp_path, {}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_key__of_the_environment_wins(tmp_path: Path) -> None:
    assert load_or_make_key(tmp_path, {"AMSO_UNIT_KEY": "x" * 32}) == b"x" * 32
    assert list(tmp_path.iterdir()) == []


def test_key__that_is_short_or_open_to_others_is_refused_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 1 characters") as caught:
        load_or_make_key(tmp_path, {"AMSO_UNIT_KEY": "x"})
    assert "another pseudonym" in caught.value.hint
    path = tmp_path / "unit.key"
    path.touch(0o600)
    with pytest.raises(ConfigError, match="has 0 characters"):
        load_or_make_key(tmp_path, {})
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        load_or_make_key(tmp_path, {})


def test_rates__are_of_exactly_that_day(tmp_path: Path) -> None:
    rates = rates_of(tmp_path, "date,currency,rate\n2026-03-02,USD,0.92\n2026-03-02,GBP,1.15\n\n")
    assert rates.rate("USD", DAY) == Decimal("0.92")
    assert rates.rate("USD", date(2026, 3, 3)) is None
    assert rates.rate("CHF", DAY) is None
    assert rates.rate("EUR", date(1999, 1, 1)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "begin with nothing"),
        ("day,currency,rate\n", "begin with day,currency,rate"),
        ("date,currency,rate\n2026-03-02,USD,x\n", "line 2: found 2026-03-02,USD,x"),
        ("date,currency,rate\n2026-03-02,USD,0\n", "line 2"),
        ("date,currency,rate\n2026-03-02,USD,NaN\n", "line 2"),
        ("date,currency,rate\n2026-03-02,usd,1\n", "line 2"),
        ("date,currency,rate\nMonday,USD,1\n", "line 2"),
        ("date,currency,rate\n2026-03-02,USD\n", "line 2"),
        ("date,currency,rate\n2026-03-02,USD,1\n2026-03-02,USD,2\n", "line 3: found a second rate of USD"),
    ],
)
def test_rates__wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InvalidSnapshot, match=expected):
        rates_of(tmp_path, text)


def test_rates__missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSnapshot, match="cannot be read"):
        read_exchange_rates(tmp_path / "gone.csv", "EUR")
