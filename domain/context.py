"""What is known before acting: named columns, one row a decision."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, Column, FloatArray, IntArray
from domain.errors import MissingColumn


@dataclass(frozen=True)
class Context:
    """A batch of contexts. Numbers are float64 with NaN where missing, text is object with None where missing.

    >>> Context({"tenure_days": np.array([3.0, 90.0])}, n_rounds=2).column("tenure_days")
    array([ 3., 90.])
    """

    columns: Mapping[str, Column]  # each (n_rounds,)
    n_rounds: int

    def column(self, name: str) -> Column:
        """One column.

        Raises:
            MissingColumn: the context has no such column.
        """
        try:
            return self.columns[name]
        except KeyError:
            found = ", ".join(sorted(self.columns)) or "no column at all"
            raise MissingColumn(f"context column {name!r} is missing; found {found}") from None

    def numbers(self, name: str) -> FloatArray:
        """One column as float64.

        Raises:
            MissingColumn: the context has no such column.
        """
        return self.column(name).astype(np.float64)

    def take(self, index: IntArray | BoolArray) -> "Context":
        """The rows of `index`, in its order."""
        n_rounds = int(index.sum()) if index.dtype == np.bool_ else len(index)
        return Context({name: values[index] for name, values in self.columns.items()}, n_rounds)

    def without(self, names: Collection[str]) -> "Context":
        """All columns but these."""
        return Context({name: values for name, values in self.columns.items() if name not in names}, self.n_rounds)


def concatenate_contexts(contexts: Sequence[Context]) -> Context:
    """The rows of several contexts with the same columns, after one another."""
    columns: dict[str, Column] = {
        name: np.concatenate([c.columns[name] for c in contexts]) for name in contexts[0].columns
    }
    return Context(columns, sum(c.n_rounds for c in contexts))


def context_of_rows(rows: Sequence[Mapping[str, object]]) -> Context:
    """Rows of named values as columns: numbers and flags as float64, everything else as text; None where missing.

    >>> context_of_rows([{"plan": "monthly", "usage": 3}, {"plan": None}]).columns["usage"]
    array([ 3., nan])
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return Context({name: _column([row.get(name) for row in rows]) for name in names}, len(rows))


def _column(values: list[object]) -> Column:
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, (int, float)) for v in present):
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return np.array([text_of(v) for v in values], dtype=object)


def text_of(value: object) -> str | None:
    """A context value as text: whole numbers without their point, None where missing."""
    if isinstance(value, float):
        return None if np.isnan(value) else (str(int(value)) if value.is_integer() else str(value))
    return None if value is None else str(value)
