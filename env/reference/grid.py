"""Customer states as every combination of a few levels, and the small moves between them.

All reference markets are built on it: a column is a fact about the customer, a state one level of each, and every
column moves by itself, given the action. Arrays that describe states are (n_states, 1), so that they broadcast against
one number an action.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import TypeAlias

import numpy as np

from domain.actions import ActionSet
from domain.arrays import Column, FloatArray, IntArray
from domain.context import Context

Steps: TypeAlias = FloatArray | IntArray | int  # levels up (down where negative), broadcast to (n_states, n_actions)
Rate: TypeAlias = FloatArray | float  # probability, broadcast likewise
Moves: TypeAlias = Sequence[tuple[Steps, Rate]]  # the rates sum to one


@dataclass(frozen=True)
class Grid:
    """The columns in the order of the state index, the last one fastest.

    >>> grid = Grid({"plan": ("basic", "premium"), "engagement": (0.0, 1.0, 2.0)})
    >>> grid.n_states, grid.code("engagement").ravel()
    (6, array([0, 1, 2, 0, 1, 2]))
    """

    levels: Mapping[str, tuple[str, ...] | tuple[float, ...]]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(levels) for levels in self.levels.values())

    @property
    def n_states(self) -> int:
        return int(np.prod(self.shape))

    def code(self, column: str) -> IntArray:
        """(n_states, 1) the place of each state's level."""
        codes = np.unravel_index(np.arange(self.n_states), self.shape)
        return np.asarray(codes[list(self.levels).index(column)])[:, None]

    def level(self, column: str) -> FloatArray:
        """(n_states, 1) the same, as a number to reckon with."""
        return self.code(column).astype(np.float64)

    def of(self, column: str, values: Sequence[float]) -> FloatArray:
        """(n_states, 1) one of `values`, by the state's level."""
        assert len(values) == len(self.levels[column]), column
        return np.array(values, dtype=np.float64)[self.code(column)]

    def number(self, column: str) -> FloatArray:
        """(n_states, 1) the level itself, of a column of numbers."""
        return self.of(column, [float(level) for level in self.levels[column]])

    def context(self) -> Context:
        """(n_states,) each state as a business sees it."""
        columns: dict[str, Column] = {}
        for name, levels in self.levels.items():
            kind = object if isinstance(levels[0], str) else np.float64
            columns[name] = np.array(levels, dtype=kind)[self.code(name)[:, 0]]
        return Context(columns, self.n_states)

    def distribution(self, shares: Mapping[str, Sequence[float]]) -> FloatArray:
        """(n_states,) of independent columns, each with its shares; columns not named have even ones."""
        even = {name: [1 / len(levels)] * len(levels) for name, levels in self.levels.items()}
        return reduce(np.multiply, (self.of(name, values)[:, 0] for name, values in (even | dict(shares)).items()))

    def moves(self, n_actions: int, columns: Mapping[str, Moves]) -> tuple[IntArray, FloatArray]:
        """Next states and their rates, (n_states, n_actions, n_branches): every combination of the columns' moves.

        A step beyond the last level stays there; a column without moves stays as it is.
        """
        shape = (self.n_states, n_actions)
        branches = list(product(*columns.values()))
        next_state = np.empty((*shape, len(branches)), dtype=np.int64)
        next_rate = np.empty((*shape, len(branches)))
        for b, branch in enumerate(branches):
            steps = dict(zip(columns, (step for step, _ in branch), strict=True))
            next_state[:, :, b] = self._state_after(steps, shape)
            next_rate[:, :, b] = reduce(np.multiply, (np.broadcast_to(rate, shape) for _, rate in branch))
        return next_state, next_rate

    def _state_after(self, steps: Mapping[str, Steps], shape: tuple[int, int]) -> IntArray:
        """(n_states, n_actions) the state reached by these steps."""
        codes = []
        for name, n_levels in zip(self.levels, self.shape, strict=True):
            moved = np.broadcast_to(self.code(name) + np.asarray(steps.get(name, 0)), shape)
            codes.append(np.clip(moved, 0, n_levels - 1).astype(np.int64))
        return np.asarray(np.ravel_multi_index(tuple(codes), self.shape), dtype=np.int64)


def up_or_down(up: Rate, down: Rate) -> Moves:
    """One level up, one down, or neither."""
    return [(1, up), (-1, down), (0, 1 - up - down)]


def push_or_rest(pushed: FloatArray, rested: float) -> Moves:
    """Up by one at the rate of an action that pushes; down at `rested` under every other action."""
    rate = np.where(pushed > 0, pushed, rested)
    return [(np.where(pushed > 0, 1, -1), rate), (0, 1 - rate)]


def logistic(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))


def by_action(actions: ActionSet, values: Mapping[str, float], default: float = 0.0) -> FloatArray:
    """(n_actions,) one number an action, `default` for those not named."""
    assert all(action in actions for action in values), values
    return np.array([values.get(action, default) for action in actions.ids])
