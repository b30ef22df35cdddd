import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigError
from domain.policy import draw_actions
from policies.exploration import GREEDY, Exploration, ExplorationRule

EVERYTHING = np.ones((1, 3), dtype=np.bool_)
RULES = [
    GREEDY,
    Exploration(ExplorationRule.EPSILON_GREEDY, 0.3),
    Exploration(ExplorationRule.SOFTMAX, 0.5),
    Exploration(ExplorationRule.INVERSE_GAP, 4.0),
]


@pytest.mark.parametrize(
    ("exploration", "expected"),
    [
        (GREEDY, [0, 1, 0]),
        (Exploration(ExplorationRule.EPSILON_GREEDY, 0.3), [0.1, 0.8, 0.1]),
        (Exploration(ExplorationRule.SOFTMAX, 1 / np.log(2)), [0.25, 0.5, 0.25]),
        (Exploration(ExplorationRule.INVERSE_GAP, 2.0), [0.2, 0.6, 0.2]),
    ],
)
def test_each_rule_gives_the_numbers_of_its_formula(exploration: Exploration, expected: list[float]) -> None:
    np.testing.assert_allclose(exploration.distribution(np.array([[1.0, 2.0, 1.0]]), EVERYTHING), [expected])


@pytest.mark.parametrize("exploration", RULES)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_distribution_sums_to_one_and_stays_inside_the_mask(exploration: Exploration, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, allowed = rng.normal(0, 100, (20, 5)), rng.random((20, 5)) < 0.5
    allowed[:, 2] |= ~allowed.any(axis=1)
    distribution = exploration.distribution(scores, allowed)
    np.testing.assert_allclose(distribution.sum(axis=1), 1.0)
    assert (distribution >= 0).all()
    assert (distribution[~allowed] == 0).all()


@pytest.mark.parametrize("exploration", RULES)
@given(order=st.permutations(range(4)), seed=st.integers(0, 2**32 - 1))
def test_swapping_actions_swaps_their_probabilities(exploration: Exploration, order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, allowed = rng.normal(0, 1, (10, 4)), rng.random((10, 4)) < 0.7
    allowed[:, 0] |= ~allowed.any(axis=1)
    swapped = exploration.distribution(scores[:, order], allowed[:, order])
    np.testing.assert_allclose(swapped, exploration.distribution(scores, allowed)[:, order], atol=1e-12)


def test_ties_go_to_the_lowest_allowed_index() -> None:
    scores, allowed = np.zeros((2, 3)), np.array([[True, True, True], [False, True, True]])
    np.testing.assert_array_equal(GREEDY.distribution(scores, allowed), [[1, 0, 0], [0, 1, 0]])


def test_extreme_scores_do_not_overflow() -> None:
    scores = np.array([[1e300, -1e300, 0.0]])
    for exploration in RULES:
        assert exploration.distribution(scores, EVERYTHING)[0, 0] > 0.5


@pytest.mark.parametrize(("rule", "amount"), [("greedy", 0.1), ("epsilon_greedy", 1.5), ("softmax", 0.0)])
def test_an_amount_outside_its_range_is_refused(rule: str, amount: float) -> None:
    with pytest.raises(ConfigError, match=f"exploration {rule} has amount {amount}"):
        Exploration(ExplorationRule(rule), amount)


def test_actions_are_drawn_at_their_probabilities_and_never_at_zero() -> None:
    distribution = np.tile([0.0, 0.2, 0.8, 0.0], (20_000, 1))
    shares = np.bincount(draw_actions(distribution, np.random.default_rng(0)), minlength=4) / 20_000
    assert shares[0] == shares[3] == 0
    assert abs(shares[1] - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 20_000)
