"""Every reference family through one checker: lawful, exact, seeded, and worth planning in where it says so."""

from functools import cache

import numpy as np
import pytest

from domain.policy import draw_actions
from env.market import MarketCore
from env.reference import exact
from env.reference.families import FAMILIES, Family
from env.reference.tabular import TabularMarket
from env.reference.veiled import averaged, plan_naively, plan_unseen

DRAWS = range(2)
CASES = [(name, draw) for name in FAMILIES for draw in DRAWS]
DYNAMIC = [(name, draw) for name, draw in CASES if FAMILIES[name].is_dynamic]


@cache
def make_market(name: str, draw: int = 0) -> TabularMarket:
    return FAMILIES[name].draw(np.random.default_rng(draw))


@cache
def optimum(name: str, draw: int = 0) -> exact.Optimum:
    return exact.solve(make_market(name, draw))


def score(name: str, draw: int, distribution: np.ndarray) -> float:
    market = make_market(name, draw)
    low = exact.value(market, exact.uniform(market))
    high = float(market.initial_distribution @ optimum(name, draw).state_value)
    return (exact.value(market, distribution) - low) / (high - low)


@pytest.mark.parametrize(("name", "draw"), CASES)
def test_law__rates_are_probabilities(name: str, draw: int) -> None:
    market = make_market(name, draw)
    shape = (market.n_states, len(market.actions))
    assert 300 <= market.n_states <= 2000
    assert 4 <= len(market.actions) <= 6
    for rates in (market.churn_rate, market.bonus_rate, market.base_amount, market.bonus_amount):
        assert rates.shape == shape
    for rates in (market.churn_rate, market.bonus_rate, market.next_rate, market.initial_distribution):
        assert rates.min() >= 0
        assert rates.max() <= 1
    np.testing.assert_allclose(market.next_rate.sum(axis=2), 1)
    np.testing.assert_allclose(market.initial_distribution.sum(), 1)
    assert market.next_state.min() >= 0
    assert market.next_state.max() < market.n_states


@pytest.mark.parametrize(("name", "draw"), DYNAMIC)
def test_dynamic_family__planning_pays(name: str, draw: int) -> None:
    """The best constant, the best bandit and the old rules stay behind; the optimum is worth having."""
    market = make_market(name, draw)
    rivals = (exact.best_constant(market), exact.myopic(market), FAMILIES[name].logged(market))
    assert max(score(name, draw, rival) for rival in rivals) <= 0.85
    low = exact.value(market, exact.uniform(market))
    high = float(market.initial_distribution @ optimum(name, draw).state_value)
    assert high - low > 0.25 * abs(low)
    chosen = optimum(name, draw).distribution
    used = exact.occupancy(market, chosen) @ chosen
    assert (used > 0.01 * used.sum()).sum() >= 3


@pytest.mark.parametrize("draw", DRAWS)
def test_myopic_family__best_bandit_is_optimal(draw: int) -> None:
    market = make_market("myopic", draw)
    np.testing.assert_array_equal(market.churn_rate, market.churn_rate[:, :1] * np.ones(len(market.actions)))
    np.testing.assert_array_equal(market.next_rate, market.next_rate[:, :1] * np.ones((1, len(market.actions), 1)))
    assert score("myopic", draw, exact.myopic(market)) == pytest.approx(1)
    assert score("myopic", draw, exact.best_constant(market)) <= 0.85


@pytest.mark.parametrize("draw", DRAWS)
def test_confounded_family__log_misleads_and_what_is_hidden_is_worth_little(draw: int) -> None:
    market = make_market("confounded", draw)
    assert score("confounded", draw, plan_unseen(market)) >= 0.92
    assert score("confounded", draw, plan_naively(market, FAMILIES["confounded"].logged(market))) <= 0.75
    assert score("confounded", draw, exact.best_constant(market)) <= 0.85


