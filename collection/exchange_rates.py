"""Exchange rates from a CSV of `date,currency,rate`: what one unit of `currency` is worth in the business's that day.

With business currency EUR the line `2026-03-02,USD,0.92` says that 1 USD is 0.92 EUR on that day.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from domain.errors import InvalidSnapshot

COLUMNS = ("date", "currency", "rate")


@dataclass(frozen=True)
class ExchangeRates:
    """
    >>> ExchangeRates("EUR").rate("EUR", date(2026, 3, 2))
    Decimal('1')
    """

    business_currency: str
    rates: Mapping[tuple[str, date], Decimal] = field(default_factory=dict)

    def rate(self, currency: str, day: date) -> Decimal | None:
        """Of exactly that day; None where the file has none, and then the record goes to the quarantine."""
        return Decimal(1) if currency == self.business_currency else self.rates.get((currency, day))


def read_exchange_rates(path: Path, business_currency: str) -> ExchangeRates:
    """Reads the whole file.

    Raises:
        InvalidSnapshot: unreadable, another header, a line that is no rate, or a day with two rates.
    """
    rates: dict[tuple[str, date], Decimal] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            _check_header(path, next(reader, []))
            for row in reader:
                if row:
                    currency, day, rate = _rate(path, reader.line_num, row)
                    if rates.setdefault((currency, day), rate) != rate:
                        raise _wrong(path, reader.line_num, f"a second rate of {currency} on {day}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidSnapshot(
            f"exchange rates {path} cannot be read: {error}", "check `business.exchange_rates`"
        ) from error
    return ExchangeRates(business_currency, rates)


def _check_header(path: Path, found: list[str]) -> None:
    if tuple(name.strip() for name in found) != COLUMNS:
        raise InvalidSnapshot(
            f"exchange rates {path} begin with {','.join(found) or 'nothing'}",
            f"expected the header {','.join(COLUMNS)}; a rate is in the business's currency for one unit of `currency`",
        )


def _rate(path: Path, line: int, row: list[str]) -> tuple[str, date, Decimal]:
    try:
        day, currency, text = (value.strip() for value in row)
        rate = Decimal(text)
        if not (rate.is_finite() and rate > 0 and len(currency) == 3 and currency.isalpha() and currency.isupper()):
            raise _wrong(path, line, ",".join(row))
        return currency, date.fromisoformat(day), rate
    except (ValueError, InvalidOperation) as error:
        raise _wrong(path, line, ",".join(row)) from error


def _wrong(path: Path, line: int, found: str) -> InvalidSnapshot:
    return InvalidSnapshot(
        f"exchange rates {path}, line {line}: found {found}",
        "expected one line a day and currency, such as 2026-03-02,USD,0.92",
    )
