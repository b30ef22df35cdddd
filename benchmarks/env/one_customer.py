"""A tabular market as most would write it: one customer, a `gymnasium.Env`, plain Python floats.

The peer of our batched market, so written to be fast: tables are lists that all customers share and a step looks up one
row, the draws are `random.Random`'s, the next state is found by bisection, and an observation is a row of an array made
beforehand. NumPy scalars, slow one by one, never enter. The law of motion is env/reference/tabular.py's.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
from gymnasium import Space
from gymnasium.spaces import Discrete

from env.market import Observation
from env.reference.tabular import TabularMarket
from env.single import HORIZON
from env.spaces import action_space, observation_space


class Row(NamedTuple):
    """What one action does to a customer in one state."""

    churn_rate: float
    base_amount: float  # of who stays, the action's cost already spent
    bonus_rate: float
    bonus_amount: float
    cost_amount: float
    edges: list[float]  # cumulated rates of the next states, the last left out
    next_state: list[int]


@dataclass(frozen=True)
class CustomerTables:
    """A market in lists."""

    rows: list[list[Row]]  # by state, then by action
    first_edges: list[float]  # cumulated initial distribution, the last left out
    noise_amount: float
    observations: list[Observation]  # by state
    observation_space: Space[Observation]
    action_space: Discrete


def customer_tables(market: TabularMarket) -> CustomerTables:
    """Once a market, for any number of customers."""
    return CustomerTables(
        rows=_rows(market),
        first_edges=list(accumulate(market.initial_distribution.tolist()))[:-1],
        noise_amount=market.noise_amount,
        observations=list(market.encoder.transform(market.states).astype(np.float32)),
        observation_space=observation_space(market.encoder),
        action_space=action_space(market.actions),
    )


class OneCustomerEnv(gymnasium.Env[Observation, np.int64]):
    """One customer, who leaves or is truncated after `horizon` periods.

    >>> from env.reference.subscription import subscription_market
    >>> env = OneCustomerEnv(customer_tables(subscription_market()))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step(0)
    >>> truncated
    False
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc] # Gymnasium's dict, Any its own

    def __init__(self, tables: CustomerTables, *, horizon: int = HORIZON, seed: int = 0) -> None:
        self.observation_space = tables.observation_space
        self.action_space = tables.action_space
        self._horizon = horizon
        self._rows, self._observations = tables.rows, tables.observations
        self._first_edges, self._noise = tables.first_edges, tables.noise_amount
        self._state = 0
        self._age = 0
        self._seed(seed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A fresh customer; a seed restarts the generator."""
        if seed is not None:
            super().reset(seed=seed, options=options)
            self._seed(seed)
        self._age = 0
        self._state = bisect_right(self._first_edges, self._random())
        return self._observations[self._state], {}

    def step(self, action: int | np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        churn_rate, base, bonus_rate, bonus, cost, edges, following = self._rows[self._state][action]
        draw = self._random
        self._age += 1
        if draw() < churn_rate:
            return self._observations[self._state], -cost, True, False, {}
        reward = base + self._gauss(0.0, self._noise)
        if bonus_rate and draw() < bonus_rate:
            reward += bonus
        self._state = state = following[bisect_right(edges, draw())]
        return self._observations[state], reward, False, self._age >= self._horizon, {}

    def _seed(self, seed: int) -> None:
        generator = Random(seed)  # noqa: S311 # a simulation
        self._random, self._gauss = generator.random, generator.gauss


def _rows(market: TabularMarket) -> list[list[Row]]:
    cost, (n_states, n_actions) = market.cost_amount, market.churn_rate.shape
    columns = [market.churn_rate, market.base_amount - cost, market.bonus_rate, market.bonus_amount]
    numbers = np.stack([*columns, np.broadcast_to(cost, market.churn_rate.shape)], axis=2).tolist()
    edges, following = np.cumsum(market.next_rate, axis=2)[:, :, :-1].tolist(), market.next_state.tolist()
    return [
        [Row._make([*numbers[s][a], edges[s][a], following[s][a]]) for a in range(n_actions)] for s in range(n_states)
    ]
