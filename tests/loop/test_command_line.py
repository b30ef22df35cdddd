"""The command line as people use it: answers, exit codes, and every kind of bad input with its message."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import runner


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def make_frame(n: int = 3000, gain: float = 1.0) -> pd.DataFrame:
    """Promo gains where x_age > 0 and loses elsewhere; half the rows each."""
    rng = np.random.default_rng(0)
    age, promo = rng.normal(size=n), rng.integers(0, 2, n)
    reward = gain * np.sign(age) * promo + rng.normal(size=n)
    names = np.where(promo == 1, "promo", "none")
    return pd.DataFrame({"unit_id": np.arange(n), "action": names, "propensity": 0.5, "reward": reward, "x_age": age})


def write(frame: pd.DataFrame, name: str = "log.csv") -> str:
    frame.to_csv(name, index=False)
    return name


def amso(*arguments: str) -> Result:
    return CliRunner().invoke(runner.app, [*arguments])


def answer(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = amso(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_train__delivers_what_it_learned_where_learning_pays() -> None:
    data = answer("train", "--log", write(make_frame()))
    assert data["verdict"] == "promote"
    assert data["delivered"] == "learned"
    assert data["comparison"]["low"] > 0
    assert data["heldout"]["method"] == "crossfit"
    shown = answer("policies", "show", data["policy_version"])
    assert shown["is_intact"]
    assert shown["run"] == Path(data["run"]).name
    assert {"config.yaml", "metadata.json", "metrics.json", "values.png"} <= {
        p.name for p in Path(data["run"]).iterdir()
    }


def test_train__delivers_the_constant_where_learning_pays_nothing() -> None:
    frame = make_frame()
    frame["reward"] = (frame["action"] == "promo") + np.random.default_rng(1).normal(size=len(frame))
    data = answer("train", "--log", write(frame), "--baseline", "constant:none")
    assert data["verdict"] != "promote"
    assert data["delivered"] == "constant:promo"
    assert data["baseline_comparison"]["low"] > 0


def test_train__judges_on_another_log_when_told_to() -> None:
    frame = make_frame(4000)
    data = answer("train", "--log", write(frame[:2000], "a.csv"), "--heldout", write(frame[2000:], "b.csv"))
    assert data["heldout"]["method"] == "file"
    assert data["heldout"]["n"] == 2000
    assert data["verdict"] == "promote"


def test_heldout_log__counts_its_bad_rows_like_any_other() -> None:
    frame = make_frame(4000)
    judge = frame[2000:].copy()
    judge["reward"] = judge["reward"].where(np.arange(len(judge)) >= 400)
    data = answer("train", "--log", write(frame[:2000], "a.csv"), "--heldout", write(judge, "b.csv"))
    assert data["verdict"] == "cannot_tell"
    assert sum(data["heldout_log"]["rejected"].values()) == 400


def test_heldout_log__must_not_be_the_training_log() -> None:
    log, copy = write(make_frame()), write(make_frame(), "copy.csv")
    error = answer("train", "--log", log, "--heldout", copy, exit_code=2)["error"]
    assert "training log itself" in error["message"]


def test_policy__is_not_valued_on_the_rows_it_was_trained_on() -> None:
    frame = make_frame(4000)
    trained = answer("train", "--log", write(frame[:2000], "a.csv"), "--heldout", write(frame[2000:], "b.csv"))
    spec = f"version:{trained['policy_version']}"
    on_training_log = answer("evaluate", write(frame[:2000], "copy.csv"), "--policy", spec)
    assert on_training_log["verdict"] == "cannot_tell"
    assert any("trained on this very log" in reason for reason in on_training_log["reasons"])
    assert answer("evaluate", "b.csv", "--policy", spec, "--baseline", "constant:none")["verdict"] == "promote"


def test_minimizing__is_refused_instead_of_ignored() -> None:
    error = answer("train", "--log", write(make_frame()), "--set", "objective.direction=minimize", exit_code=2)["error"]
    assert "minimize" in error["message"]


def test_advice__keeps_a_baseline_that_earns_more_than_what_is_delivered() -> None:
    """The log follows a product of two columns, which one ridge an action cannot see."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4000))
    good = a * b > 0
    promo = np.where(rng.random(4000) < 0.9, good, ~good)
    frame = pd.DataFrame({"action": np.where(promo, "promo", "none"), "x_a": a, "x_b": b})
    frame["propensity"] = np.where(promo == good, 0.9, 0.1)
    frame["reward"] = promo * np.where(good, 1.0, -1.0) + rng.normal(size=4000)
    data = answer("train", "--log", write(frame))
    assert data["baseline_comparison"]["high"] < 0
    assert data["advice"].startswith("keep logged")


