"""Purchase histories as panels: one row a customer and period, from raw rows of customer, time and amount.

A customer enters with the first purchase and is never said to have left: without a contract nobody announces it, people
just stop buying (Fader and Hardie 2009, J. Interactive Marketing 23(1)). What is known of a customer at the start of a
period is recency, frequency, tenure and mean spend, in logarithms, because their effects are proportional:

    log_periods_since_purchase   log(1 + whole periods without a purchase, up to now)
    log_purchases                log(periods with a purchase so far)
    log_purchase_rate            log(periods with a purchase / periods since the first, it included)
    log_mean_spend               log(mean spend of a period with a purchase)
    bought_last_period           1 or 0

The only action is `nothing`, the reward is the period's spend, and every row that is not used is counted with a reason.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.periods import Calendar
from collection.file_source import Table, read_table, table_of_frame
from collection.values import coded, numbers_of, times_of
from config.purchases import PurchaseColumns
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray, TimeArray
from domain.context import Context
from domain.errors import InvalidSnapshot, MissingColumn
from domain.log import LoggedDecisions, Panel

NOTHING = ActionSet(("nothing",))
RECENCY, FREQUENCY = "log_periods_since_purchase", "log_purchases"
RATE, MEAN, JUST = "log_purchase_rate", "log_mean_spend", "bought_last_period"


@dataclass(frozen=True)
class PurchaseHistory:
    """Purchases that count, and the account of the rows that do not."""

    source: str
    unit: IntArray  # (n,) codes
    unit_names: tuple[str, ...]
    day: TimeArray  # (n,) UTC
    amount: FloatArray  # (n,) > 0
    n_rows: int
    rejected: Mapping[str, int]  # reason -> rows

    def __len__(self) -> int:
        return len(self.unit)

    def until(self, day: np.datetime64) -> "PurchaseHistory":
        """Purchases up to a day, it included."""
        kept = self.day <= day
        return PurchaseHistory(
            self.source, self.unit[kept], self.unit_names, self.day[kept], self.amount[kept], self.n_rows, self.rejected
        )


def read_purchases(source: Path | str | pd.DataFrame, columns: PurchaseColumns | None = None) -> PurchaseHistory:
    """Reads a file (Parquet, CSV, JSONL; a glob of several) or a frame.

    Raises:
        MissingColumn: no such column.
        InvalidSnapshot: no row is a purchase.

    >>> frame = pd.DataFrame({"unit_id": ["a", "a", None], "time": ["2025-01-01"] * 3, "amount": [5.0, -5.0, 1.0]})
    >>> dict(read_purchases(frame).rejected)
    {'no customer id': 1, 'return or cancellation (amount below zero)': 1}
    """
    columns = PurchaseColumns() if columns is None else columns
    table = table_of_frame(source) if isinstance(source, pd.DataFrame) else read_table(source, (columns.unit,))
    unit = coded(_column(table, columns.unit))
    times, amount = times_of(_column(table, columns.time)).values, _amount(table, columns.amount)
    reason = _reasons(unit.codes, times, amount)
    kept = reason == ""
    broken = Counter(row.reason for row in table.broken)
    counted = Counter(dict(sorted(Counter(reason[~kept].tolist()).items()))) + broken
    if not kept.any():
        found = ", ".join(f"{why}: {n}" for why, n in counted.items()) or "no row"
        raise InvalidSnapshot(
            f"{table.source}: no row is a purchase ({found})",
            "check the columns given for customer, time and amount",
        )
    day = times[kept].astype("M8[D]")
    return PurchaseHistory(table.source, unit.codes[kept], unit.names, day, amount[kept], table.n_rows, dict(counted))


def _reasons(unit: IntArray, times: TimeArray, amount: FloatArray) -> np.ndarray:
    """(n_rows,) why a row is no purchase, "" where it is one; the first that applies."""
    reason = np.full(len(unit), "", dtype=object)
    for faulty, why in (
        (amount == 0, "amount zero"),
        (amount < 0, "return or cancellation (amount below zero)"),
        (~np.isfinite(amount), "amount missing or no number"),
        (np.isnat(times), "time missing or unreadable"),
        (unit < 0, "no customer id"),
    ):
        reason[faulty] = why
    return reason


def _amount(table: Table, name: str) -> FloatArray:
    """(n_rows,) a column, or a product of columns."""
    product = np.ones(len(table.frame))
    for factor in [name] if name in table.frame.columns else name.split("*"):
        product = product * numbers_of(_column(table, factor.strip())).values
    return product


def _column(table: Table, name: str) -> pd.Series:
    if name not in table.frame.columns:
        found = ", ".join(map(str, table.frame.columns))
        raise MissingColumn(
            f"{table.source} has no column {name!r}; found {found}",
            "name its columns: --purchases unit=CUSTOMER,time=DATE,amount=AMOUNT (or amount=QUANTITY*PRICE)",
        )
    return table.frame[name]


@dataclass(frozen=True)
class PurchasePanel:
    """Spend by customer and period, and what was known of each customer at every period's start."""

    calendar: Calendar
    spend: FloatArray  # (n_units, n_periods)

    @cached_property
    def bought(self) -> BoolArray:
        return self.spend > 0

    @cached_property
    def entered(self) -> IntArray:
        """(n_units,) the period of the first purchase; n_periods where there is none."""
        first = np.where(self.bought.any(axis=1), self.bought.argmax(axis=1), self.spend.shape[1])
        return np.asarray(first, dtype=np.int64)

    @cached_property
    def _states(self) -> Mapping[str, FloatArray]:
        """Each (n_units, n_periods + 1), at the start of a period; NaN before the first purchase."""
        n_units, n_periods = self.spend.shape
        period = np.arange(n_periods)
        count, total = np.cumsum(self.bought, axis=1), np.cumsum(self.spend, axis=1)
        latest = np.maximum.accumulate(np.where(self.bought, period, -1), axis=1)
        known = latest >= 0
        n = np.where(known, count, 1)
        after = {
            RECENCY: np.log1p(period - latest),
            FREQUENCY: np.log(n),
            RATE: np.log(n / np.maximum(period - self.entered[:, None] + 1, 1)),
            MEAN: np.log(np.where(known, total, 1.0) / n),
            JUST: self.bought.astype(np.float64),
        }
        nobody = np.full((n_units, 1), np.nan)
        return {name: np.hstack([nobody, np.where(known, values, np.nan)]) for name, values in after.items()}

    def context_at(self, unit: IntArray, period: IntArray) -> Context:
        """What is known of customers (n,) at the start of a period (n,), after their first purchase."""
        return Context({name: values[unit, period] for name, values in self._states.items()}, len(unit))

    def log(self, n_periods: int, units: BoolArray | None = None) -> LoggedDecisions:
        """The panel of the first `n_periods`; a customer's rows begin in the period after the first purchase.

        Args:
            n_periods: observed; the last row of everyone is truncated there.
            units: (n_units,) whose rows; None = all.

        Raises:
            InvalidSnapshot: nobody bought before the last period.
        """
        chosen = np.ones(len(self.spend), np.bool_) if units is None else units
        rows = chosen[:, None] & (np.arange(n_periods) > self.entered[:, None])
        unit, period = np.nonzero(rows)
        if not len(unit):
            raise InvalidSnapshot(
                f"nobody bought before the last of {n_periods} periods; a panel needs what followed a purchase",
                "use a longer history, or shorter periods (--period)",
            )
        return LoggedDecisions(
            actions=NOTHING,
            action=np.zeros(len(unit), dtype=np.int64),
            reward=self.spend[unit, period],
            reward_name="spend",
            context=self.context_at(unit, period),
            unit=unit,
            propensity=np.ones(len(unit)),
            decided_at=self.calendar.edges[period].astype("M8[us]"),
            panel=Panel(
                episode=unit,
                step=period - self.entered[unit] - 1,
                next_context=self.context_at(unit, period + 1),
                terminated=np.zeros(len(unit), dtype=np.bool_),
                truncated=period == n_periods - 1,
            ),
        )


def panel_of(history: PurchaseHistory, calendar: Calendar) -> PurchasePanel:
    """Spend by customer and period of `calendar`; purchases outside it do not count."""
    period = calendar.period_of(history.day)
    inside = (period >= 0) & (period < len(calendar))
    n_units, n_periods = len(history.unit_names), len(calendar)
    cell = history.unit[inside] * n_periods + period[inside]
    spend = np.bincount(cell, weights=history.amount[inside], minlength=n_units * n_periods)
    return PurchasePanel(calendar, np.asarray(spend, dtype=np.float64).reshape(n_units, n_periods))
