"""The subscription market: lawful tables, planning that pays, logs whose averages mislead."""

import numpy as np
import pytest

from collection.log_reader import read_log
from env.reference.behavior import TargetedBehavior
from env.reference.exact import constant, distribution_of, greedy, score_distribution, solve, uniform
from env.reference.log import one_period_log, one_period_value, panel_log, to_frame
from env.reference.parameters import RANGES, draw_parameters
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket

SEEDS = range(6)


def make_market(seed: int | None = None) -> TabularMarket:
    return subscription_market(None if seed is None else draw_parameters(np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", [None, *SEEDS])
def test_rates_are_probabilities(seed: int | None) -> None:
    market = make_market(seed)
    for rates in (market.churn_rate, market.bonus_rate, market.next_rate, market.initial_distribution):
        assert rates.min() >= 0
        assert rates.max() <= 1
    np.testing.assert_allclose(market.next_rate.sum(axis=2), 1)
    np.testing.assert_allclose(market.initial_distribution.sum(), 1)
    assert market.next_state.min() >= 0
    assert market.next_state.max() < market.n_states


@pytest.mark.parametrize("seed", [None, *SEEDS])
def test_planning_pays(seed: int | None) -> None:
    """Neither the best constant action nor the exactly myopic policy comes near the optimum."""
    market = make_market(seed)
    best_constant = max(score_distribution(market, constant(market, a)) for a in market.actions.ids)
    myopic = score_distribution(market, greedy(market.expected_reward))
    assert max(best_constant, myopic) <= 0.85


def test_optimum__uses_every_action() -> None:
    chosen = solve(make_market()).action_value.argmax(axis=1)
    assert set(chosen.tolist()) == set(range(5))


def test_parameters__stay_in_their_ranges() -> None:
    drawn = draw_parameters(np.random.default_rng(3))
    assert all(low <= getattr(drawn, name) <= high for name, (low, high) in RANGES.items())


def test_log__action_averages_mislead_and_propensities_mend_them() -> None:
    market = make_market()
    log = one_period_log(market, 60_000, rng=np.random.default_rng(0))
    upsell = market.actions.index("upsell")
    truth = one_period_value(market, constant(market, "upsell"))
    rows = log.action == upsell
    assert log.propensity is not None
    weighted = rows * log.reward / log.propensity
    error = weighted.std() / np.sqrt(len(log))
    assert log.reward[rows].mean() > 1.2 * truth
    assert abs(weighted.mean() - truth) < 4 * error


def test_log__propensities_are_the_policys_own() -> None:
    market = make_market()
    log = one_period_log(market, 40_000, rng=np.random.default_rng(1))
    assert log.logged_distribution is not None
    expected = log.logged_distribution.sum(axis=0)
    deviation = np.sqrt((log.logged_distribution * (1 - log.logged_distribution)).sum(axis=0))
    assert (np.abs(np.bincount(log.action, minlength=5) - expected) < 4 * deviation).all()


def test_behavior__ineligible_actions_get_nothing() -> None:
    market = make_market()
    eligible = np.ones((market.n_states, 5), dtype=np.bool_)
    eligible[:, 2] = False
    distribution = TargetedBehavior().distribution(market.states, eligible)
    assert (distribution[:, 2] == 0).all()
    np.testing.assert_allclose(distribution.sum(axis=1), 1)


def test_panel__is_gapless_and_ends_once() -> None:
    log = panel_log(make_market(), 200, 6, rng=np.random.default_rng(2))
    assert log.panel is not None
    starts = np.flatnonzero(log.panel.step == 0)
    assert len(starts) == 200
    ended = log.panel.terminated | log.panel.truncated
    assert ended.sum() == 200
    assert not (log.panel.terminated & log.panel.truncated).any()
    np.testing.assert_array_equal(np.flatnonzero(ended), np.append(starts[1:], len(log)) - 1)
    follows = np.flatnonzero(~ended)
    for name, values in log.context.columns.items():
        assert (log.panel.next_context.columns[name][follows] == values[follows + 1]).all()


def test_panel__same_seed_same_bytes() -> None:
    first, second = (panel_log(make_market(), 100, 4, rng=np.random.default_rng(5)) for _ in range(2))
    assert first.reward.tobytes() == second.reward.tobytes()
    assert first.action.tobytes() == second.action.tobytes()


def test_panel__reads_back_as_it_was_written() -> None:
    log = panel_log(make_market(), 300, 5, rng=np.random.default_rng(4))
    read = read_log(to_frame(log)).log
    assert read.panel is not None
    assert log.panel is not None
    order = [read.actions.index(a) for a in log.actions.ids]
    np.testing.assert_array_equal(np.array(order)[log.action], read.action)
    np.testing.assert_array_equal(log.reward, read.reward)
    np.testing.assert_array_equal(log.panel.terminated, read.panel.terminated)
    np.testing.assert_array_equal(log.panel.step, read.panel.step)
    np.testing.assert_array_equal(log.context.column("plan"), read.context.column("plan"))


def test_policy_distribution__follows_action_names() -> None:
    market = make_market()
    np.testing.assert_allclose(distribution_of(market, TargetedBehavior(uniform_share=1.0)), uniform(market))