def test_same_seed__gives_the_same_policy_version() -> None:
    log = write(make_frame())
    first, second = (answer("train", "--log", log, "--seed", "3") for _ in range(2))
    assert first["comparison"] == second["comparison"]
    weights = [Path(d["run"], "policy", "weights.safetensors").read_bytes() for d in (first, second)]
    assert weights[0] == weights[1]


def test_recommend__ranks_the_learned_policy_by_rows_it_did_not_see() -> None:
    log = write(make_frame())
    version = answer("train", "--log", log)["policy_version"]
    data = answer("recommend", "--log", log, "--baseline", "constant:none")
    assert data["strategies"][0]["action"] == f"policy:{version}" or data["strategies"][0]["segment"]["id"] != "all"
    assert data["strategies"][0]["verdict"] == "promote"
    assert any("did not see" in note for note in data["notes"])
    assert [s["rank"] for s in data["strategies"]] == list(range(1, len(data["strategies"]) + 1))


def test_recommend__tells_the_ids_that_propose_takes() -> None:
    path = write(make_frame())
    ids = [s["strategy_id"] for s in answer("recommend", "--log", path)["strategies"]]
    assert f"1. {ids[0]}" in amso("recommend", "--log", path).stdout


def test_recommend__designs_an_experiment_where_nothing_is_proven() -> None:
    data = answer("recommend", "--log", write(make_frame(gain=0.0)), "--baseline", "constant:none")
    (experiment,) = [s for s in data["strategies"] if s["action"] == "experiment"]
    assert experiment["expected_value"] is None
    assert experiment["historical"]["design"]["units_per_action"] == 1500


def test_evaluate__says_what_the_verdict_rests_on() -> None:
    data = answer("evaluate", write(make_frame()), "--policy", "constant:promo", "--baseline", "constant:none")
    assert {e["estimator"] for e in data["estimates"] if e["trusted"]} >= {"ips", "snips", "dr", "sndr"}
    assert data["verdict"] in ("hold", "promote", "reject")
    assert data["recommended_estimator"] == "dr"
    assert set(data["comparison"]) == {"candidate", "baseline", "difference", "low", "high"}


def test_evaluate__by_bootstrap_gives_much_the_same_intervals() -> None:
    log = write(make_frame())
    asked = ("evaluate", log, "--policy", "constant:promo", "--baseline", "constant:none")
    analytic, resampled = answer(*asked), answer(*asked, "--bootstrap", "400")
    assert resampled["comparison"] == analytic["comparison"]
    assert any("resampling customers 400 times" in reason for reason in resampled["reasons"])
    few = CliRunner().invoke(runner.app, [*asked, "--bootstrap", "2"])
    assert few.exit_code == 2
    assert "at least 100" in few.output
    for one, other in zip(resampled["estimates"], analytic["estimates"], strict=True):
        assert one["value"] == other["value"]
        assert one["high"] - one["low"] == pytest.approx(other["high"] - other["low"], rel=0.25)


