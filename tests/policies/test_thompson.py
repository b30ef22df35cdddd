import json
from pathlib import Path

import numpy as np
import pytest

from domain.actions import ActionSet
from domain.context import Context
from domain.errors import ConfigError, InvalidSnapshot, MissingColumn, UsageError
from policies.beta_ranks import rank_probabilities
from policies.thompson import ThompsonPolicy
from policies.thompson_file import read_thompson

ACTIONS = ActionSet(("none", "mail", "call"))
ALPHA, BETA = (12.0, 31.0, 7.0), (400.0, 690.0, 380.0)
POLICY = ThompsonPolicy(ACTIONS, ALPHA, BETA, position="slot")


def slots(*positions: object) -> Context:
    return Context({"slot": np.array(positions)}, len(positions))


def ranks(arms: list[int], n_positions: int) -> np.ndarray:
    return rank_probabilities(np.array(ALPHA)[arms], np.array(BETA)[arms], n_positions)


def test_each_position_shows_its_rank() -> None:
    table = ranks([0, 1, 2], 3)
    np.testing.assert_allclose(POLICY.distribution(slots(3.0, 1.0, 1.0, 2.0)), table[[2, 0, 0, 1]], atol=1e-12)


def test_without_a_position_the_best_draw_is_shown() -> None:
    policy = ThompsonPolicy(ACTIONS, ALPHA, BETA)
    np.testing.assert_allclose(policy.distribution(Context({}, 2)), ranks([0, 1, 2], 1)[[0, 0]], atol=1e-12)


def test_only_eligible_actions_draw() -> None:
    eligible = np.array([[True, False, True], [True, True, True], [True, False, True], [False, True, False]])
    found = POLICY.distribution(slots(2.0, 2.0, 1.0, 1.0), eligible)
    two, three = ranks([0, 2], 2), ranks([0, 1, 2], 2)
    expected = [[two[1, 0], 0, two[1, 1]], three[1], [two[0, 0], 0, two[0, 1]], [0, 1, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_positions_may_be_written_as_text() -> None:
    context = Context({"slot": np.array(["2", "1"], dtype=object)}, 2)
    np.testing.assert_allclose(POLICY.distribution(context), ranks([0, 1, 2], 2)[::-1], atol=1e-12)


@pytest.mark.parametrize("position", [0.0, 4.0, 1.5, np.nan])
def test_a_position_that_nothing_stands_at_is_refused(position: float) -> None:
    with pytest.raises(InvalidSnapshot, match=r"slot is .* in row 1 and unusable in 1 rows; expected 1 to the number"):
        POLICY.distribution(slots(1.0, position))


def test_more_positions_than_eligible_actions_are_refused() -> None:
    with pytest.raises(InvalidSnapshot, match=r"slot is 3 in row 0 .* eligible actions, 2 there"):
        POLICY.distribution(slots(3.0), np.array([[True, False, True]]))


def test_words_and_a_missing_column_are_no_position() -> None:
    with pytest.raises(InvalidSnapshot, match="slot holds text"):
        POLICY.distribution(Context({"slot": np.array(["top"], dtype=object)}, 1))
    with pytest.raises(MissingColumn, match="slot"):
        POLICY.distribution(Context({}, 1))


def test_actions_and_parameters_must_match() -> None:
    with pytest.raises(UsageError, match="2 alpha for 3 actions"):
        ThompsonPolicy(ACTIONS, ALPHA[:2], BETA[:2])
    with pytest.raises(UsageError, match="mail is named more than once"):
        ThompsonPolicy(ActionSet(("mail", "mail")), ALPHA[:2], BETA[:2])


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_file_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"policy.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps({"actions": ACTIONS.ids, "alpha": ALPHA, "beta": BETA, "position": "slot"}))
    else:
        lines = ("actions: [none, mail, call]", "alpha: [12, 31, 7.0]", "beta: [400, 690, 380]", "position: x_slot")
        path.write_text("\n".join(lines))
    assert read_thompson(path) == POLICY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("actions: [a, b]\nalpha: [1, 2]\n", "beta: is missing"),
        ("actions: [a, 1]\nalpha: [1, 2]\nbeta: [1, 2]\n", r"actions\[1\]: found number 1, expected text"),
        ("actions: [a, b]\nalpha: [1, 2]\nbeta: [1, 0]\n", r"beta\[1\]: found number 0, expected more than 0"),
        ("actions: [a, b]\nalpha: [1, 2]\nbeta: [1, 2, 3]\n", "2 alpha for 3 beta"),
        ("actions: [a, b]\nalpha: [0.1, 2]\nbeta: [1, 2]\n", "alpha of arm 0 is 0.1; expected 0.5"),
        ("actions: [a, a]\nalpha: [1, 2]\nbeta: [1, 2]\n", "action a is named more than once"),
        ("actions: [a, b]\nalpha: [1, 2]\nbeta: [1, 2]\npositon: p\n", "positon: unknown key; did you mean `position`"),
        ("actions: [a]\nactions: [b]\nalpha: [1]\nbeta: [1]\n", "key `actions` appears twice"),
        ("- 1\n", "holds a list, expected a mapping"),
        ("actions: [a\n", "line 2"),
    ],
)
def test_a_file_that_describes_no_policy_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_thompson(path)


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_thompson(tmp_path / "nowhere.yaml")
    broken = tmp_path / "policy.json"
    broken.write_text('{"actions": [')
    with pytest.raises(ConfigError, match="cannot be read"):
        read_thompson(broken)
    broken.write_text('{"actions": ["a"], "alpha": [NaN], "beta": [1]}')
    with pytest.raises(ConfigError, match=r"alpha\[0\]"):
        read_thompson(broken)
