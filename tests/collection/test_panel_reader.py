"""Panels: sorted, gapless, with the next context; an episode with a hole is set aside whole."""

import numpy as np
import pandas as pd
import pytest

from collection.log_reader import read_log
from domain.log import LogRead, Panel


def make_panel(**columns: object) -> pd.DataFrame:
    """Two episodes of three steps."""
    base: dict[str, object] = {
        "episode_id": ["e1"] * 3 + ["e2"] * 3,
        "step": [0, 1, 2] * 2,
        "action": ["a", "b"] * 3,
        "reward": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "x_age": [10.0, 11.0, 12.0, 20.0, 21.0, 22.0],
        "x_plan": ["m", "y", "m", "y", "m", "y"],
        "terminated": [False, False, True, False, False, False],
    }
    return pd.DataFrame({name: v for name, v in {**base, **columns}.items() if v is not None})


def panel_of(read: LogRead) -> Panel:
    assert read.log.panel is not None
    return read.log.panel


def test_panel__rows_are_sorted_by_episode_and_step() -> None:
    shuffled = make_panel().iloc[[5, 0, 3, 2, 4, 1]]
    read = read_log(shuffled)
    assert read.log.reward.tolist() == [1, 2, 3, 4, 5, 6]
    assert panel_of(read).step.tolist() == [0, 1, 2] * 2
    assert panel_of(read).episode.tolist() == [0, 0, 0, 1, 1, 1]


def test_panel__next_context_comes_from_the_following_row() -> None:
    read = read_log(make_panel())
    following = panel_of(read).next_context.columns
    np.testing.assert_array_equal(following["age"], [11, 12, np.nan, 21, 22, np.nan])
    assert following["plan"].tolist() == ["y", "m", None, "m", "y", None]
    assert any("following row" in note for note in read.notes)


def test_panel__recorded_next_context_wins() -> None:
    frame = make_panel(next_x_age=[1.0, 2, 3, 4, 5, 6], next_x_plan=["m"] * 6)
    read = read_log(frame)
    assert panel_of(read).next_context.columns["age"].tolist() == [1, 2, 3, 4, 5, 6]
    assert list(read.log.context.columns) == ["age", "plan"]
    assert not any("following row" in note for note in read.notes)


def test_panel__what_does_not_terminate_was_truncated() -> None:
    panel = panel_of(read_log(make_panel()))
    assert panel.terminated.tolist() == [False, False, True, False, False, False]
    assert panel.truncated.tolist() == [False, False, False, False, False, True]


def test_panel__steps_from_one_are_shifted_and_said_to_be() -> None:
    read = read_log(make_panel(step=[1, 2, 3] * 2))
    assert panel_of(read).step.tolist() == [0, 1, 2] * 2
    assert "steps count from 1 in the source" in read.notes


@pytest.mark.parametrize(
    ("columns", "rejected"),
    [
        ({"step": [0, 1, 3, 0, 1, 2]}, {"episode with a missing step": 3}),
        ({"step": [0, 1, 1, 0, 1, 2]}, {"episode with two rows of the same step": 3}),
        ({"step": [2, 3, 4, 0, 1, 2]}, {"episode that does not start at step 0": 3}),
        ({"terminated": [True] + [False] * 5}, {"episode that goes on after its end": 3}),
        ({"reward": [1.0, np.inf, 3.0, 4.0, 5.0, 6.0]}, {"episode with a missing step": 2, "reward infinite": 1}),
        ({"step": [0, 1, 1.5, 0, 1, 2]}, {"step not a whole number from 0": 1}),
    ],
)
def test_panel__episode_with_a_hole_is_set_aside(columns: dict[str, object], rejected: dict[str, int]) -> None:
    read = read_log(make_panel(**columns))
    assert read.rejected == rejected
    assert len(read.log) + read.n_rejected == 6


def test_panel__a_lost_last_row_leaves_a_shorter_trajectory() -> None:
    read = read_log(make_panel(reward=[1.0, 2.0, np.nan, 4.0, 5.0, 6.0]))
    assert panel_of(read).truncated.tolist() == [False, True, False, False, True]


def test_panel__episode_without_step_is_no_panel() -> None:
    read = read_log(make_panel(step=None))
    assert read.log.panel is None
    assert any("only one is there" in note for note in read.notes)