def test_evaluate__of_columns_with_probabilities() -> None:
    frame = make_frame()
    frame["new_none"], frame["new_promo"] = (frame["x_age"] <= 0) * 1.0, (frame["x_age"] > 0) * 1.0
    data = answer("evaluate", write(frame), "--policy", "probabilities:new_", "--baseline", "constant:none")
    assert data["verdict"] == "promote"


def test_evaluate__of_a_saved_policy() -> None:
    log = write(make_frame())
    trained = answer("train", "--log", log)
    for spec in (f"version:{trained['policy_version']}", f"path:{trained['run']}/policy"):
        assert answer("evaluate", log, "--policy", spec, "--baseline", "constant:none")["verdict"] == "promote"


def test_require__turns_any_other_verdict_into_exit_1() -> None:
    log = write(make_frame())
    spec = ("evaluate", log, "--policy", "logged", "--baseline", "logged")
    assert amso(*spec).exit_code == 0
    assert amso(*spec, "--require", "promote").exit_code == 1


def test_import__counts_bad_rows_by_reason_and_goes_on() -> None:
    frame = make_frame(100).astype({"propensity": object, "reward": object})
    frame.loc[0, "propensity"], frame.loc[1, "propensity"] = 0.0, 1.2
    frame.loc[2, "reward"], frame.loc[3, "reward"] = float("nan"), float("inf")
    data = answer("import", write(frame))
    assert data["log"]["used"] == 96
    assert sum(data["log"]["rejected"].values()) == 4
    assert len(data["log"]["rejected"]) == 4


def test_too_many_bad_rows__cannot_tell() -> None:
    frame = make_frame()
    frame.loc[:99, "reward"] = float("nan")
    data = answer("evaluate", write(frame), "--policy", "constant:promo", "--baseline", "constant:none")
    assert data["verdict"] == "cannot_tell"
    assert data["comparison"]["difference"] is None
    assert any("rejected" in reason for reason in data["reasons"])
    assert all(e["trusted"] is False for e in data["estimates"])


def test_one_action_only__cannot_tell() -> None:
    frame = make_frame()
    data = answer("evaluate", write(frame[frame["action"] == "none"]), "--policy", "constant:none")
    assert data["verdict"] == "cannot_tell"


def test_all_zero_rewards__cannot_tell() -> None:
    data = answer("evaluate", write(make_frame().assign(reward=0.0)), "--policy", "constant:promo")
    assert data["verdict"] == "cannot_tell"


def test_values_that_are_not_trusted__never_appear_without_that_word() -> None:
    result = amso("evaluate", write(make_frame().assign(reward=0.0)), "--policy", "constant:promo")
    lines = [line for line in result.stdout.splitlines() if line.startswith("constant:promo  ")]
    assert len(lines) >= 4
    assert all("not trusted" in line for line in lines)


@pytest.mark.parametrize(
    ("content", "arguments", "code", "words"),
    [
        ("offer,reward\na,1\n", [], 2, "no column `action`"),
        ("action,reward\n", [], 1, "no rows"),
        ("", [], 1, "empty"),
        ("action,reward\na,nan\n", [], 1, "usable"),
        ("action,reward_a,reward_b\na,1,2\n", [], 2, "reward_a, reward_b"),
        ("action,reward\na,1\nb,2\n", ["--policy", "constant:c"], 2, "unknown action 'c'"),
        ("action,reward\na,1\nb,2\n", ["--policy", "constnt:a"], 2, "did you mean constant:a"),
        ("action,reward\na,1\nb,2\n", ["--policy", "version:p-nowhere"], 1, "unknown policy version"),
        ("action,reward\na,1\nb,2\n", ["--set", "businss.name=x"], 2, "did you mean `business`"),
        ("action,reward\na,1\nb,2\n", ["--exclude-action", "zz"], 2, "zz"),
    ],
)
def test_bad_input__says_what_was_found_and_exits(content: str, arguments: list[str], code: int, words: str) -> None:
    Path("log.csv").write_text(content)
    policy = [] if "--policy" in arguments else ["--policy", "uniform"]
    error = answer("evaluate", "log.csv", *policy, *arguments, exit_code=code)["error"]
    assert words in f"{error['message']} {error['hint']}"
    assert error["code"]


