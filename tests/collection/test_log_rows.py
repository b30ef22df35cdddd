"""Rows that cannot be used: the reason, the raw form and the count of each."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collection.file_source import RAGGED
from collection.log_reader import read_log
from domain.log import LogRead
from domain.records import QuarantinedRecord


def read_with(**columns: object) -> tuple[LogRead, list[QuarantinedRecord]]:
    """Four good rows, but for the columns given."""
    good: dict[str, object] = {"action": ["a", "b", "a", "b"], "reward": [1.0, 2.0, 3.0, 4.0]}
    quarantined: list[QuarantinedRecord] = []
    return read_log(pd.DataFrame({**good, **columns}), quarantine=quarantined.extend), quarantined


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("action", ["a", None, "a", "b"], "action missing"),
        ("action", ["a", "", "a", "b"], "action missing"),
        ("reward", [1.0, None, 3.0, 4.0], "reward missing or NaN"),
        ("reward", [1.0, np.nan, 3.0, 4.0], "reward missing or NaN"),
        ("reward", [1.0, np.inf, 3.0, 4.0], "reward infinite"),
        ("reward", ["1", "-inf", "3", "4"], "reward infinite"),
        ("reward", ["1", "lots", "3", "4"], "reward not a number"),
        ("propensity", [0.5, None, 0.5, 0.5], "propensity missing or NaN"),
        ("propensity", [0.5, 0.0, 0.5, 0.5], "propensity not positive"),
        ("propensity", [0.5, -0.1, 0.5, 0.5], "propensity not positive"),
        ("propensity", [0.5, 1.2, 0.5, 0.5], "propensity above one"),
        ("propensity", ["0.5", "half", "0.5", "0.5"], "propensity not a number"),
        ("weight", [1.0, 0.0, 1.0, 1.0], "weight not positive"),
        ("weight", [1.0, np.inf, 1.0, 1.0], "weight infinite"),
        ("cost", [1.0, np.nan, 1.0, 1.0], "cost missing or NaN"),
        ("unit_id", ["u", None, "u", "v"], "unit_id missing"),
        ("cell", ["c", None, "c", "c"], "cell missing"),
        ("decided_at", ["2025-01-01", "yesterday", "2025-01-01", "2025-01-01"], "decided_at not an ISO 8601 time"),
        ("eligible", ["a|b", "a", "a", "b"], "action not eligible"),
        ("eligible", ["a|b", "[broken", "a", "b"], "action not eligible"),
        ("x_age", [1.0, -np.inf, 3.0, 4.0], "x_age infinite"),
    ],
)
def test_row__is_rejected_with_its_reason(column: str, values: list[object], reason: str) -> None:
    read, quarantined = read_with(**{column: values})
    assert read.rejected == {reason: 1}
    assert len(read.log) == 3
    (record,) = quarantined
    assert (record.row, record.reason, record.source) == (1, reason, "DataFrame")
    assert set(json.loads(record.raw)) >= {"action", "reward", column}


def test_row__counts_under_its_first_reason_only() -> None:
    read, _ = read_with(reward=[1.0, np.inf, 3.0, 4.0], propensity=[0.5, 0.0, 0.0, 0.5])
    assert read.rejected == {"propensity not positive": 1, "reward infinite": 1}
    assert read.rejected_by_action == {"a": 1, "b": 1}


def test_row__time_without_zone_among_times_with_one_is_rejected() -> None:
    times = ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00", "2025-01-01T00:00:00+01:00", "2025-01-01T00:00:00Z"]
    read, _ = read_with(decided_at=times)
    assert read.rejected == {"decided_at without a time zone where other rows have one": 1}


def test_row__same_decision_twice_keeps_the_first() -> None:
    read, _ = read_with(decision_id=["d1", "d2", "d1", "d3"], action=["a", "b", "a", "b"], reward=[1.0, 2.0, 1.0, 4.0])
    assert read.rejected == {"decision_id duplicate": 1}
    assert read.log.reward.tolist() == [1, 2, 4]


def test_row__same_decision_with_two_contents_keeps_neither() -> None:
    read, _ = read_with(decision_id=["d1", "d2", "d1", "d3"])
    assert read.rejected == {"decision_id conflicting": 2}
    assert read.log.reward.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("p_a", "p_b", "reason"),
    [
        (-0.5, 1.5, "p_* negative"),
        (0.5, 0.6, "p_* does not sum to one"),
        (0.4, 0.6, "p_* does not match propensity"),
        (np.nan, 0.6, "p_* missing or not a number"),
    ],
)
def test_row__logged_vector_must_be_a_distribution_that_holds_the_propensity(
    p_a: float, p_b: float, reason: str
) -> None:
    read, _ = read_with(propensity=[0.5] * 4, p_a=[0.5, p_a, 0.5, 0.5], p_b=[0.5, p_b, 0.5, 0.5])
    assert read.rejected == {reason: 1}


def test_row__raw_form_is_strict_json_even_of_infinity() -> None:
    _, quarantined = read_with(reward=[1.0, np.inf, 3.0, 4.0], x_note=[None, None, "n", "m"])
    raw = json.loads(quarantined[0].raw, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert raw == {"action": "b", "reward": "inf", "x_note": None}


def test_row__missing_context_is_fine() -> None:
    read, _ = read_with(x_age=[np.nan] * 4, x_plan=pd.Series([None, "m", None, None], dtype=object))
    assert (len(read.log), read.rejected) == (4, {})


def test_row__broken_lines_and_bad_rows_count_together(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("action,reward\na,1\nb\na,oops\nb,2\n")
    quarantined: list[QuarantinedRecord] = []
    read = read_log(path, quarantine=quarantined.extend)
    assert read.rejected == {RAGGED: 1, "reward not a number": 1}
    assert sorted((record.row, record.reason) for record in quarantined) == [(1, RAGGED), (2, "reward not a number")]
    assert (read.n_rows, len(read.log)) == (4, 2)
