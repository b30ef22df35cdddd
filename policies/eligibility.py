"""Which actions a policy may choose, row by row."""

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.errors import InvalidSnapshot, UsageError


def eligible_or_all(actions: ActionSet, n_rounds: int, eligible: BoolArray | None) -> BoolArray:
    """(n_rounds, n_actions) the mask that was given, checked; everything where none was given.

    Raises:
        UsageError: the mask has another shape.
        InvalidSnapshot: a row allows no action at all.
    """
    expected = (n_rounds, len(actions))
    if eligible is None:
        return np.ones(expected, dtype=np.bool_)
    if eligible.shape != expected:
        raise UsageError(
            f"eligible has shape {eligible.shape}; expected (rounds, actions) = {expected}",
            "give one True or False for every action of the policy in every round",
        )
    empty = np.flatnonzero(~eligible.any(axis=1))
    if len(empty):
        raise InvalidSnapshot(
            f"{len(empty)} of {n_rounds} rounds have no eligible action, the first is row {empty[0]}",
            "every decision needs at least one eligible action: usually the baseline",
        )
    return np.asarray(eligible, dtype=np.bool_)


def uniform_over(allowed: BoolArray) -> FloatArray:
    """(n_rounds, n_actions) the same probability for every allowed action of a row."""
    return np.asarray(allowed / allowed.sum(axis=1, keepdims=True))
