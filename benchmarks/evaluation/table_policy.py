"""A policy of a reference market given by a table: what benchmarks evaluate where the truth is known exactly."""

from dataclasses import dataclass

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.reference.tabular import TabularMarket


@dataclass(frozen=True)
class TablePolicy:
    """A distribution for every state of a market, found by the state's context."""

    market: TabularMarket
    table: FloatArray  # (n_states, n_actions)
    name: str = "candidate"

    @property
    def actions(self) -> ActionSet:
        return self.market.actions

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        assert eligible is None
        code, known = _code(context, self.market.states), _code(self.market.states, self.market.states)
        order = np.argsort(known)
        return self.table[order[np.searchsorted(known[order], code)]]


def soften(action_value: FloatArray, temperature: float) -> FloatArray:
    """(n_states, n_actions) softmax of what actions are worth; `temperature` in the same units."""
    raised = np.exp((action_value - action_value.max(axis=1, keepdims=True)) / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _code(context: Context, states: Context) -> IntArray:
    """(n_rounds,) one number a combination of levels."""
    code = np.zeros(context.n_rounds, dtype=np.int64)
    for name, column in states.columns.items():
        levels = np.unique(column.astype(str))
        code = code * len(levels) + np.searchsorted(levels, context.column(name).astype(str))
    return code
