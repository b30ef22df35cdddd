"""A tabular market moves by its tables: next states as often as their rates, whatever the row and the branch."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from domain.arrays import FloatArray
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket

N = 40_000


def next_state_counts(market: TabularMarket, state: int, action: int) -> FloatArray:
    """(n_states,) where one period leads N customers."""
    rng = np.random.default_rng(0)
    moved = market.advance(np.full((N, 1), float(state)), np.full(N, action), rng)
    return np.bincount(market.index(moved.next_state), minlength=market.n_states).astype(np.float64)


def follows(counts: FloatArray, next_state: np.ndarray, next_rate: FloatArray) -> bool:
    """Are the counts a draw of these rates, both (n_branches,)?"""
    expected = np.zeros(len(counts))
    np.add.at(expected, next_state, N * next_rate)
    reachable = expected > 0
    distance = ((counts - expected)[reachable] ** 2 / expected[reachable]).sum()
    return counts[~reachable].sum() == 0 and bool(chi2.sf(distance, max(reachable.sum() - 1, 1)) > 1e-4)


@pytest.mark.parametrize(("state", "action"), [(0, 0), (423, 4), (700, 1), (959, 4)])
def test_moves__are_as_frequent_as_their_rates(state: int, action: int) -> None:
    market = subscription_market()
    counts = next_state_counts(market, state, action)
    assert follows(counts, market.next_state[state, action], market.next_rate[state, action])
    neighbours = np.roll(market.next_rate[state, action], 1)
    assert not follows(counts, market.next_state[state, action], neighbours)


@pytest.mark.parametrize("n_branches", [1, 2, 3, 4, 5])
def test_moves__whatever_the_number_of_branches(n_branches: int) -> None:
    market = subscription_market()
    rate = np.arange(1.0, n_branches + 1) / np.arange(1.0, n_branches + 1).sum()
    shape = (*market.churn_rate.shape, n_branches)
    few = replace(
        market,
        next_state=np.broadcast_to(np.arange(n_branches), shape).copy(),
        next_rate=np.broadcast_to(rate, shape).copy(),
    )
    for state in (0, 959):
        assert follows(next_state_counts(few, state, 4), np.arange(n_branches), rate)


def test_moves__a_rate_of_zero_is_never_drawn() -> None:
    market = subscription_market()
    shape = (*market.churn_rate.shape, 4)
    rate = np.broadcast_to([0.0, 0.5, 0.0, 0.5], shape).copy()
    some = replace(market, next_state=np.broadcast_to(np.arange(4), shape).copy(), next_rate=rate)
    counts = next_state_counts(some, 5, 2)
    assert counts[[0, 2]].sum() == 0
    assert counts[[1, 3]].sum() == N
