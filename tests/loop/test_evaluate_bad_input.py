"""Everything that a log or a question can have wrong, asked through the command line and through `amso.evaluate`.

A fault of rows sets them aside with their count, and from 1 % on forbids a decision; a fault of the question or of the
whole log is an error with its exit code. Never a number that looks fine.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import runner
from collection.log_reader import read_log
from config.log_options import LogOptions
from domain.errors import AmsoError
from domain.estimates import Verdict
from loop.evaluate import evaluate_log

N = 3000
FEW = 8  # rows: under 1 % of all and of each action's
MANY = 90


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def make_frame() -> pd.DataFrame:
    """Promo gains one everywhere; a few candidates' probabilities beside it."""
    rng = np.random.default_rng(0)
    promo = rng.integers(0, 2, N)
    times = pd.Series(pd.date_range("2026-01-01", periods=N, freq="17min")).dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    return pd.DataFrame(
        {
            "decision_id": [f"d-{i}" for i in range(N)],
            "unit_id": np.arange(N),
            "decided_at": times,
            "action": np.where(promo == 1, "promo", "none"),
            "propensity": 0.5,
            "reward": promo + rng.normal(size=N),
            "x_age": rng.normal(size=N),
            "p_none": 0.5,
            "p_promo": 0.5,
            "new_none": 0.2,
            "new_promo": 0.8,
        }
    )


def spoil(column: str, value: object) -> Callable[[pd.DataFrame, int], pd.DataFrame]:
    """The first rows of a column get a value."""

    def plant(frame: pd.DataFrame, n: int) -> pd.DataFrame:
        frame = frame.astype({column: object})
        values = frame[column].astype(object)
        values[frame.index < n] = value
        frame = frame.copy()
        frame[column] = values
        return frame

    return plant


def _repeat(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:n]], ignore_index=True)


