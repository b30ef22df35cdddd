"""Training runs of panels: reproduced by their seed, interrupted by a real Ctrl-C, resumed to the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import runner

RUNNER = Path(runner.__file__)
SMALL = ("--set", "training.periods=60", "--set", "training.customers=64", "--set", "training.checkpoint_seconds=0")
TRAIN = ("train", "--log", "log.csv", "--seed", "3", *SMALL)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    write_panel()


def write_panel(n: int = 1500, gain: float = 1.0) -> None:
    """Two periods a customer; promo gains x_age, so it loses where that is negative; half the rounds each."""
    rng = np.random.default_rng(0)
    age = rng.normal(size=n)
    rows = []
    for step in range(2):
        promo = rng.integers(0, 2, n)
        following = age + 0.1 * rng.normal(size=n)
        frame = {
            "unit_id": np.arange(n),
            "episode_id": np.arange(n),
            "step": step,
            "action": np.where(promo == 1, "promo", "none"),
            "propensity": 0.5,
            "reward": gain * age * promo + 0.5 * rng.normal(size=n),
            "x_age": age,
            "next_x_age": following,
            "terminated": False,
            "truncated": step == 1,
        }
        rows.append(pd.DataFrame(frame))
        age = following
    pd.concat(rows).to_csv("log.csv", index=False)


def amso(*arguments: str) -> Result:
    return CliRunner().invoke(runner.app, [*arguments, "--json"])


def answer(*arguments: str) -> dict[str, Any]:
    result = amso(*arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refusal(*arguments: str, exit_code: int = 2) -> str:
    result = amso(*arguments)
    assert result.exit_code == exit_code, result.output
    found: str = json.loads(result.stdout)["error"]["message"]
    return found


def interrupt(stage: str, *arguments: str, times: int = 1) -> tuple[int, str]:
    """Runs the verb in a process of its own, presses Ctrl-C while that stage is learned; exit code and stderr."""
    watched = Path("data/runs/train_1/checkpoints", f"{stage}.safetensors")
    with subprocess.Popen(
        [sys.executable, str(RUNNER), *(arguments or TRAIN)], stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        while not watched.is_file() and process.poll() is None:
            time.sleep(0.005)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    return process.returncode, said


def policy_bytes(run: str) -> bytes:
    folder = Path(run, "policy")
    return (folder / "policy.json").read_bytes() + (folder / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes]:
    """The answer of a run that nobody disturbed, and its policy's bytes."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMSO_DATA_DIR", str(folder / "data"))
        patch.chdir(folder)
        write_panel()
        found = answer(*TRAIN)
        assert found["delivered"] == "learned", found["reasons"]
        return found, policy_bytes(found["run"])


def test_seed__reproduces_the_policy_byte_for_byte(uninterrupted: tuple[dict[str, Any], bytes]) -> None:
    before, policy = uninterrupted
    again = answer(*TRAIN)
    assert policy_bytes(again["run"]) == policy
    assert again["policy_version"] == before["policy_version"]
    assert again["learning"] == before["learning"]
    other = answer(*TRAIN, "--seed", "4")
    assert Path(other["run"], "policy/weights.safetensors").read_bytes() not in policy


def test_run__leaves_curves_with_what_must_be_beaten_and_no_checkpoint(
    uninterrupted: tuple[dict[str, Any], bytes],
) -> None:
    found, _ = uninterrupted
    assert set(found["learning"]) == {"heldout", "delivered"}
    for curve in found["learning"].values():
        best = next(value for name, value in curve["levels"].items() if name.startswith("best constant: "))
        assert curve["points"][-1]["period"] == curve["points"][-1]["periods"] == 60
        assert curve["points"][-1]["value"] > best > curve["levels"]["logged"] - 1.0
    files = {path.name for path in Path(found["run"]).iterdir()}
    assert {"curve.png", "values.png", "curve.json", "metrics.json", "policy"} <= files
    assert not {"checkpoints", "unfinished_policy"} & files
    assert json.loads(Path(found["run"], "metrics.json").read_text())["learning"] == found["learning"]


@pytest.mark.parametrize("stage", ["heldout", "delivered"])
def test_ctrl_c__leaves_a_run_that_resumes_to_the_same_bytes(
    uninterrupted: tuple[dict[str, Any], bytes], stage: str
) -> None:
    before, policy = uninterrupted
    exit_code, said = interrupt(stage)
    assert exit_code == 130, said
    assert f"stage {stage}" in said
    assert "--resume train_1" in said
    run = Path("data/runs/train_1")
    files = {path.name for path in run.iterdir()}
    assert {"checkpoints", "curve.json", "unfinished_policy"} <= files
    assert "metrics.json" not in files
    judged = answer("evaluate", "log.csv", "--policy", f"path:{run}/unfinished_policy", "--baseline", "uniform")
    assert judged["verdict"] == "cannot_tell"  # it was learned from this very log
    found = answer(*TRAIN, "--resume", "train_1")
    assert Path(found["run"]).name == "train_1"
    assert policy_bytes(found["run"]) == policy
    assert found["learning"] == before["learning"]
    assert not (run / "checkpoints").exists()


def test_ctrl_c__twice_ends_at_once() -> None:
    exit_code, said = interrupt("heldout", times=2)
    assert exit_code == 130, said
    assert Path("data/runs/train_1/checkpoints/heldout.safetensors").is_file()
    assert not Path("data/runs/train_1/metrics.json").exists()


def test_resume__is_refused_where_anything_differs() -> None:
    run = Path(answer(*TRAIN)["run"])
    assert "train_1 is finished" in refusal(*TRAIN, "--resume", "train_1")
    (run / "metrics.json").unlink()  # as if it had been interrupted
    assert "seed was 3, is 5" in refusal(*TRAIN, "--resume", "train_1", "--seed", "5")
    assert 'algo was null, is "dqn"' in refusal(*TRAIN, "--resume", "train_1", "--algo", "dqn")
    assert "config training was" in refusal(*TRAIN, "--resume", "train_1", "--set", "training.periods=61")
    assert "there is no run 'train_9'" in refusal(*TRAIN, "--resume", "train_9", exit_code=1)
    assert "there is no run '../train_1'" in refusal(*TRAIN, "--resume", "../train_1", exit_code=1)
    shutil.copy("log.csv", "before.csv")
    write_panel(gain=2.0)
    assert "log was" in refusal(*TRAIN, "--resume", "train_1")
    evaluated = answer("evaluate", "before.csv", "--policy", "constant:promo")
    assert evaluated["log"]["rows"] == 3000


def test_tensorboard__gets_the_curve_beside_what_must_be_beaten() -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = answer(*TRAIN, "--tensorboard")
    events = EventAccumulator(str(Path(found["run"], "tensorboard", "delivered")))
    events.Reload()
    curve = found["learning"]["delivered"]
    told = [(event.step, event.value) for event in events.Scalars("value/learned")]
    assert told == [(p["period"], pytest.approx(p["value"])) for p in curve["points"] if p["value"] is not None]
    assert events.Scalars("value/logged")[0].value == pytest.approx(curve["levels"]["logged"])


@pytest.mark.parametrize("found", [None, "2.20.1"])
def test_tensorboard__missing_or_too_old_is_said_before_anything_is_learned(
    monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    from importlib.metadata import PackageNotFoundError

    def version(_package: str) -> str:
        if found is None:
            raise PackageNotFoundError
        return found

    monkeypatch.setattr("agents.event_log.version", version)
    assert "--tensorboard needs tensorboard 2.21" in refusal(*TRAIN, "--tensorboard")
    assert not Path("data/runs").exists()
