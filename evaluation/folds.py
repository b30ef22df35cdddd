"""Cross-fitting folds by unit: a customer's rounds are never on both sides."""

import numpy as np

from domain.arrays import IntArray
from domain.errors import InvalidSnapshot


def assign_folds(unit: IntArray, n_folds: int, rng: np.random.Generator) -> IntArray:
    """(n_rounds,) fold of each round, at most `n_folds`; depends on unit codes, not on the order of rows.

    Raises:
        InvalidSnapshot: fewer than two units.
    """
    units, place = np.unique(unit, return_inverse=True)
    if len(units) < 2:
        raise too_few_units(len(units))
    fold = rng.permutation(len(units)) % min(n_folds, len(units))
    return np.asarray(fold[place], dtype=np.int64)


def too_few_units(n: int) -> InvalidSnapshot:
    """What a log of one customer is told."""
    return InvalidSnapshot(
        f"the log holds {n} unit; an interval needs at least two", "check the unit column, or collect more customers"
    )