def test_half_a_parquet_file__is_refused() -> None:
    make_frame().to_parquet("log.parquet")
    raw = Path("log.parquet").read_bytes()
    Path("log.parquet").write_bytes(raw[: len(raw) // 2])
    error = answer("import", "log.parquet", exit_code=1)["error"]
    assert "log.parquet" in error["message"]


def test_policy_with_a_flipped_byte__is_refused() -> None:
    log = write(make_frame())
    trained = answer("train", "--log", log)
    weights = Path(trained["run"], "policy", "weights.safetensors")
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(bytes(raw))
    error = answer("evaluate", log, "--policy", f"version:{trained['policy_version']}", exit_code=1)["error"]
    assert error["code"] == "corrupt_policy"
    assert "was changed" in error["message"]


def test_missing_log__is_a_usage_error() -> None:
    assert answer("evaluate", "nowhere.csv", "--policy", "uniform", exit_code=2)["error"]
    assert "no decision log is named" in answer("train", exit_code=2)["error"]["message"]


def test_init_from_a_foreign_log__writes_a_config_that_trains_unedited() -> None:
    columns = {"unit_id": "customer", "action": "offer", "reward": "profit", "x_age": "age"}
    write(make_frame().rename(columns=columns), "offers.csv")
    written = answer("init", "--from", "offers.csv")
    assert written["open_questions"]
    assert answer("train")["verdict"] == "promote"


@pytest.mark.parametrize("name", ["subscription", "shop", "app", "media"])
def test_init_from_a_template__loads(name: str) -> None:
    answer("init", "--template", name)
    found = answer("doctor")
    assert next(c for c in found["checks"] if c["subject"] == "config")["state"] == "ok"


def test_init__never_overwrites_by_accident() -> None:
    answer("init", "--template", "shop")
    assert "exists already" in answer("init", "--template", "shop", exit_code=2)["error"]["message"]


def test_doctor__ends_with_what_this_data_allows() -> None:
    found = answer("doctor", "--log", write(make_frame()))
    ready = {r["capability"]: r["is_ready"] for r in found["readiness"]}
    assert ready == {"describe": True, "forecast": False, "evaluate": True, "learn": True, "live": False}


def test_doctor__looks_at_the_exchange_rates_that_live_needs() -> None:
    path = write(make_frame())
    found = answer("doctor", "--log", path, "--set", "business.exchange_rates=nowhere.csv")
    assert ("exchange rates", "fail") in {(c["subject"], c["state"]) for c in found["checks"]}
    assert "exchange rates" in next(r["why"] for r in found["readiness"] if r["capability"] == "live")


def test_data_dir_that_can_be_no_folder__is_a_mistake_of_config(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    for name in ("file", "file/below"):
        monkeypatch.setenv("AMSO_DATA_DIR", name)
        error = answer("status", exit_code=2)["error"]
        assert error["message"].startswith(f"the data dir {name} is no folder")
        assert "AMSO_DATA_DIR" in error["hint"]


def test_analyze__leaves_findings_and_plots() -> None:
    frame = make_frame()
    frame["decided_at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(3000) // 30, unit="D")
    data = answer("analyze", "--log", write(frame))
    assert [a["action"] for a in data["averages"]] == ["none", "promo"]
    assert data["forecast"]["available"]
    assert {"averages.png", "effects.png", "forecast.png"} <= {p.name for p in Path(data["run"]).iterdir()}


def test_usage_errors_of_options__are_json_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["amso", "evaluate", "--json"])
    with pytest.raises(SystemExit) as caught:
        runner.main()
    assert caught.value.code == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "usage_error"
    assert "--policy" in error["message"]
