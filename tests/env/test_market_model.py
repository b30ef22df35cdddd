"""The fitted market: lawful, reproducible, aware of its support, and good enough to plan in."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from analysis.features import FeatureEncoder, fit_encoder
from analysis.outcome_model import fit_outcome_model
from config.market import MarketConfig
from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.context import Context
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions, Panel
from env.fit import fit_market
from env.forecast import expected_value
from env.layout import fit_layout
from env.market import MarketCore
from env.member import Choices, Member, MemberFit, Rounds
from env.model import MarketModel
from env.reference.behavior import TargetedBehavior
from env.reference.exact import distribution_of, score_distribution, value
from env.reference.log import one_period_log, panel_log
from env.reference.subscription import subscription_market
from tests.env.planning import plan


@cache
def make_log(seed: int = 0, n_customers: int = 4_000) -> LoggedDecisions:
    return panel_log(subscription_market(), n_customers, rng=np.random.default_rng(seed))


@cache
def make_model(seed: int = 0) -> MarketModel:
    return fit_market(make_log(seed), rng=np.random.default_rng(seed + 100))


def make_drifting_log(n_customers: int = 400, n_periods: int = 8) -> LoggedDecisions:
    """One moving number, next = .5 * level + 1 if pushed + noise of .1; nobody leaves; the reward is the level."""
    rng, rows = np.random.default_rng(0), n_customers * n_periods
    level = np.empty((n_customers, n_periods + 1))
    level[:, 0] = rng.normal(size=n_customers)
    action = rng.integers(2, size=(n_customers, n_periods))
    for t in range(n_periods):
        level[:, t + 1] = 0.5 * level[:, t] + action[:, t] + 0.1 * rng.normal(size=n_customers)
    step = np.tile(np.arange(n_periods), n_customers)
    episode = np.repeat(np.arange(n_customers), n_periods)
    following = Context({"level": level[:, 1:].ravel()}, rows)
    panel = Panel(episode, step, following, np.zeros(rows, np.bool_), step == n_periods - 1)
    before = level[:, :-1].ravel()
    context = Context({"level": before}, rows)
    return LoggedDecisions(ActionSet(("rest", "push")), action.ravel(), before, "reward", context, episode, panel=panel)


def expected_rewards(model: MarketModel, context: Context) -> FloatArray:
    """(n_rounds, n_actions) of one period, averaged over the members."""
    columns, everyone = model.layout.encode(context), np.ones(context.n_rounds, np.int64)
    by_member = [
        [model.outlook(model.with_members(columns, everyone * k), everyone * a).expected_reward for a in range(5)]
        for k in range(model.n_members)
    ]
    return np.asarray(np.mean(by_member, axis=0).T)


def mean_hazard(model: MarketModel, log: LoggedDecisions) -> float:
    """Of the rounds of `log`, under the first member."""
    columns = model.layout.encode(log.context)
    return float(model.outlook(model.with_members(columns, np.zeros(len(log), np.int64)), log.action).churn_rate.mean())


def fit_whole(log: LoggedDecisions, encoder: FeatureEncoder) -> tuple[Choices, Member]:
    """The member of all rounds, with the choices made on every fourth customer."""
    assert log.panel is not None
    layout = fit_layout(log.context, log.panel.next_context, log.panel.terminated, max_levels=12)
    rounds = Rounds(layout, layout.encode(log.context), layout.encode(log.panel.next_context), log)
    fit = MemberFit(rounds, encoder)
    choices = fit.choose(log.unit % 4 == 0)
    return choices, fit.member(log.sample_weight, choices, None, np.random.default_rng(0))


def test_plan_in_the_fitted_market__is_good_in_the_true_one() -> None:
    market = subscription_market()
    policy, promised = plan(make_model(), market)
    assert score_distribution(market, policy) >= 0.85
    assert 0.85 <= promised / value(market, policy) <= 1.15


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_plan_in_the_fitted_market__is_good_for_every_seed(seed: int) -> None:
    market = subscription_market()
    policy, promised = plan(make_model(seed), market)
    assert score_distribution(market, policy) >= 0.85
    assert 0.9 <= promised / value(market, policy) <= 1.15


def test_rates_are_probabilities() -> None:
    model, rng = make_model(), np.random.default_rng(1)
    state = model.initial(500, rng)
    outlook = model.outlook(state, rng.integers(5, size=500))
    assert outlook.churn_rate.min() > 0
    assert outlook.churn_rate.max() < 1
    for rates in outlook.levels:
        assert rates.min() >= 0
        np.testing.assert_allclose(rates.sum(axis=1), 1)


def test_observation__is_what_the_encoder_makes_of_the_context() -> None:
    model = make_model()
    state = model.initial(300, np.random.default_rng(2))
    expected = model.encoder.transform(model.context(state)).astype(np.float32)
    assert model.observe(state).tobytes() == expected.tobytes()


def test_simulation__keeps_static_columns_and_known_levels() -> None:
    model = make_model()
    core = MarketCore(model, 400, horizon=50, seed=0)
    core.reset()
    before = core.context
    core.step(np.zeros(400, dtype=np.int64))
    moved = model.advance(core.state, np.ones(400, dtype=np.int64), np.random.default_rng(0))
    np.testing.assert_array_equal(core.context.column("plan"), model.context(moved.next_state).column("plan"))
    for name, values in model.context(moved.next_state).columns.items():
        assert set(values.tolist()) <= set(make_log().context.column(name).tolist())
    assert before.n_rounds == 400


def test_same_seed__same_bytes() -> None:
    small = make_log(n_customers=400)

    def trajectory() -> bytes:
        model = fit_market(small, MarketConfig(n_members=2), rng=np.random.default_rng(3))
        core = MarketCore(model, 100, horizon=6, seed=4)
        core.reset()
        steps = [core.step(np.full(100, t % 5)) for t in range(8)]
        return b"".join(s.observation.tobytes() + s.reward.tobytes() for s in steps)

    assert trajectory() == trajectory()


def test_hazard__recovers_the_truth_where_the_log_is() -> None:
    market, model, log = subscription_market(), make_model(), make_log()
    codes = model.layout.encode(market.states)
    places = {tuple(row): i for i, row in enumerate(codes.tolist())}
    columns = model.layout.encode(log.context)
    states = np.array([places[tuple(row)] for row in columns.tolist()])
    predicted = model.outlook(model.with_members(columns, np.zeros(len(log), np.int64)), log.action).churn_rate
    truth = market.churn_rate[states, log.action]
    assert np.corrcoef(predicted, truth)[0, 1] > 0.9
    assert abs(predicted.mean() - truth.mean()) < 0.01


def test_expected_value__agrees_with_the_truth_of_the_logging_policy() -> None:
    market, behavior = subscription_market(), TargetedBehavior()
    simulated = expected_value(make_model(), behavior, horizon=12, n_customers=5_000, rng=np.random.default_rng(0))
    truth = value(market, distribution_of(market, behavior), horizon=12, discount=1.0)
    assert abs(simulated.value - truth) < 0.05 * truth
    assert simulated.pessimistic() < simulated.value
    assert len(simulated.by_member) == 5


def test_support__masks_what_was_never_tried() -> None:
    """Without any discount for premium customers in the log, none is offered to them in the market."""
    log = make_log()
    tried = ~((log.context.column("plan") == "premium") & (log.action == 2))
    kept = log.take(np.flatnonzero(tried))
    model = fit_market(kept, MarketConfig(n_members=1), rng=np.random.default_rng(0))
    state = model.initial(2_000, np.random.default_rng(1))
    premium = model.context(state).column("plan") == "premium"
    supported = model.supported(state)
    assert supported[premium, 2].mean() < 0.05
    assert supported[~premium, 2].mean() > 0.95
    assert supported.any(axis=1).all()


def test_log_without_time__is_the_outcome_model() -> None:
    market = subscription_market()
    log = one_period_log(market, 4_000, rng=np.random.default_rng(0))
    model = fit_market(log, rng=np.random.default_rng(0))
    moved = model.advance(
        model.initial(100, np.random.default_rng(1)), np.zeros(100, np.int64), np.random.default_rng(2)
    )
    assert not moved.terminated.any()
    ours, theirs = expected_rewards(model, market.states), fit_outcome_model(log).expected_reward(market.states)
    weight = market.initial_distribution
    assert np.sqrt((weight @ (ours - market.expected_reward) ** 2).mean()) < 1.1 * np.sqrt(
        (weight @ (theirs - market.expected_reward) ** 2).mean()
    )


def test_moving_number__recovers_its_law_and_stays_in_range() -> None:
    log = make_drifting_log()
    model = fit_market(log, MarketConfig(n_members=2), rng=np.random.default_rng(0))
    state = model.with_members(np.array([[0.4], [0.4]]), np.array([0, 1]))
    rest, push = (model.outlook(state, np.full(2, a)).numbers[:, 0] for a in (0, 1))
    np.testing.assert_allclose(rest, 0.2, atol=0.03)
    np.testing.assert_allclose(push, 1.2, atol=0.03)
    many = model.with_members(np.full((2_000, 1), 0.4), np.zeros(2_000, np.int64))
    moved = model.advance(many, np.zeros(2_000, np.int64), np.random.default_rng(0))
    assert 0.08 < moved.next_state[:, 1].std() < 0.12
    assert moved.next_state[:, 1].max() <= log.context.column("level").max() + 1.0
    assert not moved.terminated.any()


def test_missing_values__are_a_level_of_their_own() -> None:
    log = make_log(n_customers=400)
    values = log.context.column("engagement").astype(np.float64)
    holes = np.random.default_rng(0).random(len(log)) < 0.2
    columns = {**log.context.columns, "survey": np.where(holes, np.nan, values)}
    assert log.panel is not None
    following = Context({**log.panel.next_context.columns, "survey": columns["survey"]}, len(log))
    holed = replace(log, context=Context(columns, len(log)), panel=replace(log.panel, next_context=following))
    model = fit_market(holed, MarketConfig(n_members=1), rng=np.random.default_rng(0))
    state = model.initial(200, np.random.default_rng(0))
    assert np.isnan(model.context(state).column("survey").astype(np.float64)).any()
    assert np.isfinite(model.observe(state)).all()


def test_missing_numbers_of_a_moving_column__stay_rare() -> None:
    """2 % of the levels before and after are missing; a residual drawn from such a round would poison the column."""
    log, holes = make_drifting_log(), np.random.default_rng(3)
    assert log.panel is not None
    before, after = (
        np.where(holes.random(len(log)) < 0.02, np.nan, column.astype(np.float64))
        for column in (log.context.column("level"), log.panel.next_context.column("level"))
    )
    panel = replace(log.panel, next_context=Context({"level": after}, len(log)))
    model = fit_market(
        replace(log, context=Context({"level": before}, len(log)), panel=panel),
        MarketConfig(n_members=2),
        rng=np.random.default_rng(0),
    )
    rng = np.random.default_rng(1)
    state = model.initial(2_000, rng)
    for _ in range(6):
        moved = model.advance(state, rng.integers(2, size=2_000), rng)
        state = moved.next_state
        assert np.isfinite(moved.reward).all()
        assert np.isnan(state[:, 1]).mean() <= 0.03
    assert 0.3 < np.nanstd(state[:, 1]) < 1.0  # uniform pushes: sqrt((.25 + .01) / (1 - .25)) = .59


def test_weights__stand_for_the_rounds_that_were_not_kept() -> None:
    """Of the rounds after which a customer stayed, a quarter is kept with weight 4; leaving is as rare as before."""
    log = make_log()
    assert log.panel is not None
    kept = log.panel.terminated | (np.random.default_rng(4).random(len(log)) < 0.25)
    thinned = replace(log, weight=np.where(log.panel.terminated, 1.0, 4.0)).take(kept)
    naive = replace(thinned, weight=None)
    whole, weighted, ignored = (
        mean_hazard(fit_market(part, MarketConfig(n_members=1), rng=np.random.default_rng(0)), log)
        for part in (log, thinned, naive)
    )
    assert abs(weighted - whole) < 0.1 * whole
    assert ignored > 2 * whole


def test_rounds_of_weight_three__are_three_copies() -> None:
    """What takes levels is regressed alike, and as much shrinkage is chosen."""
    log = make_log(n_customers=400)
    copies = np.where(log.unit % 2 == 0, 3, 1)
    repeated = log.take(np.repeat(np.arange(len(log)), copies))
    (chosen, fitted), (expected_choices, expected) = (
        fit_whole(part, fit_encoder(log.context)) for part in (replace(log, weight=copies.astype(float)), repeated)
    )
    for one, other in zip(chosen.levels, expected_choices.levels, strict=True):
        np.testing.assert_allclose(one.shared + one.action, other.shared + other.action, rtol=1e-3)
    for ours, theirs in zip(fitted.levels, expected.levels, strict=True):
        np.testing.assert_allclose(ours.offset, theirs.offset, atol=1e-9)
        np.testing.assert_allclose(ours.coefficients, theirs.coefficients, atol=1e-4)


def test_pessimism__takes_off_what_members_disagree_by() -> None:
    model, rng = make_model(), np.random.default_rng(6)
    state, action = model.initial(500, rng), rng.integers(5, size=500)
    by_member = [
        model.outlook(model.with_members(state[:, 1:], np.full(500, k)), action) for k in range(model.n_members)
    ]
    plain, cautious = model.outlook(state, action), model.pessimistic(2.0).outlook(state, action)
    risk = np.std([o.churn_rate for o in by_member], axis=0, ddof=1)
    less = np.std([o.reward[:, 0] for o in by_member], axis=0, ddof=1)
    np.testing.assert_allclose(cautious.churn_rate, plain.churn_rate + 2 * risk)
    np.testing.assert_allclose(cautious.reward[:, 0], plain.reward[:, 0] - 2 * less)
    np.testing.assert_array_equal(cautious.reward[:, 1], plain.reward[:, 1])


def test_one_action__is_refused_with_what_to_do() -> None:
    log = make_log(n_customers=400)
    with pytest.raises(InvalidSnapshot, match="1 of 5 actions") as refused:
        fit_market(log.take(log.action == 0), rng=np.random.default_rng(0))
    assert "experiment" in refused.value.hint
