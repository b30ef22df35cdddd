"""Rewards with an atom: found where they have one, and their two parts recovered."""

from dataclasses import replace

import numpy as np
import pytest

from config.market import MarketConfig
from domain.arrays import FloatArray
from domain.log import LoggedDecisions
from env.fit import fit_market
from env.forecast import expected_value
from env.hurdle import find_hurdle, smeared
from env.market import MarketCore
from env.model import Outlook
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from policies.baselines import ConstantPolicy
from tests.env.shop import COST, mean_spend, purchase_rate, shop_log, tastes_only


def outlook_of(log: LoggedDecisions, *, n_members: int = 1) -> Outlook:
    model = fit_market(log, MarketConfig(n_members=n_members), rng=np.random.default_rng(0))
    columns = model.layout.encode(log.context)
    return model.outlook(model.with_members(columns, np.zeros(len(log), np.int64)), log.action)


def tastes(log: LoggedDecisions) -> FloatArray:
    return log.context.column("taste").astype(np.float64)


def test_hurdle__is_the_cost_of_the_action() -> None:
    log = shop_log()
    assert log.panel is not None
    hurdle = find_hurdle(log, ~log.panel.terminated)
    assert hurdle is not None
    np.testing.assert_array_equal(hurdle.atom, -COST)
    assert hurdle.in_logs


def test_rewards_that_spread__have_no_hurdle() -> None:
    log = panel_log(subscription_market(), 500, rng=np.random.default_rng(0))
    assert log.panel is not None
    assert find_hurdle(log, ~log.panel.terminated) is None


def test_price_tiers__are_no_hurdle() -> None:
    """Every customer pays one of three prices: the most frequent is no failure to buy."""
    log = shop_log()
    tiers = np.array([12.0, 20.0, 35.0])[np.random.default_rng(0).choice(3, size=len(log), p=[0.45, 0.4, 0.15])]
    everyone = np.ones(len(log), np.bool_)
    assert find_hurdle(replace(log, reward=tiers), everyone) is None
    assert find_hurdle(replace(log, reward=np.where(tiers > 20, tiers, 0.0)), everyone) is not None


def test_purchases_and_spend__are_recovered() -> None:
    log = tastes_only(shop_log(2_000))
    outlook = outlook_of(log)
    assert outlook.purchase_rate is not None
    truth = purchase_rate(tastes(log), log.action.astype(np.float64))
    assert np.abs(outlook.purchase_rate - truth).mean() < 0.015
    paid = truth * mean_spend(tastes(log)) - COST[log.action]
    assert np.corrcoef(outlook.reward[:, 0], paid)[0, 1] > 0.99
    assert abs(outlook.reward[:, 0].mean() / paid.mean() - 1) < 0.08  # three standard errors of 6,000 purchases
    assert log.panel is not None
    stays = ~log.panel.terminated
    assert abs(outlook.reward[stays, 0].mean() / log.reward[stays].mean() - 1) < 0.03


def test_predicted_reward__is_calibrated_over_its_range() -> None:
    """In five groups of similar prediction, on customers that were not fitted."""
    fitted, fresh = tastes_only(shop_log(2_000)), tastes_only(shop_log(2_000, seed=1))
    model = fit_market(fitted, MarketConfig(n_members=1), rng=np.random.default_rng(0))
    state = model.with_members(model.layout.encode(fresh.context), np.zeros(len(fresh), np.int64))
    predicted = model.outlook(state, fresh.action).expected_reward
    for rows in np.array_split(np.argsort(predicted), 5):
        stderr = 2**0.5 * fresh.reward[rows].std() / np.sqrt(len(rows))  # of these customers and of the fitted ones
        assert abs(predicted[rows].mean() - fresh.reward[rows].mean()) < 4 * stderr


def test_draws__have_the_expected_mean_and_the_logged_atom() -> None:
    log = tastes_only(shop_log())
    model, rng = fit_market(log, MarketConfig(n_members=2), rng=np.random.default_rng(0)), np.random.default_rng(1)
    state = np.repeat(model.initial(50, rng), 2_000, axis=0)
    action = np.ones(len(state), np.int64)
    moved = model.advance(state, action, rng)
    expected = model.outlook(state, action).expected_reward.mean()
    assert abs(moved.reward.mean() - expected) < 4 * moved.reward.std() / np.sqrt(len(state))
    staying = moved.reward[~moved.terminated]
    assert 0.2 < (staying == -COST[1]).mean() < 0.8
    assert staying.min() == -COST[1]


def test_pessimism__lowers_draws_as_it_lowers_what_is_expected() -> None:
    model = fit_market(tastes_only(shop_log()), MarketConfig(n_members=3), rng=np.random.default_rng(0))
    cautious, rng = model.pessimistic(3.0), np.random.default_rng(1)
    state, action = np.repeat(model.initial(50, rng), 2_000, axis=0), np.zeros(100_000, np.int64)
    moved, expected = cautious.advance(state, action, rng), cautious.outlook(state, action).expected_reward.mean()
    assert abs(moved.reward.mean() - expected) < 4 * moved.reward.std() / np.sqrt(len(state))
    assert expected < model.outlook(state, action).expected_reward.mean()


def test_fitted_shop__earns_what_the_true_one_does() -> None:
    simulated = expected_value(
        fit_market(tastes_only(shop_log(2_000)), rng=np.random.default_rng(0)),
        ConstantPolicy(shop_log().actions, "coupon"),
        horizon=5,
        n_customers=20_000,
        rng=np.random.default_rng(0),
    )
    taste = np.random.default_rng(0).normal(size=200_000)
    earned = float((purchase_rate(taste, np.ones(200_000)) * mean_spend(taste)).mean())
    truth = sum(0.98**t * (0.98 * earned - COST[1]) for t in range(5))
    assert abs(simulated.value / truth - 1) < 0.05


def test_log_of_one_action__is_fitted_when_asked() -> None:
    log = tastes_only(shop_log(300))
    only = log.take(log.action == 0)
    model = fit_market(only, MarketConfig(n_members=2), rng=np.random.default_rng(0), allow_one_action=True)
    core = MarketCore(model, 50, horizon=5, seed=0)
    core.reset()
    assert np.isfinite(core.step(np.zeros(50, np.int64)).reward).all()


def test_smearing__makes_predictions_add_up() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(2, size=4_000)
    spend, predicted = rng.gamma(1.0, 10.0 + 5 * group), np.full(4_000, 8.0)
    factor = smeared(spend, predicted, np.ones(4_000), group, 2)
    for g in (0, 1):
        assert (factor[g] * predicted[group == g]).sum() == pytest.approx(spend[group == g].sum(), rel=0.01)
