"""Money at rest is a decimal with a currency; floats exist only inside arrays."""

from dataclasses import dataclass
from decimal import Decimal

from domain.errors import UsageError


@dataclass(frozen=True)
class Money:
    """An amount in one currency.

    >>> Money(Decimal("9.99"), "EUR") + Money(Decimal("0.01"), "EUR")
    Money(amount=Decimal('10.00'), currency='EUR')
    """

    amount: Decimal
    currency: str  # ISO 4217

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def _same(self, other: "Money") -> Decimal:
        if other.currency != self.currency:
            raise UsageError(
                f"cannot add {other.currency} to {self.currency}",
                "convert at the rate of the event's day first",
            )
        return other.amount
