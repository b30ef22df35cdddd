"""What is true in a tabular market: the optimum, and the value of any policy, without simulation.

Value iteration and policy evaluation by linear solve: Puterman (1994), Markov Decision Processes, chapter 6. A policy
enters as its distribution over actions in every state, (n_states, n_actions); a state after which the customer has left
is worth nothing.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from domain.arrays import FloatArray
from domain.policy import Policy
from env.reference.tabular import TabularMarket

TOLERANCE = 1e-9  # largest change of a state's value at which value iteration stops


@dataclass(frozen=True)
class Optimum:
    """The best that can be done, by state."""

    state_value: FloatArray  # (n_states,)
    action_value: FloatArray  # (n_states, n_actions) of acting so once and optimally ever after

    @property
    def distribution(self) -> FloatArray:
        """(n_states, n_actions) the optimal policy."""
        return greedy(self.action_value)


def solve(market: TabularMarket) -> Optimum:
    """The optimum of the discounted market, by value iteration."""
    value = np.zeros(market.n_states)
    while True:
        action_value = look_ahead(market, value)
        improved = action_value.max(axis=1)
        if np.abs(improved - value).max() <= TOLERANCE:
            return Optimum(improved, action_value)
        value = improved


def look_ahead(market: TabularMarket, state_value: FloatArray, discount: float | None = None) -> FloatArray:
    """(n_states, n_actions) expected reward now plus the discounted value of where it leads."""
    discount = market.discount if discount is None else discount
    following = (market.next_rate * state_value[market.next_state]).sum(axis=2)
    action_value: FloatArray = market.expected_reward + discount * (1 - market.churn_rate) * following
    return action_value


def state_values(
    market: TabularMarket, distribution: FloatArray, *, horizon: int | None = None, discount: float | None = None
) -> FloatArray:
    """(n_states,) expected discounted reward over `horizon` periods, for ever where None.

    Args:
        market: the market.
        distribution: (n_states, n_actions) the policy.
        horizon: periods; None = until the customer leaves.
        discount: a period; None = the market's own. A horizon may be summed with 1.0.
    """
    if horizon is None:
        return _solve_linear(market, distribution, market.discount if discount is None else discount)
    value = np.zeros(market.n_states)
    for _ in range(horizon):
        value = (distribution * look_ahead(market, value, discount)).sum(axis=1)
    return value


def value(
    market: TabularMarket, distribution: FloatArray, *, horizon: int | None = None, discount: float | None = None
) -> float:
    """`state_values` averaged over the initial distribution."""
    values = state_values(market, distribution, horizon=horizon, discount=discount)
    return float(market.initial_distribution @ values)


def distribution_of(market: TabularMarket, policy: Policy) -> FloatArray:
    """(n_states, n_actions) what `policy` does in every state of the market, by what it may see of it."""
    return policy.actions.align(policy.distribution(market.visible), to=market.actions)


def score(market: TabularMarket, policy: Policy) -> float:
    """`score_distribution` of a policy: 0 is as good as uniform, 1 is optimal."""
    return score_distribution(market, distribution_of(market, policy))


def score_distribution(market: TabularMarket, distribution: FloatArray) -> float:
    """(V - V_uniform) / (V* - V_uniform), all exact and discounted without end."""
    low = value(market, uniform(market))
    high = float(market.initial_distribution @ solve(market).state_value)
    return (value(market, distribution) - low) / (high - low)


def uniform(market: TabularMarket) -> FloatArray:
    """(n_states, n_actions) every action alike."""
    return np.full(market.expected_reward.shape, 1 / len(market.actions))


def constant(market: TabularMarket, action_id: str) -> FloatArray:
    """(n_states, n_actions) always the same action."""
    distribution = np.zeros(market.expected_reward.shape)
    distribution[:, market.actions.index(action_id)] = 1.0
    return distribution


def best_constant(market: TabularMarket) -> FloatArray:
    """(n_states, n_actions) the action that is worth most when it is all that is ever done."""
    return max((constant(market, action) for action in market.actions.ids), key=partial(value, market))


def myopic(market: TabularMarket) -> FloatArray:
    """(n_states, n_actions) greedy on the exact reward of one period: what the best bandit becomes."""
    return greedy(market.expected_reward)


def greedy(action_value: FloatArray) -> FloatArray:
    """(n_states, n_actions) the best action in each state; the first of equally good ones."""
    return np.asarray(np.eye(action_value.shape[1])[action_value.argmax(axis=1)], dtype=np.float64)


def occupancy(market: TabularMarket, distribution: FloatArray) -> FloatArray:
    """(n_states,) expected discounted number of periods that a customer spends in each state under a policy."""
    moves = _moves(market, distribution)
    left = np.eye(market.n_states) - market.discount * moves.T
    return np.asarray(np.linalg.solve(left, market.initial_distribution), dtype=np.float64)


def _solve_linear(market: TabularMarket, distribution: FloatArray, discount: float) -> FloatArray:
    earned = (distribution * market.expected_reward).sum(axis=1)
    return np.linalg.solve(np.eye(market.n_states) - discount * _moves(market, distribution), earned)


def _moves(market: TabularMarket, distribution: FloatArray) -> FloatArray:
    """(n_states, n_states) rates of staying and going there."""
    stays = distribution * (1 - market.churn_rate)
    moves = np.zeros((market.n_states, market.n_states))
    rows = np.broadcast_to(np.arange(market.n_states)[:, None, None], market.next_state.shape)
    np.add.at(moves, (rows, market.next_state), stays[:, :, None] * market.next_rate)
    return moves
