"""The exact plan in a fitted market: what a perfect agent would learn there. For tests and benchmarks only."""

import numpy as np

from domain.arrays import FloatArray
from env.layout import LevelColumn
from env.model import MarketModel
from env.reference.exact import greedy
from env.reference.tabular import TabularMarket


def plan(model: MarketModel, market: TabularMarket) -> tuple[FloatArray, float]:
    """The optimal policy (n_states, n_actions) of the members' mean market, and the value it is expected to have."""
    n_states, n_actions = market.expected_reward.shape
    reward, moves = np.zeros((n_states, n_actions)), np.zeros((n_actions, n_states, n_states))
    columns = model.layout.encode(market.states)
    for member in range(model.n_members):
        state = model.with_members(columns, np.full(n_states, member))
        for a in range(n_actions):
            outlook = model.outlook(state, np.full(n_states, a))
            reward[:, a] += outlook.expected_reward / model.n_members
            joint = _joint(model, columns, outlook.levels)
            moves[a] += (1 - outlook.churn_rate)[:, None] * joint / model.n_members
    supported = model.supported(model.with_members(columns, np.zeros(n_states, dtype=np.int64)))
    value = np.zeros(n_states)
    for _ in range(200):
        action_value = reward + market.discount * np.stack([m @ value for m in moves], axis=1)
        action_value[~supported] = -np.inf
        value = action_value.max(axis=1)
    return greedy(action_value), float(market.initial_distribution @ value)


def _joint(model: MarketModel, columns: FloatArray, levels: tuple[FloatArray, ...]) -> FloatArray:
    """(n_states, n_states) product of the columns' moves."""
    moving = {place: rates for (place, _), rates in zip(model.layout.moving_levels, levels, strict=True)}
    joint = np.ones((len(columns), len(columns)))
    for i, column in enumerate(model.layout.columns):
        assert isinstance(column, LevelColumn)
        codes = columns[:, i].astype(np.int64)
        joint *= moving.get(i, np.eye(len(column.levels))[codes])[:, codes]
    return joint
