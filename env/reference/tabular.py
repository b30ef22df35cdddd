"""A market with finitely many customer states, as tables: it can be played, and it can be solved exactly.

A period: the customer leaves with `churn_rate`, paying nothing; else pays `base_amount`, plus `bonus_amount` with
`bonus_rate`, plus a normal fluctuation, and moves to one of a few next states. Either way the action's cost is spent.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.features import FeatureEncoder, fit_encoder
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.market import Observation, Transition


@dataclass(frozen=True)
class TabularMarket:
    """Implements `env.market.Dynamics`; the raw state is the index of the customer's state, (n, 1)."""

    actions: ActionSet
    states: Context  # (n_states,) each state in full
    initial_distribution: FloatArray  # (n_states,)
    churn_rate: FloatArray  # (n_states, n_actions)
    base_amount: FloatArray  # (n_states, n_actions) paid by who stays
    bonus_rate: FloatArray  # (n_states, n_actions)
    bonus_amount: FloatArray  # (n_states, n_actions)
    cost_amount: FloatArray  # (n_actions,) of executing the action
    noise_amount: float  # standard deviation of what a staying customer pays
    next_state: IntArray  # (n_states, n_actions, n_branches)
    next_rate: FloatArray  # (n_states, n_actions, n_branches) given that the customer stays
    discount: float  # a period
    hidden: tuple[str, ...] = ()  # columns of `states` that move the market and that policies never see

    @property
    def n_states(self) -> int:
        return self.states.n_rounds

    @cached_property
    def visible(self) -> Context:
        """(n_states,) each state as a business sees it."""
        return self.states.without(self.hidden)

    def unveiled(self) -> "TabularMarket":
        """The same market, nothing hidden: for those who act on what they never wrote down."""
        return replace(self, hidden=())

    @cached_property
    def encoder(self) -> FeatureEncoder:
        return fit_encoder(self.visible)

    @cached_property
    def expected_reward(self) -> FloatArray:
        """(n_states, n_actions) of one period."""
        paid = self.base_amount + self.bonus_rate * self.bonus_amount
        expected: FloatArray = (1 - self.churn_rate) * paid - self.cost_amount
        return expected

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:
        edges = self._initial_edges
        drawn = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
        return np.asarray(drawn[:, None], dtype=np.float64)

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition:
        n, cell = len(state), self.index(state) * len(self.actions) + action
        draws = rng.random((3, n))
        terminated = draws[0] < self.churn_rate.take(cell)
        bonus = np.where(draws[1] < self.bonus_rate.take(cell), self.bonus_amount.take(cell), 0.0)
        paid = self.base_amount.take(cell) + bonus + self.noise_amount * rng.standard_normal(n)
        reward = np.where(terminated, 0.0, paid) - self.cost_amount.take(action)
        following = self.next_state.take(cell * self.next_state.shape[2] + self._branch(cell, draws[2]))
        return Transition(following[:, None].astype(np.float64), reward, terminated)

    def observe(self, state: FloatArray) -> Observation:
        return self._observations.take(self.index(state), axis=0)

    def context(self, state: FloatArray) -> Context:
        return self.visible.take(self.index(state))

    def supported(self, state: FloatArray) -> BoolArray:
        return np.ones((len(state), len(self.actions)), dtype=np.bool_)

    def index(self, state: FloatArray) -> IntArray:
        """(n,) rows of the tables."""
        return state[:, 0].astype(np.int64)

    @cached_property
    def _initial_edges(self) -> FloatArray:
        return np.cumsum(self.initial_distribution)

    def _branch(self, cell: IntArray, draw: FloatArray) -> IntArray:
        """(n,) how many edges of its cell each draw reaches: its branch, by binary search in all cells at once."""
        step = self._branch_edges.shape[1]
        first = cell * step
        place = first.copy()
        while step := step // 2:
            place += step * (draw >= self._branch_edges.take(place + (step - 1)))
        return np.asarray(place - first, dtype=np.int64)

    @cached_property
    def _branch_edges(self) -> FloatArray:
        """(n_cells, a power of two) cumulated rates of all branches but the last, filled up with infinity."""
        n_edges = self.next_rate.shape[2] - 1
        edges = np.full((self.churn_rate.size, 1 << n_edges.bit_length()), np.inf)
        edges[:, :n_edges] = np.cumsum(self.next_rate, axis=2)[:, :, :-1].reshape(len(edges), n_edges)
        return edges

    @cached_property
    def _observations(self) -> Observation:
        return self.encoder.transform(self.visible).astype(np.float32)
