"""Caps: money that may be used. spent + reserved <= limit holds at every instant, whatever workers do at once.

Kept in millionths of a unit, so that one UPDATE decides with integers on both engines. What is finer is rounded
against the spender: limits down, reservations and what was spent up.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from sqlalchemy import Row, case, select
from sqlmodel import Session

from domain.errors import InvalidRecord
from domain.records import Cap
from knowledge.rows import insert_new, rows_touched, table_of
from knowledge.tables.control import CapRow

_CAPS = table_of(CapRow)
_MICROS = Decimal(1_000_000)
_LARGEST = 2**61  # three such numbers fit one BIGINT together; two million million units
_USED = _CAPS.c.spent_micros + _CAPS.c.reserved_micros
_EXACT = Context(prec=1_000)


class SqlCapBook:
    """Every cap by its id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, cap_id: str, limit_amount: Decimal) -> None:
        """Makes it, or lowers or raises its limit; never below what is spent and reserved."""
        limit = _micros(limit_amount, ROUND_FLOOR)
        row = {"cap_id": cap_id, "limit_micros": limit, "reserved_micros": 0, "spent_micros": 0}
        if not insert_new(self._session, CapRow, row):
            at_least = case((limit < _USED, _USED), else_=limit)
            self._session.execute(_CAPS.update().where(_CAPS.c.cap_id == cap_id).values(limit_micros=at_least))

    def reserve(self, cap_id: str, amount: Decimal) -> bool:
        """Atomic; False where it does not fit or there is no such cap, and then nothing was reserved."""
        micros = _micros(amount, ROUND_CEILING)
        fits = (_CAPS.c.cap_id == cap_id, _USED + micros <= _CAPS.c.limit_micros)
        taken = _CAPS.update().where(*fits).values(reserved_micros=_CAPS.c.reserved_micros + micros)
        return rows_touched(self._session.execute(taken)) == 1

    def settle(self, cap_id: str, *, reserved: Decimal, spent: Decimal) -> None:
        """A reservation becomes what was really spent; more than was reserved is recorded too, as the truth.

        Raises:
            InvalidRecord: so much is not reserved there: a reservation is settled once, in one piece.
        """
        released = _micros(reserved, ROUND_CEILING)
        holds_it = (_CAPS.c.cap_id == cap_id, _CAPS.c.reserved_micros >= released)
        sums = {
            "reserved_micros": _CAPS.c.reserved_micros - released,
            "spent_micros": _CAPS.c.spent_micros + _micros(spent, ROUND_CEILING),
        }
        if rows_touched(self._session.execute(_CAPS.update().where(*holds_it).values(sums))) == 0:
            raise InvalidRecord(
                f"cap {cap_id} does not hold {reserved} reserved ({self.get(cap_id) or 'there is no such cap'})",
                "settle what was reserved, once",
            )

    def get(self, cap_id: str) -> Cap | None:
        row = self._session.execute(select(_CAPS).where(_CAPS.c.cap_id == cap_id)).first()
        return None if row is None else _cap(row)

    def all(self) -> Sequence[Cap]:
        return [_cap(row) for row in self._session.execute(select(_CAPS).order_by(_CAPS.c.cap_id))]


def _micros(amount: Decimal, rounding: str) -> int:
    if not amount.is_finite() or amount < 0 or amount >= _LARGEST / _MICROS:
        raise InvalidRecord(f"found the amount {amount}, expected 0 or more and less than {_LARGEST / _MICROS:.0f}")
    return int(_EXACT.multiply(amount, _MICROS).to_integral_value(rounding))


def _cap(row: Row[tuple[object, ...]]) -> Cap:
    limit, reserved, spent = (
        Decimal(micros) / _MICROS for micros in (row.limit_micros, row.reserved_micros, row.spent_micros)
    )
    return Cap(row.cap_id, limit_amount=limit, reserved_amount=reserved, spent_amount=spent)
