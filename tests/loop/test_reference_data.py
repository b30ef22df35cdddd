"""`amso train` and `evaluate` on real logs with known reference figures; one fold seed each, all in benchmarks/."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import runner

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data")).resolve()

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data in {DATA}")


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def answer(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(runner.app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_promotion__pays_for_some_and_config_from_init_trains_unedited() -> None:
    assert answer("init", "--from", str(DATA / "promo_train.parquet"))["open_questions"]
    data = answer("train")
    assert (data["verdict"], data["delivered"]) == ("promote", "learned")
    assert data["comparison"]["low"] > 0
    assert data["best_constant"]["policy"] == "constant:none"


def test_email__to_men_is_best_and_targeting_proves_nothing() -> None:
    assert answer("init", "--from", str(DATA / "hillstrom.parquet"))["open_questions"]
    data = answer("train", "--baseline", "constant:no_email")
    assert data["verdict"] != "promote"
    assert data["delivered"] == "constant:mens_email"
    assert data["baseline_comparison"]["low"] > 0


def test_loan_prices__two_lowest_cannot_be_told_apart() -> None:
    log = str(DATA / "loan_price_wave12.parquet")
    request = ("train", "--log", log, "--reward", "reward_applied")
    data = answer(*request, "--exclude-action", "p5_above_std")
    assert data["delivered"] in ("constant:p1_le60", "constant:p2_60_75")
    assert any("indistinguishable" in reason for reason in data["reasons"])
    assert any("renormalised" in note for note in data["log"]["notes"])


def test_thompson_file__is_valued_by_its_exact_probabilities(tmp_path: Path) -> None:
    priors = json.loads((DATA.parent / "golden" / "thompson_priors.json").read_text())["men"]
    actions = [str(i) for i in range(len(priors["alpha"]))]
    (tmp_path / "men.json").write_text(json.dumps({"actions": actions, **priors, "position": "position"}))
    (tmp_path / "names.yaml").write_text("columns: {x_position: position}\n")
    request = ("evaluate", str(DATA / "obd_men_random.parquet"), "--reward", "reward_click")
    data = answer(*request, "--columns", "names.yaml", "--policy", "thompson:men.json")
    values = {e["estimator"]: e["value"] for e in data["estimates"] if e["policy"] == "thompson:men.json"}
    assert (values["ips"], values["snips"]) == pytest.approx((0.00454006, 0.00461022), abs=1e-5)


def test_clicks__keep_their_reference_values_whatever_the_verdict() -> None:
    data = answer("evaluate", str(DATA / "obd_men_bts.parquet"), "--policy", "uniform", "--reward", "reward_click")
    values = {(e["policy"], e["estimator"]): e["value"] for e in data["estimates"]}
    assert round(values["uniform", "ips"], 7) == 0.0030086
    assert round(values["uniform", "snips"], 7) == 0.0031894
    assert any("656" in reason for reason in data["reasons"])


def test_cohort_of_a_shop__is_foretold_and_its_unseen_season_named() -> None:
    columns = "unit=customer_id,time=date,amount=amount"
    data = answer("market", str(DATA / "cdnow.parquet"), "--purchases", columns, "--until", "1997-09-30")
    assert data["judged"] == ["1997-10-01", "1998-06-30"]
    fidelity = data["fidelity"]
    active, spend = fidelity["active"], fidelity["spend"]
    assert (active["observed"], spend["observed"]) == pytest.approx((0.299, 32.96), rel=0.01)
    assert active["predicted"] == pytest.approx(active["observed"], abs=0.04)
    assert spend["predicted"] == pytest.approx(spend["observed"], rel=0.20)
    assert 10 in fidelity["unseen_months"]
    assert "never observed" in fidelity["reasons"][0]


def test_customers_left_out__are_foretold_under_the_index_of_the_others_and_not_without() -> None:
    columns = "unit=customer_id,time=time,amount=quantity*price"
    request = (str(DATA / "online_retail_2009_10.parquet"), "--purchases", columns, "--until", "2010-08-31")
    told = answer("market", *request, "--realised-index")
    assert told["purchases"]["rejected"]["no customer id"] == 107_927
    active, spend = told["fidelity"]["active"], told["fidelity"]["spend"]
    assert active["observed"] == pytest.approx(0.585, abs=0.001)
    assert active["predicted"] == pytest.approx(active["observed"], abs=0.04)
    assert spend["predicted"] == pytest.approx(spend["observed"], rel=0.15)
    assert told["fidelity"]["lookalike"]["auc"] <= 0.60
    assert told["fidelity"]["is_faithful"]
    blind = answer("market", *request)["fidelity"]
    assert not blind["is_faithful"]
    assert "September, October, November" in blind["reasons"][-1]
    width = blind["active"]["high"] - blind["active"]["low"]
    assert width > 3 * (active["high"] - active["low"])
