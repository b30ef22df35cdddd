import itertools
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln

from domain.arrays import FloatArray
from domain.errors import UsageError
from policies.beta_ranks import rank_probabilities

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
PRIORS = DATA.parent / "golden" / "thompson_priors.json"
PARAMETERS = st.tuples(st.floats(0.5, 1e3), st.floats(0.5, 1e5))


def probability_of_first(alpha: tuple[int, int], beta: tuple[int, int]) -> float:
    """P(X_0 > X_1), the finite sum for whole alpha_0 (Cook 2005, Exact calculation of beta inequalities)."""
    i = np.arange(alpha[0])
    logs = betaln(alpha[1] + i, beta[0] + beta[1]) - np.log(beta[0] + i) - betaln(1 + i, beta[0])
    return float(np.exp(logs - betaln(alpha[1], beta[1])).sum())


def plackett_luce(rate: FloatArray, n_positions: int) -> FloatArray:
    """(n_positions, n_arms): each place goes to one of those left with probability proportional to its rate."""
    table = np.zeros((n_positions, len(rate)))
    for order in itertools.permutations(range(len(rate)), n_positions):
        left, probability = rate.sum(), 1.0
        for arm in order:
            probability *= rate[arm] / left
            left -= rate[arm]
        table[range(n_positions), order] += probability
    return table


@pytest.mark.parametrize(
    ("alpha", "beta"),
    [((1, 1), (1, 1)), ((3, 2), (5, 9)), ((518, 3), (111326, 2367)), ((40, 45), (2000, 3)), ((9, 900), (3, 310))],
)
def test_two_arms__give_the_closed_form(alpha: tuple[int, int], beta: tuple[int, int]) -> None:
    first = probability_of_first(alpha, beta)
    table = rank_probabilities(np.array(alpha, dtype=float), np.array(beta, dtype=float), 2)
    np.testing.assert_allclose(table, [[first, 1 - first], [1 - first, first]], atol=1e-8)


def test_powers_of_uniform_draws__are_ranked_as_plackett_and_luce_say() -> None:
    """-log of Beta(a, 1) is exponential with rate a: the largest draw comes first. Rates over six orders."""
    rate = np.array([0.5, 1.0, 3.0, 40.0, 45.0, 1e5])
    np.testing.assert_allclose(rank_probabilities(rate, np.ones(6), 3), plackett_luce(rate, 3), atol=1e-8)


def test_mirrored_draws__are_ranked_in_reverse() -> None:
    """-log of 1 - Beta(1, b) is exponential with rate b: the largest draw comes last."""
    rate = np.array([0.5, 2.0, 30.0, 31.0, 1e6])
    np.testing.assert_allclose(rank_probabilities(np.ones(5), rate, 5), plackett_luce(rate, 5)[::-1], atol=1e-8)


def test_alike_arms__share_every_rank() -> None:
    table = rank_probabilities(np.full(50, 7.0), np.full(50, 1e4), 4)
    np.testing.assert_allclose(table, np.full((4, 50), 0.02), atol=1e-12)


def test_an_arm_far_above__is_first_and_leaves_the_rest_as_they_were() -> None:
    alpha, beta = np.array([1e7, 2.0, 3.0]), np.array([1e3, 5e4, 9e4])
    table = rank_probabilities(alpha, beta, 2)
    np.testing.assert_allclose(table[0], [1, 0, 0], atol=1e-8)
    np.testing.assert_allclose(table[1, 1:], rank_probabilities(alpha[1:], beta[1:], 1)[0], atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.lists(PARAMETERS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_every_arm_has_one_rank__and_names_do_not_matter(parameters: list[tuple[float, float]], random: object) -> None:
    alpha, beta = np.array(parameters).T
    table = rank_probabilities(alpha, beta, len(alpha))
    np.testing.assert_allclose(table.sum(axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose(table.sum(axis=1), 1.0, atol=1e-12)
    order = np.arange(len(alpha))[::-1]
    np.testing.assert_allclose(rank_probabilities(alpha[order], beta[order], len(alpha)), table[:, order], atol=1e-9)


def largest_z(table: FloatArray, alpha: FloatArray, beta: FloatArray, n_draws: int) -> float:
    """Of a simulation against a table, in its standard errors; arms expected fewer than 25 times are left out."""
    draws = np.random.default_rng(7).beta(alpha, beta, size=(n_draws, len(alpha)))
    ranked = np.argsort(-draws, axis=1)[:, : len(table)]
    z = [0.0]
    for k, row in enumerate(table):
        n, expected = np.bincount(ranked[:, k], minlength=len(alpha)), row * n_draws
        seen = expected >= 25
        z.append(float((np.abs(n - expected) / np.sqrt(expected * (1 - row)))[seen].max()))
    return max(z)


def test_a_simulation_agrees__and_notices_one_failure_in_fifty_too_many() -> None:
    rng = np.random.default_rng(3)
    alpha = rng.integers(2, 200, 12).astype(float)
    beta = alpha * rng.uniform(90, 140, 12)
    table = rank_probabilities(alpha, beta, 3)
    assert largest_z(table, alpha, beta, 100_000) < 4.5  # of 36: one in 4,000 by chance
    planted = np.where(np.arange(12) == table[0].argmax(), 1.02, 1.0)
    assert largest_z(rank_probabilities(alpha, beta * planted, 3), alpha, beta, 100_000) > 4.5


@pytest.mark.parametrize(
    ("alpha", "beta", "n_positions", "message"),
    [
        ([1.0], [1.0, 2.0], 1, "1 alpha for 2 beta"),
        ([], [], 1, "0 alpha for 0 beta"),
        ([1.0, 0.0], [1.0, 2.0], 1, "alpha of arm 1 is 0; expected 0.5 to 1e\\+08"),
        ([1.0, 2.0], [float("nan"), 2.0], 1, "beta of arm 0 is nan"),
        ([1.0, 2.0], [1.0, 2.0], 3, "3 positions for 2 arms"),
        ([1.0, 2.0], [1.0, 2.0], 0, "0 positions for 2 arms"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    alpha: list[float], beta: list[float], n_positions: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        rank_probabilities(np.array(alpha), np.array(beta), n_positions)


@pytest.mark.skipif(not PRIORS.is_file(), reason="the priors of the Open Bandit policy are absent")
def test_eighty_arms__are_ranked_in_less_than_a_second() -> None:
    priors = json.loads(PRIORS.read_text())["all_80_arms_for_the_speed_bar"]
    alpha, beta = np.array(priors["alpha"]), np.array(priors["beta"])
    began = time.process_time()
    table = rank_probabilities(alpha, beta, 3)
    assert time.process_time() - began < 1.0
    assert largest_z(table, alpha, beta, 50_000) < 4.5
