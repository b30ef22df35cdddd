"""`amso market`, and what `train` does where the market does not resemble its data."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import runner
from benchmarks.env.planted import with_renewals
from domain.actions import Action, ActionSet
from domain.context import Context
from domain.log import LoggedDecisions
from env.fit import fit_market
from env.reference.families import FAMILIES
from env.reference.log import one_period_log, panel_log, to_frame
from env.reference.subscription import subscription_market
from loop.learners import prices_of
from loop.trusted_market import why_untrusted
from tests.loop.test_report import HOSTILE, Page


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def make_log(n_customers: int = 600) -> LoggedDecisions:
    return panel_log(subscription_market(), n_customers, 6, rng=np.random.default_rng(0))


def broken_log() -> LoggedDecisions:
    return with_renewals(make_log(4_000), np.random.default_rng(0))


def hostile_log() -> LoggedDecisions:
    """Names of actions, columns and levels that a page must not carry out."""
    log = make_log()
    assert log.panel is not None
    names = ActionSet((*HOSTILE, "nothing"))

    def renamed(context: Context) -> Context:
        levels = np.array([HOSTILE[int(x) % 4] for x in context.column("engagement")], dtype=object)
        return Context({"<b>engaged</b>": levels, "plan": context.column("plan")}, context.n_rounds)

    panel = replace(log.panel, next_context=renamed(log.panel.next_context))
    return replace(log, actions=names, context=renamed(log.context), panel=panel)


def write(log: LoggedDecisions, name: str = "log.parquet") -> str:
    to_frame(log).to_parquet(name)
    return name


def answer(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(runner.app, [*arguments, "--json"])
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_market__leaves_its_report_as_json_page_and_pictures() -> None:
    found = answer("market", write(make_log()))
    assert found["fidelity"]["is_faithful"]
    assert found["fidelity"]["confounding"]["status"] == "explained"
    run = Path(found["run"])
    kept = json.loads((run / "fidelity.json").read_text())
    assert kept == found["fidelity"]
    assert {"calibration.png", "actions.png", "periods.png", "states.png", "market.html"} <= {
        p.name for p in run.iterdir()
    }
    page = Page((run / "market.html").read_text())
    assert "Faithful" in page.words
    assert page.tags.count("img") == 4


def test_market__says_what_is_off_and_what_would_mend_it() -> None:
    result = CliRunner().invoke(runner.app, ["market", write(broken_log())])
    assert result.exit_code == 0
    assert "does not resemble its data" in result.stdout
    assert "churn rate by period is off" in result.stdout
    assert "contract ends" in " ".join(result.stdout.split())


def test_market_page__carries_hostile_names_as_text() -> None:
    found = answer("market", write(hostile_log()))
    source = Path(found["page"]).read_text()
    page = Page(source)
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    sources = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert all(value.startswith("data:image/png;base64,") for value in sources)
    assert "default-src 'none'" in source
    assert "<b>engaged</b>" in page.words


def test_market__of_one_period_is_judged_without_time() -> None:
    log = one_period_log(subscription_market(), 1_000, rng=np.random.default_rng(0))
    found = answer("market", write(log))
    assert not found["has_time"]
    assert found["fidelity"]["survival"] is None


def test_market__of_too_few_customers_says_how_many_it_needs() -> None:
    found = answer("market", write(make_log(60)))
    assert "cannot judge" in found["fidelity"]["reasons"][0]
    assert "more customers" in found["fidelity"]["remedies"][0]


def test_train__refuses_a_panel_whose_market_does_not_resemble_it() -> None:
    error = answer("train", "--log", write(broken_log()), exit_code=1)["error"]
    assert error["code"] == "unfaithful_market"
    assert "churn rate by period is off" in error["message"]
    assert "contract ends" in error["hint"]
    (report,) = Path("data/runs").glob("train_*/fidelity.json")
    assert json.loads(report.read_text())["reasons"]


def test_learning_again__is_told_why_not_instead_of_crashing(tmp_path: Path) -> None:
    told = why_untrusted(broken_log(), seed=0, prices={}, folder=tmp_path)
    assert told is not None
    assert "churn rate by period is off" in told
    assert (tmp_path / "fidelity.json").exists()
    assert why_untrusted(make_log(), seed=0, prices={}, folder=tmp_path) is None


def test_train__of_one_period_notes_an_unfaithful_market_and_goes_on() -> None:
    """Two thirds of the promised reward is a rule that no linear market holds."""
    rng = np.random.default_rng(0)
    a, b, promo = rng.normal(size=4_000), rng.normal(size=4_000), rng.integers(0, 2, 4_000)
    reward = 3 * np.sin(4 * a) + promo * np.sign(a) + rng.normal(size=4_000)
    frame = pd.DataFrame(
        {"action": np.where(promo == 1, "promo", "none"), "propensity": 0.5, "reward": reward, "x_a": a, "x_b": b}
    )
    frame.to_parquet("log.parquet")
    found = answer("train", "--log", "log.parquet")
    assert found["market"]["simulated"] is None
    if not found["market"]["fidelity"]["is_faithful"]:
        assert any("the verdict does not rest on it" in reason for reason in found["reasons"])


def test_options_of_purchases__are_refused_for_a_decision_log() -> None:
    result = CliRunner().invoke(runner.app, ["market", write(make_log()), "--realised-index", "--judged", "3"])
    assert result.exit_code == 2
    assert "--judged, --realised-index without --purchases" in result.stderr


def test_prices__of_actions_that_the_log_never_tried_are_left_out() -> None:
    log = make_log()
    tried, untried = log.actions.ids[:2], "half_off"
    rates = zip((*tried, untried), (0.0, 0.2, 0.5), strict=True)
    catalogue = [Action(action, price="month", discount_rate=rate) for action, rate in rates]
    assert prices_of(log, catalogue) == {tried[0]: 1.0, tried[1]: 0.8}
    assert fit_market(log, rng=np.random.default_rng(0), prices=prices_of(log, catalogue)).actions == log.actions


def test_learning_again__is_refused_beside_a_log_with_a_hidden_driver(tmp_path: Path) -> None:
    family = FAMILIES["confounded"]
    market = family.draw(np.random.default_rng(1000))
    log = family.log(market, 5_000, 6, uniform_share=0.1, rng=np.random.default_rng(0))
    told = why_untrusted(log, seed=0, prices={}, folder=tmp_path)
    assert told is not None
    assert "hidden driver" in told
