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
        s = self.index(state)
        n = len(s)
        draws = rng.random((3, n))
        terminated = draws[0] < self.churn_rate[s, action]
        bonus = np.where(draws[1] < self.bonus_rate[s, action], self.bonus_amount[s, action], 0.0)
        paid = self.base_amount[s, action] + bonus + self.noise_amount * rng.standard_normal(n)
        reward = np.where(terminated, 0.0, paid) - self.cost_amount[action]
        branch = (draws[2][:, None] >= self._branch_edges[s, action]).sum(axis=1)
        return Transition(self.next_state[s, action, branch][:, None].astype(np.float64), reward, terminated)

    def observe(self, state: FloatArray) -> Observation:
        return self._observations[self.index(state)]

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

    @cached_property
    def _branch_edges(self) -> FloatArray:
        """(n_states, n_actions, n_branches - 1): a draw at or above an edge belongs to a later branch."""
        return np.cumsum(self.next_rate, axis=2)[:, :, :-1]

    @cached_property
    def _observations(self) -> Observation:
        return self.encoder.transform(self.visible).astype(np.float32)
