"""The peer of the throughput benchmark follows the reference market's law, or the comparison would be of two worlds."""

from dataclasses import replace
from itertools import islice
from random import Random

import numpy as np
import pytest
from scipy.stats import chi2
from stable_baselines3.common.env_checker import check_env

from benchmarks.env.one_customer import CustomerTables, OneCustomerEnv, customer_tables
from domain.arrays import FloatArray
from env.reference import exact
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket

HORIZON, N_EPISODES, N_ERRORS = 12, 8_000, 4.0


def make_tables(market: TabularMarket | None = None) -> CustomerTables:
    return customer_tables(subscription_market() if market is None else market)


def returns(tables: CustomerTables, distribution: FloatArray, n_episodes: int = N_EPISODES) -> FloatArray:
    """(n_episodes,) sums of rewards under (n_states, n_actions); the state is read off the observation."""
    env, choose = OneCustomerEnv(tables, horizon=HORIZON, seed=0), Random(0)  # noqa: S311 # a simulation
    place = {observation.tobytes(): s for s, observation in enumerate(tables.observations)}
    n_actions = range(distribution.shape[1])
    weights = distribution.tolist()
    found = []
    for _ in range(n_episodes):
        observation, ended, total = env.reset()[0], False, 0.0
        while not ended:
            (action,) = choose.choices(n_actions, weights[place[observation.tobytes()]])
            observation, reward, terminated, truncated, _ = env.step(action)
            total, ended = total + reward, terminated or truncated
        found.append(total)
    return np.array(found)


def errors_from_truth(tables: CustomerTables, distribution: FloatArray) -> float:
    """Distance of the mean return from its exact value, in standard errors."""
    found = returns(tables, distribution)
    truth = exact.value(subscription_market(), distribution, horizon=HORIZON, discount=1.0)
    return float(abs(found.mean() - truth) / (found.std() / np.sqrt(len(found))))


@pytest.mark.parametrize("name", ["uniform", "optimal"])
def test_mean_return__is_the_exact_value(name: str) -> None:
    market = subscription_market()
    distribution = exact.uniform(market) if name == "uniform" else exact.solve(market).distribution
    assert errors_from_truth(make_tables(), distribution) < N_ERRORS


@pytest.mark.parametrize("defect", ["hazard", "bonus", "cost", "first"])
def test_mean_return__shows_another_law_of_motion(defect: str) -> None:
    market = subscription_market()
    planted = {
        "hazard": replace(market, churn_rate=market.churn_rate * 0.9),
        "bonus": replace(market, bonus_rate=np.zeros_like(market.bonus_rate)),
        "cost": replace(market, cost_amount=np.zeros_like(market.cost_amount)),
        "first": replace(market, initial_distribution=np.full(960, 1 / 960)),
    }[defect]
    assert errors_from_truth(make_tables(planted), exact.solve(market).distribution) > N_ERRORS


@pytest.mark.parametrize("defect", [False, True])
def test_moves__are_as_frequent_as_their_rates(defect: bool) -> None:
    """From one state under one action, against the rates or against those of the neighbouring branches."""
    state, action, n = 423, 4, 20_000
    lasting = replace(subscription_market(), churn_rate=np.zeros((960, 5)))
    rates = np.zeros(960)
    np.add.at(rates, lasting.next_state[state, action], np.roll(lasting.next_rate[state, action], int(defect)))
    env = OneCustomerEnv(make_tables(lasting), horizon=10**9, seed=0)
    env.reset()
    counts = np.zeros(960)
    for _ in range(n):
        env._state = state
        env.step(action)
        counts[env._state] += 1
    reachable = rates > 0
    distance = ((counts[reachable] - n * rates[reachable]) ** 2 / (n * rates[reachable])).sum()
    is_law = counts[~reachable].sum() == 0 and chi2.sf(distance, reachable.sum() - 1) > 1e-4
    assert is_law != defect


def test_rewards__fluctuate_as_the_market_says() -> None:
    still = replace(subscription_market(), churn_rate=np.zeros((960, 5)), bonus_rate=np.zeros((960, 5)))
    env = OneCustomerEnv(make_tables(still), horizon=10**9, seed=0)
    env.reset()
    paid = [env.step(0)[1] for _ in range(5_000)]
    plan = still.base_amount[env._state, 0]
    assert abs(np.mean(paid) - plan) < 0.1 * plan
    assert abs(np.std(paid) / still.noise_amount - 1) < 0.05


def test_episodes__end_by_leaving_or_at_the_horizon() -> None:
    env = OneCustomerEnv(make_tables(), horizon=3, seed=1)
    env.reset()
    lengths, length = [], 0
    for action in islice(iter([0, 1, 2, 3, 4] * 400), 2_000):
        _, _, terminated, truncated, _ = env.step(action)
        length += 1
        assert not (terminated and truncated)
        assert truncated == (length == 3 and not terminated)
        if terminated or truncated:
            lengths.append(length)
            length = 0
            env.reset()
    assert set(lengths) == {1, 2, 3}


def test_sb3__accepts_it() -> None:
    check_env(OneCustomerEnv(make_tables()))


def test_same_seed__same_trajectory() -> None:
    def play() -> list[float]:
        env = OneCustomerEnv(make_tables())
        env.reset(seed=4)
        return [env.step(0)[1] for _ in range(5)]

    assert play() == play()
