"""Other currencies, converted at the rate of the event's business day; no rate, no conversion (DESIGN section 5)."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from domain.errors import ConfigError

MICRO = Decimal("0.000001")  # converted amounts are kept to a millionth
_COLUMNS = ("date", "currency", "rate")


@dataclass(frozen=True)
class Converted:
    amount: Decimal
    rate: Decimal


@dataclass(frozen=True)
class Exchange:
    """Rates into the business's currency: how much of it one unit of the other is worth that day."""

    currency: str
    time_zone: str
    rates: Mapping[tuple[date, str], Decimal]

    def convert(self, amount: Decimal, currency: str, at: datetime) -> Converted | None:
        """None where there is no rate for that very day.

        >>> from datetime import UTC
        >>> exchange = Exchange("EUR", "UTC", {(date(2026, 3, 1), "USD"): Decimal("0.9")})
        >>> exchange.convert(Decimal("10"), "USD", datetime(2026, 3, 1, 12, tzinfo=UTC)).amount
        Decimal('9.000000')
        """
        if currency == self.currency:
            return Converted(amount, Decimal(1))
        day = at.astimezone(ZoneInfo(self.time_zone)).date()
        rate = self.rates.get((day, currency))
        return None if rate is None else Converted((amount * rate).quantize(MICRO, ROUND_HALF_EVEN), rate)


def read_exchange_rates(path: Path) -> Mapping[tuple[date, str], Decimal]:
    """A CSV of date,currency,rate.

    Raises:
        ConfigError: the file cannot be read, a column is missing, or a line holds no rate.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path} lacks the columns {', '.join(missing)}", f"expected {', '.join(_COLUMNS)}")
            return dict(_rate(path, reader.line_num, row) for row in reader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"exchange rates {path} cannot be read: {error}", "see business.exchange_rates") from error


def _rate(path: Path, line: int, row: Mapping[str, str]) -> tuple[tuple[date, str], Decimal]:
    try:
        rate = Decimal(row["rate"])
        if not rate.is_finite() or rate <= 0:
            raise InvalidOperation
        return (date.fromisoformat(row["date"]), row["currency"].strip()), rate
    except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
        found = ",".join(str(row[c]) for c in _COLUMNS)
        raise ConfigError(
            f"{path} line {line}: found {found}", "expected a line such as 2026-03-01,USD,0.92"
        ) from error
