"""The whole loop on the reference market, as `amso demo` shows it: offline, then live over a real Redis."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import runner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, dict[str, object]]:
    result = CliRunner().invoke(runner.app, ["demo", "--out", str(folder), "--yes", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_demo__says_what_is_true_offline(data: dict[str, dict[str, object]], folder: Path) -> None:
    assert data["recommend"]["strategies"]
    assert data["train"]["delivered"] == "learned"
    assert data["delivered_score"] >= 0.80  # type: ignore[operator] # plain JSON
    lines: list[dict[str, float]] = data["table"]  # type: ignore[assignment] # plain JSON
    told = [line for line in lines if line["value"] is not None]
    assert {line["strategy"] for line in told} >= {"learned policy"}
    assert all(line["low"] <= line["truth"] <= line["high"] for line in told)
    off = [abs(line["averages_say"] - line["truth"]) for line in told if line["averages_say"] is not None]
    assert max(off) > 5  # EUR a customer: averages mislead, or the demo shows nothing
    plots = {p.name for p in folder.rglob("*.png")}
    assert {"averages.png", "effects.png", "values.png", "curve.png", "strategies.png"} <= plots


def test_demo__people_decide_and_nobody_approves_their_own(data: dict[str, dict[str, object]]) -> None:
    live = data["live"]
    assert "ana proposed" in str(live["own_approval_refused"])
    proposals: list[dict[str, object]] = live["proposals"]  # type: ignore[assignment] # plain JSON
    assert [p["proposer"] for p in proposals] == ["ana", "amso"]
    assert all([a["approver"] for a in p["approvals"]] == ["ben"] for p in proposals)  # type: ignore[attr-defined] # plain JSON


def test_demo__counts_every_reward_as_the_business_does(data: dict[str, dict[str, object]]) -> None:
    truth = data["truth"]
    assert truth["n_rewards"] == data["live"]["n_decisions"]
    assert truth["n_rewards"] > 10_000  # type: ignore[operator] # plain JSON
    assert truth["n_rewards_off"] == 0


def test_demo__realises_what_it_served_for_first_and_second_policy(data: dict[str, dict[str, object]]) -> None:
    lines: list[dict[str, object]] = data["truth"]["lines"]  # type: ignore[assignment] # plain JSON
    served = [line for line in lines if line["true_as_served"] is not None]
    assert [line["policy"] for line in served] == ["first policy", "second policy"]
    for line in served:
        realised: dict[str, float] = line["realised"]  # type: ignore[assignment] # plain JSON
        spread = realised["high"] - realised["low"]
        true: float = line["true_as_served"]  # type: ignore[assignment] # plain JSON
        assert abs(realised["value"] - true) < spread  # twice the radius of a 95 % interval: about four errors
    scores: dict[str, float] = data["truth"]["scores"]  # type: ignore[assignment] # plain JSON
    assert min(scores.values()) >= 0.80


def test_demo__keeps_the_verdict_of_learning_again(data: dict[str, dict[str, object]], folder: Path) -> None:
    (config,) = folder.rglob("amso.yaml")
    result = CliRunner().invoke(runner.app, ["verdicts", "--config", str(config), "--json"])
    found = json.loads(result.stdout)
    assert {v["verb"] for v in found["verdicts"]} >= {"train", "learn"}, found
