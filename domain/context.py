"""What is known before acting: named columns, one row a decision."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, Column, IntArray
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

    def take(self, index: IntArray | BoolArray) -> "Context":
        """The rows of `index`, in its order."""
        n_rounds = int(index.sum()) if index.dtype == np.bool_ else len(index)
        return Context({name: values[index] for name, values in self.columns.items()}, n_rounds)


def context_of_row(features: Mapping[str, object]) -> Context:
    """One decision's features as a batch of one: numbers and booleans become floats, everything else text."""
    return Context({name: _column_of_one(value) for name, value in features.items()}, n_rounds=1)


def _column_of_one(value: object) -> Column:
    if isinstance(value, (bool, int, float, np.number)):
        return np.array([float(value)])
    column = np.empty(1, dtype=object)
    column[0] = None if value is None else str(value)
    return column
