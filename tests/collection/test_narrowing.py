"""Excluding actions conditions the logging policy on the ones that stay."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.log_reader import EXCLUDED, read_log
from config.log_options import LogOptions
from domain.errors import InvalidSnapshot, UnsupportedAction, UsageError
from domain.log import LogRead


def read_without(frame: pd.DataFrame, *excluded: str) -> LogRead:
    return read_log(frame, LogOptions(exclude_actions=excluded))


def test_exclude_actions__by_hand_inside_cells() -> None:
    # cell s: a .2, b .3, c .5; cell t: a .4, b .6 and never c
    frame = pd.DataFrame(
        {
            "action": ["a", "b", "c", "a", "b"],
            "cell": ["s", "s", "s", "t", "t"],
            "propensity": [0.2, 0.3, 0.5, 0.4, 0.6],
            "reward": 1.0,
        }
    )
    read = read_without(frame, "c")
    assert read.log.actions.ids == ("a", "b")
    assert read.log.propensity is not None
    np.testing.assert_allclose(read.log.propensity, [0.4, 0.6, 0.4, 0.6])
    assert read.left_out == {EXCLUDED: 1}
    assert read.rejected == {}
    assert "propensities renormalised inside 2 cells" in read.notes


def test_exclude_actions__uses_the_rows_own_vector() -> None:
    frame = pd.DataFrame(
        {"action": ["a", "b", "c"], "p_a": [0.1, 0.2, 0.1], "p_b": [0.4, 0.3, 0.1], "p_c": [0.5, 0.5, 0.8], "reward": 1}
    )
    log = read_without(frame, "c").log
    assert log.propensity is not None
    assert log.logged_distribution is not None
    np.testing.assert_allclose(log.propensity, [0.2, 0.6])
    np.testing.assert_allclose(log.logged_distribution, [[0.2, 0.8], [0.4, 0.6]])


def test_exclude_actions__says_when_varying_propensities_make_it_approximate() -> None:
    frame = pd.DataFrame({"action": ["a", "a", "c", "c"], "propensity": [0.4, 0.5, 0.5, 0.3], "reward": 1.0})
    assert any("approximately" in note for note in read_without(frame, "c").notes)


def test_exclude_actions__eligibility_and_other_policies_follow() -> None:
    frame = pd.DataFrame(
        {"action": ["a", "b", "c"], "eligible": ["a|c", "b|c", "c"], "e_a": 0.25, "e_b": 0.25, "e_c": 0.5, "reward": 1}
    )
    log = read_log(frame, LogOptions(exclude_actions=("c",), probability_prefixes=("e",))).log
    assert log.eligible is not None
    assert log.eligible.tolist() == [[True, False], [False, True]]
    assert log.probabilities["e"].tolist() == [[0.5, 0.5]] * 2


def test_exclude_actions__another_policy_that_needs_them_is_refused() -> None:
    frame = pd.DataFrame({"action": ["a", "c"], "e_a": 0.0, "e_c": 1.0, "reward": 1})
    with pytest.raises(UnsupportedAction, match="excluded actions all its probability"):
        read_log(frame, LogOptions(exclude_actions=("c",), probability_prefixes=("e",)))


def test_exclude_actions__not_every_one() -> None:
    with pytest.raises(UnsupportedAction, match="every action"):
        read_without(pd.DataFrame({"action": ["a"], "reward": [1]}), "a")


def test_exclude_actions__not_from_a_panel() -> None:
    frame = pd.DataFrame({"action": ["a", "c"], "reward": 1, "episode_id": "e", "step": [0, 1]})
    with pytest.raises(UsageError, match="holes"):
        read_without(frame, "c")


def test_exclude_actions__contradicting_propensities_are_refused() -> None:
    frame = pd.DataFrame({"action": ["a", "c"], "propensity": [0.8, 0.9], "reward": 1})
    with pytest.raises(InvalidSnapshot, match="together at most 1"):
        read_without(frame, "c")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_exclude_actions__inverse_propensities_still_sum_to_the_rows_that_stay(seed: int) -> None:
    """E[1 / propensity of a] stays one in each cell, and excluding in two calls equals excluding at once."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(4) * 5, size=3)
    cell = np.repeat(np.arange(3), 4)
    action = np.tile(np.arange(4), 3)
    frame = pd.DataFrame(
        {"action": np.array(list("abcd"))[action], "cell": cell, "propensity": p[cell, action], "reward": 1.0}
    )
    log = read_without(frame, "d", "b").log
    assert log.propensity is not None
    assert log.cell is not None
    np.testing.assert_allclose(np.bincount(log.cell, weights=log.propensity), 1.0)
