import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.bandit import BanditLearner, BanditStatistics, LinearBandit, bandit_statistics
from agents.outcome_learner import OutcomeLearner
from analysis.features import fit_encoder
from domain.actions import ActionSet
from domain.arrays import FloatArray, IntArray
from domain.context import Context
from domain.errors import InsufficientOverlap
from domain.log import LoggedDecisions
from domain.policy import Learner, draw_actions
from policies.network import NetworkPolicy

ACTIONS = ActionSet(("none", "mail", "call"))
SLOPES = np.array([[0.0, 1.0, -1.0], [0.5, -0.5, 0.0]])  # (n_features, n_actions)
LEARNERS: list[Learner] = [OutcomeLearner(), BanditLearner()]


def make_context(n: int, rng: np.random.Generator) -> Context:
    return Context({"spend": rng.normal(size=n), "visits": rng.normal(size=n)}, n)


def mean_rewards(context: Context) -> FloatArray:
    """(n_rounds, n_actions) the truth of the linear world."""
    x = np.column_stack([context.columns["spend"], context.columns["visits"]]).astype(np.float64)
    return np.asarray(x @ SLOPES)


def pay(context: Context, action: IntArray, rng: np.random.Generator) -> FloatArray:
    return mean_rewards(context)[np.arange(len(action)), action] + rng.normal(size=len(action))


def make_log(n: int = 3000, seed: int = 0) -> LoggedDecisions:
    rng = np.random.default_rng(seed)
    context, action = make_context(n, rng), rng.integers(0, 3, n)
    reward = pay(context, action, rng)
    return LoggedDecisions(ACTIONS, action, reward, "reward", context, np.arange(n), np.full(n, 1 / 3))


def value(learner: Learner, log: LoggedDecisions) -> float:
    fresh = make_context(20_000, np.random.default_rng(99))
    distribution = learner.fit(log, np.random.default_rng(0)).distribution(fresh)
    return float((distribution * mean_rewards(fresh)).sum(axis=1).mean())


def best_value() -> float:
    return float(mean_rewards(make_context(20_000, np.random.default_rng(99))).max(axis=1).mean())


@pytest.mark.parametrize(("learner", "share"), [(OutcomeLearner(), 0.98), (BanditLearner(), 0.85)])
def test_a_linear_world_is_recovered(learner: Learner, share: float) -> None:
    assert value(learner, make_log()) > share * best_value()  # the uniform policy's value is about zero


@pytest.mark.parametrize("learner", LEARNERS)
def test_swapping_action_ids_swaps_the_policy(learner: Learner) -> None:
    log, order = make_log(), np.array([2, 0, 1])
    swapped = replace(
        log, actions=ActionSet(tuple(ACTIONS.ids[i] for i in order)), action=np.argsort(order)[log.action]
    )
    rng = np.random.default_rng(0)
    expected = learner.fit(log, rng).distribution(log.context)[:, order]
    np.testing.assert_allclose(learner.fit(swapped, rng).distribution(log.context), expected, atol=1e-8)


@pytest.mark.parametrize("learner", LEARNERS)
@settings(max_examples=10, deadline=None)
@given(unit=st.sampled_from([1e-3, 1e3]), shift=st.floats(-5, 5))
def test_the_unit_and_zero_of_the_reward_do_not_matter(learner: Learner, unit: float, shift: float) -> None:
    log, rng = make_log(500), np.random.default_rng(0)
    moved = learner.fit(replace(log, reward=(log.reward + shift) * unit), rng).distribution(log.context)
    np.testing.assert_allclose(moved, learner.fit(log, rng).distribution(log.context), atol=1e-6)


def test_outcome__does_not_choose_what_was_hardly_logged() -> None:
    log = make_log()
    rare = np.flatnonzero(log.action == 2)
    kept = np.sort(np.concatenate([np.flatnonzero(log.action != 2), rare[:99]]))
    log = replace(log, reward=log.reward + 100.0 * (log.action == 2)).take(kept)
    rng = np.random.default_rng(0)
    assert (OutcomeLearner().fit(log, rng).distribution(log.context)[:, 2] == 0).all()
    assert (OutcomeLearner(min_rounds=99).fit(log, rng).distribution(log.context)[:, 2] == 1).all()
    with pytest.raises(InsufficientOverlap, match="no action has 100 logged rounds; the most frequent one has 4"):
        OutcomeLearner().fit(log.take(np.arange(10)), rng)


def test_bandit__learns_online_and_its_propensities_are_exact() -> None:
    rng = np.random.default_rng(0)
    bandit = LinearBandit(ACTIONS, fit_encoder(make_context(100, rng)))
    earned, uniform = 0.0, 0.0
    for _ in range(60):
        context = make_context(50, rng)
        distribution = bandit.policy().distribution(context)
        np.testing.assert_allclose(distribution.sum(axis=1), 1.0)
        assert (distribution > 0).all()
        action = draw_actions(distribution, rng)
        reward = pay(context, action, rng)
        bandit.update(bandit.encoder.transform(context), action, reward, np.ones(50))
        earned += float(mean_rewards(context)[np.arange(50), action].sum())
        uniform += float(mean_rewards(context).mean(axis=1).sum())
    assert earned - uniform > 0.6 * 3000 * best_value()


