"""The log reader: names, rewards, context, and the whole account of every row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.log_reader import EXCLUDED, read_log
from collection.selection import IMMATURE
from config.log_options import LogOptions
from domain.errors import InvalidSnapshot, MissingColumn, UnsupportedAction, UsageError
from domain.log import LoggedDecisions
from domain.records import QuarantinedRecord


def make_frame(n_rows: int = 6, **columns: object) -> pd.DataFrame:
    """Two actions in turn, reward = row number, an age; columns given as None are left out."""
    base: dict[str, object] = {
        "unit_id": [f"u{i}" for i in range(n_rows)],
        "action": ["a", "b"] * (n_rows // 2) + ["a"] * (n_rows % 2),
        "propensity": [0.5] * n_rows,
        "reward": [float(i) for i in range(n_rows)],
        "x_age": [20.0 + i for i in range(n_rows)],
    }
    return pd.DataFrame({name: values for name, values in {**base, **columns}.items() if values is not None})


def test_read_log__by_hand() -> None:
    log = read_log(make_frame()).log
    assert log.actions.ids == ("a", "b")
    assert log.action.tolist() == [0, 1] * 3
    assert log.reward.tolist() == [0, 1, 2, 3, 4, 5]
    assert log.reward_name == "reward"
    assert list(log.context.columns) == ["age"]
    assert log.propensity is not None
    assert log.propensity.tolist() == [0.5] * 6


def test_read_log__foreign_names_map() -> None:
    frame = make_frame().rename(columns={"action": "offer", "reward": "profit", "x_age": "age", "unit_id": "user"})
    columns = {"action": "offer", "reward": "profit", "x_years": "age", "unit_id": "user"}
    log = read_log(frame, LogOptions(columns=columns)).log
    assert log.reward_name == "profit"
    assert log.context.columns["years"].tolist() == [20, 21, 22, 23, 24, 25]


def test_read_log__without_action_column_says_what_was_found_and_what_to_do() -> None:
    with pytest.raises(MissingColumn, match=r"no column `action`; found unit_id, .*\n.*--action") as caught:
        read_log(make_frame(action=None))
    assert caught.value.exit_code == 2


def test_read_log__mapping_to_a_column_that_is_not_there_suggests_the_nearest() -> None:
    with pytest.raises(MissingColumn, match="did you mean 'reward'"):
        read_log(make_frame(), LogOptions(columns={"reward": "rewrd"}))


def test_read_log__mapping_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'propensity'"):
        read_log(make_frame(), LogOptions(columns={"propensty": "propensity"}))


def test_read_log__several_rewards_need_a_choice() -> None:
    frame = make_frame(reward=None, reward_spend=range(6), reward_visit=[0, 1] * 3)
    with pytest.raises(UsageError, match="2 rewards: reward_spend, reward_visit"):
        read_log(frame)
    for choice in ("reward_visit", "visit"):
        log = read_log(frame, LogOptions(reward=choice)).log
        assert (log.reward_name, log.reward.sum()) == ("reward_visit", 3)


def test_read_log__one_prefixed_reward_needs_none() -> None:
    assert read_log(make_frame(reward=None, reward_spend=range(6))).log.reward_name == "reward_spend"


def test_read_log__post_columns_other_rewards_and_unknown_ones_are_never_context() -> None:
    read = read_log(make_frame(post_seen=1, reward_visit=1, colour="red"))
    assert list(read.log.context.columns) == ["age"]
    (note,) = [n for n in read.notes if "not used" in n]
    assert all(name in note for name in ("post_seen", "reward_visit", "colour"))


def test_read_log__context_can_be_narrowed_and_named_without_its_prefix() -> None:
    frame = make_frame(x_plan="m", position=range(6))
    assert list(read_log(frame, LogOptions(context=("plan", "position"))).log.context.columns) == ["plan", "position"]
    with pytest.raises(MissingColumn, match="x_height"):
        read_log(frame, LogOptions(context=("height",)))
    with pytest.raises(UsageError, match="not known before the decision"):
        read_log(make_frame(post_seen=1), LogOptions(context=("post_seen",)))


def test_read_log__integer_actions_compare_as_text_whatever_stores_them() -> None:
    for values in ([3, 10] * 3, [3.0, 10.0] * 3, ["3", "10"] * 3, pd.array([3, 10] * 3, dtype="Int64")):
        log = read_log(make_frame(action=values)).log
        assert log.actions.ids == ("10", "3")
        assert log.action.tolist() == [1, 0] * 3


def test_read_log__context_kinds() -> None:
    frame = make_frame(
        x_flag=[True, False] * 3,
        x_count=pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
        x_plan=pd.Categorical(["m", "y", None, "m", "y", "m"]),
        x_mixed=pd.Series([1, "two", None, 4.0, 5, 6], dtype=object),
        x_since=pd.Series([1.0, np.nan, 2.5, 0.0, 0.0, 0.0]).mul(86_400).mul(1e9).astype("datetime64[ns]"),
    )
    columns = read_log(frame).log.context.columns
    assert columns["flag"].tolist() == [1, 0] * 3
    np.testing.assert_array_equal(columns["count"], [1, np.nan, 3, 4, 5, 6])
    assert columns["plan"].tolist() == ["m", "y", None, "m", "y", "m"]
    assert columns["mixed"].tolist() == ["1", "two", None, "4", "5", "6"]
    np.testing.assert_array_equal(columns["since"][:3], [1, np.nan, 2.5])
    assert {v.dtype for v in columns.values()} == {np.dtype(float), np.dtype(object)}


def test_read_log__times_in_any_zone_become_utc() -> None:
    text = ["2025-01-01T12:00:00Z", "2025-01-01T14:00:00+02:00"] * 3
    log = read_log(make_frame(decided_at=text)).log
    assert log.decided_at is not None
    assert set(log.decided_at) == {np.datetime64("2025-01-01T12:00")}


def test_read_log__times_without_zone_are_utc_and_said_to_be() -> None:
    read = read_log(make_frame(time=["2025-01-01T12:00:00"] * 6))
    assert read.log.decided_at is not None
    assert "column time has no time zone: taken as UTC" in read.notes


def test_read_log__rows_without_unit_are_their_own() -> None:
    read = read_log(make_frame(unit_id=None))
    assert read.log.unit.tolist() == list(range(6))
    assert any("unit of its own" in note for note in read.notes)


def test_read_log__logged_vector_gives_the_propensity() -> None:
    log = read_log(make_frame(propensity=None, p_a=0.25, p_b=0.75)).log
    assert log.propensity is not None
    assert log.propensity.tolist() == [0.25, 0.75] * 3
    assert log.logged_distribution is not None
    assert log.logged_distribution.shape == (6, 2)


def test_read_log__p_columns_of_another_meaning_are_ignored() -> None:
    read = read_log(make_frame(p_value=0.01))
    assert read.log.logged_distribution is None
    assert any("p_value do not name the actions" in note for note in read.notes)


def test_read_log__another_policys_probabilities() -> None:
    frame = make_frame(pe_a=0.9, pe_b=0.1)
    log = read_log(frame, LogOptions(probability_prefixes=("pe_",))).log
    np.testing.assert_array_equal(log.probabilities["pe_"], [[0.9, 0.1]] * 6)
    with pytest.raises(MissingColumn, match="no columns nothing"):
        read_log(frame, LogOptions(probability_prefixes=("nothing",)))


def test_read_log__eligible_lists_become_a_mask() -> None:
    lists = [["a"], ["a", "b"], None, '["a", "b"]', "a|b", ["a", "c"]]
    read = read_log(make_frame(eligible=pd.Series(lists, dtype=object), action=["a", "b", "a", "b", "a", "a"]))
    assert read.log.eligible is not None
    assert read.log.eligible.tolist() == [[True, False]] + [[True, True]] * 4 + [[True, False]]
    assert any("never chosen" in note and "c" in note for note in read.notes)


def test_read_log__split_counts_only_when_asked() -> None:
    frame = make_frame(split=["train"] * 4 + ["holdout"] * 2)
    assert len(read_log(frame).log) == 6
    read = read_log(frame, LogOptions(split="train"))
    assert (len(read.log), read.left_out) == (4, {"other split": 2})
    with pytest.raises(UsageError, match=r"unknown split 'test'.*holdout, train"):
        read_log(frame, LogOptions(split="test"))


def test_read_log__several_decision_points_need_a_choice() -> None:
    frame = make_frame(decision_point=["paywall"] * 4 + ["cancel"] * 2)
    with pytest.raises(UsageError, match="cancel, paywall"):
        read_log(frame)
    assert len(read_log(frame, LogOptions(decision_point="cancel")).log) == 2


def test_read_log__immature_rows_are_left_out_and_no_fault() -> None:
    read = read_log(make_frame(matured=[True, True, False, True, None, True], reward=[0, 1, np.nan, 3, np.nan, 5]))
    assert (len(read.log), read.left_out, read.rejected) == (4, {IMMATURE: 2}, {})


def test_read_log__empty_column_counts_as_absent() -> None:
    read = read_log(make_frame(propensity=[None] * 6))
    assert read.log.propensity is None
    assert "column propensity is empty, so it counts as absent" in read.notes


def test_read_log__empty_log_is_refused() -> None:
    with pytest.raises(InvalidSnapshot, match="no rows"):
        read_log(make_frame().iloc[:0])


def test_read_log__no_usable_row_is_refused_with_counts() -> None:
    with pytest.raises(InvalidSnapshot, match=r"none is usable \(reward infinite: 6\)"):
        read_log(make_frame(reward=[np.inf] * 6))


def test_read_log__one_action_and_zero_rewards_are_no_error() -> None:
    assert read_log(make_frame(action="a", reward=0)).log.n_actions == 1


def test_read_log__excluding_an_unknown_action_lists_the_known() -> None:
    with pytest.raises(UnsupportedAction, match="'c'; the known ones are a, b"):
        read_log(make_frame(), LogOptions(exclude_actions=("c",)))


def test_read_log__csv_and_parquet_agree(tmp_path: Path) -> None:
    frame = make_frame(
        decided_at="2025-03-01T00:00:00Z", x_plan=["m", None] * 3, decision_id=[f"d{i}" for i in range(6)]
    )
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.to_parquet(tmp_path / "log.parquet")
    frame.to_json(tmp_path / "log.jsonl", orient="records", lines=True)
    logs = [read_log(tmp_path / f"log.{kind}").log for kind in ("parquet", "csv", "jsonl")]
    for log in logs[1:]:
        assert log.actions == logs[0].actions
        assert log.context.columns["plan"].tolist() == ["m", None] * 3
        np.testing.assert_array_equal(log.reward, logs[0].reward)
        assert log.decided_at is not None
        np.testing.assert_array_equal(log.decided_at, logs[0].decided_at)


def dirty_frame(rng: np.random.Generator, n_rows: int) -> pd.DataFrame:
    """Every column spoiled somewhere."""
    return pd.DataFrame(
        {
            "decision_id": rng.integers(0, 3 * n_rows, n_rows),
            "unit_id": rng.choice(["u1", "u2", "u3"], n_rows),
            "action": rng.choice(["a", "b", "c", ""], n_rows),
            "propensity": rng.choice([0.5, 0.2, 0.0, 1.2, np.nan], n_rows, p=[0.6, 0.3, 0.04, 0.03, 0.03]),
            "reward": rng.choice([0.0, 1.0, 2.5, np.inf, np.nan], n_rows, p=[0.5, 0.2, 0.2, 0.05, 0.05]),
            "matured": rng.random(n_rows) > 0.1,
            "x_age": rng.choice([20.0, 30.0, np.nan, np.inf], n_rows, p=[0.4, 0.4, 0.15, 0.05]),
            "x_plan": rng.choice(np.array(["m", "y", None], dtype=object), n_rows),
        }
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_read_log__every_row_is_used_rejected_or_left_out(seed: int) -> None:
    frame = dirty_frame(np.random.default_rng(seed), 80)
    quarantined: list[QuarantinedRecord] = []
    read = read_log(frame, LogOptions(exclude_actions=("c",)), quarantined.extend)
    assert len(quarantined) == read.n_rejected
    assert len(read.log) + read.n_rejected + sum(read.left_out.values()) == read.n_rows == 80
    assert set(read.left_out) <= {IMMATURE, EXCLUDED}
    assert sum(read.rejected_by_action.values()) + read.rejected.get("action missing", 0) == read.n_rejected


def canonical(log: LoggedDecisions) -> list[tuple[object, ...]]:
    assert log.propensity is not None
    rows = zip(
        log.action,
        log.reward,
        log.propensity,
        log.unit,
        np.nan_to_num(log.context.columns["age"].astype(float), nan=-1),
        [str(v) for v in log.context.columns["plan"]],
        strict=True,
    )
    return sorted(tuple(row) for row in rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_read_log__permuting_rows_changes_nothing_but_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = dirty_frame(rng, 80)
    read, shuffled = read_log(frame), read_log(frame.iloc[rng.permutation(len(frame))])
    assert canonical(read.log) == canonical(shuffled.log)
    assert (read.rejected, read.rejected_by_action, read.left_out) == (
        shuffled.rejected,
        shuffled.rejected_by_action,
        shuffled.left_out,
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.001, 1e6))
def test_read_log__scaling_the_reward_scales_only_the_reward(seed: int, factor: float) -> None:
    frame = dirty_frame(np.random.default_rng(seed), 60)
    read, scaled = read_log(frame), read_log(frame.assign(reward=frame["reward"] * factor))
    np.testing.assert_allclose(scaled.log.reward, read.log.reward * factor)
    np.testing.assert_array_equal(scaled.log.action, read.log.action)
    assert scaled.rejected == read.rejected
