"""q(context, action): coefficients come back, laws hold, rare actions borrow."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

from analysis.features import fit_encoder
from analysis.outcome_model import MIN_ROUNDS, fit_estimator_outcome_model, fit_outcome_model
from domain.actions import ActionSet
from domain.context import Context
from domain.log import LoggedDecisions


def make_log(rng: np.random.Generator, n_rows: int = 600, noise: float = 0.1) -> LoggedDecisions:
    """reward = 1 + 2 x under action a, 3 - x under action b."""
    x = rng.normal(size=n_rows)
    action = rng.integers(0, 2, n_rows)
    reward = np.where(action == 0, 1 + 2 * x, 3 - x) + noise * rng.normal(size=n_rows)
    context = Context({"x": x}, n_rows)
    return LoggedDecisions(ActionSet(("a", "b")), action, reward, "reward", context, np.arange(n_rows))


def test_fit_outcome_model__finds_each_actions_line() -> None:
    log = make_log(np.random.default_rng(0), 4000)
    at = Context({"x": np.array([0.0, 1.0])}, 2)
    np.testing.assert_allclose(fit_outcome_model(log).expected_reward(at), [[1, 3], [3, 2]], atol=0.05)


def test_fit_outcome_model__rare_action_borrows_from_the_mean_of_all() -> None:
    log = make_log(np.random.default_rng(0), 100)
    few = log.take(np.r_[np.flatnonzero(log.action == 0), np.flatnonzero(log.action == 1)[:5]])
    expected = (few.reward[few.action == 1].sum() + (MIN_ROUNDS - 5) * few.reward.mean()) / MIN_ROUNDS
    model = fit_outcome_model(few)
    np.testing.assert_allclose(model.expected_reward(few.context)[:, 1], expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_fit_outcome_model__swapping_action_ids_swaps_columns(seed: int) -> None:
    log = make_log(np.random.default_rng(seed), 200)
    swapped = LoggedDecisions(ActionSet(("b", "a")), 1 - log.action, log.reward, "reward", log.context, log.unit)
    left = fit_outcome_model(log).expected_reward(log.context)
    np.testing.assert_allclose(fit_outcome_model(swapped).expected_reward(log.context)[:, ::-1], left)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_fit_outcome_model__scaling_the_reward_scales_the_answer(seed: int, factor: float) -> None:
    log = make_log(np.random.default_rng(seed), 200, noise=1.0)
    scaled = LoggedDecisions(log.actions, log.action, factor * log.reward, "reward", log.context, log.unit)
    left = fit_outcome_model(log).expected_reward(log.context)
    np.testing.assert_allclose(fit_outcome_model(scaled).expected_reward(log.context), factor * left, rtol=1e-6)


def weighted_and_copied(noise: float) -> tuple[LoggedDecisions, LoggedDecisions]:
    """Rows of weights 1 to 4, and the same rows as many times."""
    log = make_log(np.random.default_rng(1), 200, noise)
    times = 1 + np.arange(200) % 4
    copied = log.take(np.repeat(np.arange(200), times))
    return replace(log, weight=times.astype(np.float64)), copied


def test_fit_outcome_model__a_row_of_weight_k_counts_as_k_rows() -> None:
    """With little noise, so that both choose the smallest penalty: leaving a row out is not leaving a copy out."""
    weighted, copied = weighted_and_copied(noise=0.01)
    encoder, at = fit_encoder(weighted.context), Context({"x": np.array([-1.0, 2.0])}, 2)
    left, right = (fit_outcome_model(log, encoder) for log in (weighted, copied))
    assert np.abs(left.coefficients[0]).min() > 0.5  # the ridge ran
    np.testing.assert_allclose(left.expected_reward(at), right.expected_reward(at), rtol=1e-6)


def test_fit_estimator_outcome_model__a_row_of_weight_k_counts_as_k_rows() -> None:
    weighted, copied = weighted_and_copied(noise=1.0)
    encoder, at = fit_encoder(weighted.context), Context({"x": np.array([-1.0, 2.0])}, 2)
    left, right = (fit_estimator_outcome_model(log, LinearRegression(), encoder) for log in (weighted, copied))
    np.testing.assert_allclose(left.expected_reward(at), right.expected_reward(at))


def test_fit_estimator_outcome_model__any_regressor_takes_the_ridges_place() -> None:
    log = make_log(np.random.default_rng(0), noise=0.0)
    model = fit_estimator_outcome_model(log, LinearRegression())
    np.testing.assert_allclose(model.expected_reward(Context({"x": np.array([1.0])}, 1)), [[3, 2]])


@pytest.mark.parametrize("prize", [1.0, 5.0])
def test_fit_estimator_outcome_model__classifier_answers_in_units_of_reward(prize: float) -> None:
    rng = np.random.default_rng(0)
    log = make_log(rng, 4000)
    reward = np.where(rng.random(4000) < 0.3, prize, 0.0)
    won = LoggedDecisions(log.actions, log.action, reward, "reward", log.context, log.unit)
    model = fit_estimator_outcome_model(won, LogisticRegression())
    assert model.expected_reward(log.context).mean() == pytest.approx(0.3 * prize, abs=0.03 * prize)