def _contradict(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[n // 2 : n - 1, "decision_id"] = frame["decision_id"].to_numpy()[: n // 2]
    return frame


def _lose_zone(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[: n - 1, "decided_at"] = frame["decided_at"].str.removesuffix("+00:00")
    return frame


@dataclass(frozen=True)
class RowFault:
    """Rows that cannot be used, and the reason under which they are counted."""

    reason: str
    plant: Callable[[pd.DataFrame, int], pd.DataFrame]
    drops: tuple[str, ...] = ()  # columns without which the fault is seen alone
    policy: str = "constant:promo"


FAULTS = [
    RowFault("action missing", spoil("action", None)),
    RowFault("action not eligible", lambda f, n: f.assign(eligible=np.where(f.index < n, "[]", '["none", "promo"]'))),
    RowFault("propensity not positive", spoil("propensity", 0.0), ("p_none", "p_promo")),
    RowFault("propensity not positive", spoil("propensity", -0.5), ("p_none", "p_promo")),
    RowFault("propensity above one", spoil("propensity", 1.2), ("p_none", "p_promo")),
    RowFault("propensity missing or NaN", spoil("propensity", float("nan")), ("p_none", "p_promo")),
    RowFault("propensity not a number", spoil("propensity", "half"), ("p_none", "p_promo")),
    RowFault("reward missing or NaN", spoil("reward", float("nan"))),
    RowFault("reward infinite", spoil("reward", float("inf"))),
    RowFault("p_* does not sum to one", spoil("p_none", 0.4)),
    RowFault("p_* negative", spoil("p_none", -0.5)),
    RowFault("p_* does not match propensity", spoil("propensity", 0.4)),
    RowFault("new_* does not sum to one", spoil("new_none", 0.1), policy="probabilities:new_"),
    RowFault("new_* missing or not a number", spoil("new_none", float("nan")), policy="probabilities:new_"),
    RowFault("decision_id duplicate", _repeat),
    RowFault("decision_id conflicting", _contradict),
    RowFault("decided_at without a time zone where other rows have one", _lose_zone),
    RowFault("decided_at not an ISO 8601 time", spoil("decided_at", "yesterday")),
    RowFault("weight not positive", lambda f, n: f.assign(weight=np.where(f.index < n, 0.0, 1.0))),
    RowFault("x_age infinite", spoil("x_age", float("inf"))),
]


def write(frame: pd.DataFrame) -> str:
    frame.to_csv("log.csv", index=False)
    return "log.csv"


def run(log: str, policy: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(
        runner.app, ["evaluate", log, "--policy", policy, "--baseline", "constant:none", "--json", *arguments]
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.reason)
def test_faulty_rows__are_counted_and_too_many_forbid_a_decision(fault: RowFault) -> None:
    frame = make_frame().drop(columns=list(fault.drops))
    for n, verdict in ((FEW, "promote"), (MANY, "cannot_tell")):
        spoilt = fault.plant(frame, n)
        code, data = run(write(spoilt), fault.policy)
        assert (code, data["verdict"]) == (0, verdict)
        assert data["log"]["rejected"] == {fault.reason: n}
        assert data["log"]["used"] == len(spoilt) - n
        found = [(f["kind"], f["n_rounds"], f["is_refusal"]) for f in data["diagnostics"]["findings"]]
        assert found[0] == ("rejected_rows", n, verdict == "cannot_tell")
        assert (data["comparison"]["difference"] is None) == (verdict == "cannot_tell")
        read = read_log(spoilt, LogOptions(probability_prefixes=("new_",)))
        answer = evaluate_log(read, fault.policy, baseline="constant:none")
        assert answer.verdict.value == verdict


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda f: f[f["action"] == "none"], "only one action was ever logged (none)"),
        (lambda f: f.assign(reward=0.0), "every reward is zero"),
        (lambda f: f.assign(reward=np.where(f.index < 10, 5.0, 0.0)), "not enough purchases"),
        (lambda f: f.head(60), "effective sample size"),
    ],
)
def test_logs_that_cannot_tell__answer_so_with_no_number(
    plant: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    frame = plant(make_frame())
    has_promo = bool((frame["action"] == "promo").any())
    frame = frame if has_promo else frame.drop(columns=["p_none", "p_promo", "new_none", "new_promo"])
    code, data = run(write(frame), "constant:promo" if has_promo else "constant:none")
    assert (code, data["verdict"]) == (0, "cannot_tell")
    assert any(words in reason for reason in data["reasons"])
    assert data["comparison"]["difference"] is None
    assert not any(e["trusted"] for e in data["estimates"])
    answer = evaluate_log(read_log(frame), "logged")
    assert answer.verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("plant", "policy", "exit_code", "error"),
    [
        (lambda f: f, "constant:gift", 2, "unsupported_action"),
        (lambda f: f, "probabilities:old_", 2, "missing_column"),
        (lambda f: f.drop(columns="action"), "uniform", 2, "missing_column"),
        (lambda f: f.drop(columns="reward"), "uniform", 2, "missing_column"),
        (lambda f: f.head(0), "uniform", 1, "invalid_snapshot"),
        (lambda f: f.assign(reward=float("nan")), "uniform", 1, "invalid_snapshot"),
        (lambda f: f.assign(unit_id=1), "uniform", 1, "invalid_snapshot"),
    ],
)
def test_questions_and_logs_that_make_no_sense__are_errors(
    plant: Callable[[pd.DataFrame], pd.DataFrame], policy: str, exit_code: int, error: str
) -> None:
    frame = plant(make_frame())
    code, data = run(write(frame), policy)
    assert (code, data["error"]["code"]) == (exit_code, error)
    assert data["error"]["message"]
    with pytest.raises(AmsoError) as raised:
        evaluate_log(read_log(frame), policy)
    assert raised.value.exit_code == exit_code


def test_times_in_several_zones__are_one_time() -> None:
    frame = make_frame()
    other = pd.to_datetime(frame["decided_at"]).dt.tz_convert("Asia/Tokyo").dt.strftime("%Y-%m-%dT%H:%M:%S+09:00")
    mixed = frame.assign(decided_at=np.where(frame.index % 2, frame["decided_at"], other))
    one, two = read_log(frame), read_log(mixed)
    assert (one.rejected, two.rejected) == ({}, {})
    assert one.log.decided_at is not None
    assert two.log.decided_at is not None
    np.testing.assert_array_equal(one.log.decided_at, two.log.decided_at)


def test_policy_that_needs_a_column_the_log_lacks__is_an_error_that_names_it() -> None:
    frame = make_frame()
    frame["reward"] = frame["reward"] * np.sign(frame["x_age"])  # so that there is something to learn from x_age
    result = CliRunner().invoke(runner.app, ["train", "--log", write(frame), "--json"])
    trained = json.loads(result.stdout)
    assert trained["delivered"] == "learned", trained["reasons"]
    policy = f"path:{trained['run']}/policy"
    code, data = run(write(frame.drop(columns="x_age")), policy)
    assert (code, data["error"]["code"]) == (2, "missing_column")
    assert "age" in data["error"]["message"]
    with pytest.raises(AmsoError, match="age"):
        evaluate_log(read_log(frame.drop(columns="x_age")), policy)


def test_policy_over_an_action_that_the_log_never_took__is_an_error_that_names_it() -> None:
    frame = make_frame()
    frame["reward"] = frame["reward"] * np.sign(frame["x_age"])
    result = CliRunner().invoke(runner.app, ["train", "--log", write(frame), "--json"])
    policy = f"path:{json.loads(result.stdout)['run']}/policy"
    renamed = frame.assign(action=frame["action"].replace("promo", "gift")).drop(columns=["p_none", "p_promo"])
    code, data = run(write(renamed), policy)
    assert (code, data["error"]["code"]) == (2, "unsupported_action")
    assert "promo" in data["error"]["message"]