def test_bandit__before_any_data_it_is_uniform_and_an_untried_action_is_an_average_one() -> None:
    rng = np.random.default_rng(0)
    bandit, context = LinearBandit(ACTIONS, fit_encoder(make_context(100, rng))), make_context(4, rng)
    np.testing.assert_array_equal(bandit.policy().distribution(context), np.full((4, 3), 1 / 3))
    features = bandit.encoder.transform(make_context(200, rng))
    bandit.update(features, np.repeat([0, 1], 100), np.repeat([10.0, 20.0], 100), np.ones(200))
    scores = bandit.policy().scores(context)
    np.testing.assert_allclose(scores[:, 2], 15.0)
    assert ((scores[:, 0] < 15) & (scores[:, 1] > 15)).all()


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=4), seed=st.integers(0, 1000))
def test_bandit__only_the_rounds_matter_not_their_order_or_batches(cuts: list[int], seed: int) -> None:
    log, rng = make_log(300), np.random.default_rng(seed)
    features = fit_encoder(log.context).transform(log.context)
    weight = rng.random(300)
    whole = bandit_statistics(features, log.action, log.reward, weight, 3)
    order, pieces = rng.permutation(300), BanditStatistics.empty(3, features.shape[1])
    for rows in np.split(order, sorted(cuts)):
        pieces += bandit_statistics(features[rows], log.action[rows], log.reward[rows], weight[rows], 3)
    for name, values in whole.to_arrays().items():
        np.testing.assert_allclose(pieces.to_arrays()[name], values, atol=1e-9)
    assert BanditStatistics(**pieces.to_arrays()).n_rounds == 300


REFERENCE_DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))


@pytest.mark.skipif(not REFERENCE_DATA.is_dir(), reason="the reference data folder (AMSO_REFERENCE_DATA) is absent")
def test_outcome__half_of_the_promotion_log_teaches_what_pays_in_the_other() -> None:
    log = read_promo()
    learned_in = np.random.default_rng(1).random(len(log)) < 0.5
    policy = OutcomeLearner().fit(log.take(learned_in), np.random.default_rng(0))
    judged = log.take(~learned_in)
    distribution = policy.distribution(judged.context)
    assert judged.propensity is not None
    weighted = distribution[np.arange(len(judged)), judged.action] / judged.propensity * judged.reward
    none_weighted = (judged.action == 0) / judged.propensity * judged.reward
    gain = weighted - none_weighted
    assert gain.mean() > 0
    assert 0.02 < distribution[:, 1].mean() < 0.98  # it targets: neither all nor nobody


def read_promo() -> LoggedDecisions:
    import pandas as pd

    frame = pd.read_parquet(REFERENCE_DATA / "promo_train.parquet")
    columns = {c.removeprefix("x_"): frame[c].to_numpy(np.float64) for c in frame.columns if c.startswith("x_")}
    action = (frame["action"] == "promo").to_numpy().astype(np.int64)
    reward, propensity = frame["reward_profit"].to_numpy(np.float64), frame["propensity"].to_numpy(np.float64)
    actions, context = ActionSet(("none", "promo")), Context(columns, len(frame))
    return LoggedDecisions(actions, action, reward, "reward_profit", context, np.arange(len(frame)), propensity)


def make_banned_log(n: int = 6000) -> LoggedDecisions:
    """Calls pay most of all, and were never made to customers who spend more than the mean."""
    rng = np.random.default_rng(0)
    context = make_context(n, rng)
    is_open = context.columns["spend"].astype(np.float64) <= 0
    action = np.where(is_open, rng.integers(0, 3, n), rng.integers(0, 2, n))
    reward = pay(context, action, rng) + 5.0 * (action == 2)
    return LoggedDecisions(ACTIONS, action, reward, "reward", context, np.arange(n))


@pytest.mark.parametrize("learner", LEARNERS)
def test_what_such_customers_were_never_given_is_not_chosen(learner: Learner) -> None:
    policy = learner.fit(make_banned_log(), np.random.default_rng(0))
    assert isinstance(policy, NetworkPolicy)
    fresh = make_context(10_000, np.random.default_rng(1))
    spend = fresh.columns["spend"].astype(np.float64)
    calls = policy.distribution(fresh)[:, 2]
    assert (calls[spend > 0.01] == 0).all()
    assert (calls[spend < -0.01] > 0.9).mean() > 0.99
    unmasked = replace(policy, support=None).distribution(fresh)[:, 2]
    assert (unmasked[spend > 0.01] > 0.9).mean() > 0.9


def test_outcome__actions_drawn_alike_for_everyone_are_masked_for_nobody() -> None:
    rng = np.random.default_rng(2)
    context, action = make_context(8000, rng), rng.integers(0, 40, 8000)  # 200 rounds an action
    names = ActionSet(tuple(f"a{i:02d}" for i in range(40)))
    log = LoggedDecisions(names, action, rng.normal(size=8000), "reward", context, np.arange(8000))
    policy = OutcomeLearner().fit(log, rng)
    assert policy.support is not None
    assert policy.support.masks_nothing
