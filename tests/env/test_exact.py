"""Exact values against closed forms, against themselves, and against simulation."""

import numpy as np

from domain.actions import ActionSet
from domain.context import Context
from domain.policy import draw_actions
from env.market import MarketCore
from env.reference.exact import (
    constant,
    greedy,
    look_ahead,
    score_distribution,
    solve,
    state_values,
    uniform,
    value,
)
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket


def make_tiny_market(churn_rate: float = 0.2, discount: float = 0.9) -> TabularMarket:
    """One state; action `pay` earns 10 for sure and may lose the customer, `wait` earns nothing and loses no one."""
    return TabularMarket(
        actions=ActionSet(("wait", "pay")),
        states=Context({"level": np.array([0.0])}, 1),
        initial_distribution=np.ones(1),
        churn_rate=np.array([[0.0, churn_rate]]),
        base_amount=np.array([[0.0, 10.0]]),
        bonus_rate=np.zeros((1, 2)),
        bonus_amount=np.zeros((1, 2)),
        cost_amount=np.array([0.0, 1.0]),
        noise_amount=0.0,
        next_state=np.zeros((1, 2, 1), dtype=np.int64),
        next_rate=np.ones((1, 2, 1)),
        discount=discount,
    )


def test_value__by_hand() -> None:
    """Each period earns .8 * 10 - 1 = 7 and goes on with .8: 7 / (1 - .9 * .8) = 25; two periods 7 + .72 * 7."""
    market = make_tiny_market()
    pay = constant(market, "pay")
    np.testing.assert_allclose(value(market, pay), 25.0)
    np.testing.assert_allclose(value(market, pay, horizon=2), 7 + 0.72 * 7)
    np.testing.assert_allclose(value(market, pay, horizon=2, discount=1.0), 7 + 0.8 * 7)
    assert value(market, constant(market, "wait")) == 0


def test_score__uniform_is_zero_and_optimum_is_one() -> None:
    market = make_tiny_market()
    np.testing.assert_allclose(score_distribution(market, uniform(market)), 0, atol=1e-12)
    np.testing.assert_allclose(score_distribution(market, solve(market).distribution), 1)


def test_optimum__is_a_fixed_point_and_beats_every_constant() -> None:
    market = subscription_market()
    optimum = solve(market)
    improved = look_ahead(market, optimum.state_value).max(axis=1)
    np.testing.assert_allclose(improved, optimum.state_value, atol=1e-7)
    np.testing.assert_allclose(state_values(market, optimum.distribution), optimum.state_value, atol=1e-5)
    for action in market.actions.ids:
        assert (state_values(market, constant(market, action)) <= optimum.state_value + 1e-6).all()


def test_long_horizon__approaches_the_endless_value() -> None:
    market = subscription_market()
    policy = greedy(market.expected_reward)
    np.testing.assert_allclose(value(market, policy, horizon=400), value(market, policy), rtol=1e-6)


def test_value__agrees_with_simulation() -> None:
    """Within four standard errors of 8,000 simulated episodes."""
    market, horizon, n = subscription_market(), 30, 8_000
    policy = solve(market).distribution
    core = MarketCore(market, n, horizon=horizon, seed=1)
    core.reset()
    rng, returns, alive = np.random.default_rng(2), np.zeros(n), np.ones(n, dtype=np.bool_)
    for period in range(horizon):
        moved = core.step(draw_actions(policy[market.index(core.state)], rng))
        returns += market.discount**period * moved.reward * alive
        alive &= ~moved.terminated
    error = returns.std() / np.sqrt(n)
    assert abs(returns.mean() - value(market, policy, horizon=horizon)) < 4 * error