def test_hidden_column__is_seen_by_nobody_but_the_old_business() -> None:
    market, family = make_market("confounded"), FAMILIES["confounded"]
    log = family.log(market, 200, 3, rng=np.random.default_rng(0))
    assert log.panel is not None
    state = market.initial(5, np.random.default_rng(1))
    for context in (log.context, log.panel.next_context, market.context(state), market.visible):
        assert "rival_offer" not in context.columns
    assert "rival_offer" not in market.encoder.columns
    assert market.observe(state).shape == (5, market.encoder.n_features)
    assert len(np.unique(market.observe(np.arange(3.0)[:, None]), axis=0)) == 1  # three states that differ in it alone
    assert len(np.unique(family.logged(market)[:3], axis=0)) > 1


def test_confounded_log__keeps_the_true_propensities() -> None:
    market, family = make_market("confounded"), FAMILIES["confounded"]
    log = family.log(market, 6_000, 2, rng=np.random.default_rng(2))
    assert log.logged_distribution is not None
    assert set(np.unique(log.logged_distribution.round(6)).tolist()) == {0.025, 0.925}
    expected = log.logged_distribution.sum(axis=0)
    deviation = np.sqrt((log.logged_distribution * (1 - log.logged_distribution)).sum(axis=0))
    assert (np.abs(np.bincount(log.action, minlength=4) - expected) < 4 * deviation).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_value__agrees_with_simulation(name: str) -> None:
    """The optimum's value over twelve periods, within four standard errors of 4,000 simulated customers."""
    market, horizon, n = make_market(name), 12, 4_000
    policy = optimum(name).distribution
    core = MarketCore(market, n, horizon=horizon, seed=1)
    core.reset()
    rng, returns, alive = np.random.default_rng(2), np.zeros(n), np.ones(n, dtype=np.bool_)
    for period in range(horizon):
        moved = core.step(draw_actions(policy[market.index(core.state)], rng))
        returns += market.discount**period * moved.reward * alive
        alive &= ~moved.terminated
    error = returns.std() / np.sqrt(n)
    assert abs(returns.mean() - exact.value(market, policy, horizon=horizon)) < 4 * error


@pytest.mark.parametrize("name", FAMILIES)
def test_log__same_seed_same_bytes_and_every_action_tried(name: str) -> None:
    family, market = FAMILIES[name], make_market(name)
    first, second = (family.log(market, 300, 4, rng=np.random.default_rng(5)) for _ in range(2))
    assert first.reward.tobytes() == second.reward.tobytes()
    assert first.action.tobytes() == second.action.tobytes()
    assert set(first.action.tolist()) == set(range(len(market.actions)))
    assert first.panel is not None
    assert first.propensity is not None
    assert first.propensity.min() >= family.behavior.uniform_share / len(market.actions) - 1e-12


@pytest.mark.parametrize("name", FAMILIES)
def test_draw__same_seed_same_market_and_another_seed_another(name: str) -> None:
    again, other = FAMILIES[name].draw(np.random.default_rng(0)), make_market(name, 1)
    assert again.churn_rate.tobytes() == make_market(name).churn_rate.tobytes()
    assert again.expected_reward.tobytes() != other.expected_reward.tobytes()


def test_average__of_a_market_without_hidden_columns_is_the_market() -> None:
    market = make_market("myopic")
    veiled = averaged(market, np.ones(market.expected_reward.shape))
    np.testing.assert_allclose(veiled.market.expected_reward[veiled.place], market.expected_reward)
    policy = exact.myopic(market)
    mirrored = np.empty_like(policy)
    mirrored[veiled.place] = policy
    assert exact.value(veiled.market, mirrored) == pytest.approx(exact.value(market, policy))


def test_average__keeps_the_value_of_who_does_not_see() -> None:
    """Averaged by where a blind policy finds its customers, the market is worth the same to that policy."""
    market: TabularMarket = make_market("confounded")
    blind = exact.constant(market, "call")
    met = exact.occupancy(market, blind)
    veiled = averaged(market, np.broadcast_to(met[:, None], blind.shape))
    assert exact.value(veiled.market, exact.constant(veiled.market, "call")) == pytest.approx(
        exact.value(market, blind)
    )


def test_registry__names_its_families() -> None:
    assert all(isinstance(family, Family) and family.name == name for name, family in FAMILIES.items())
    assert sum(family.is_dynamic for family in FAMILIES.values()) == 5
