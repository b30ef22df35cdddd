"""What a log for training can lack, through `train`, `evaluate`, `import` and `recommend`, and through `amso.diagnose`.

Each fault is named with its rows and what would mend it; what forbids a verdict is `cannot_tell` or an error with its
exit code, and the other answers carry a note.
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

import amso
import runner
from domain.errors import InvalidSnapshot, UnsupportedAction
from loop.train import train_log

N = 1500
CATALOGUE = "decision_points: {main: {baseline: none, actions: {none: {}, promo: {discount: 0.1}%s}}}\n"


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def make_frame(n: int = N) -> pd.DataFrame:
    """A promotion pays for new customers only."""
    rng = np.random.default_rng(0)
    tenure, action = rng.integers(0, 400, n), rng.integers(0, 3, n)
    return pd.DataFrame(
        {
            "unit_id": np.arange(n),
            "action": np.array(["none", "promo", "gift"])[action],
            "propensity": 1 / 3,
            "reward": (action == 1) * np.where(tenure < 200, 1.0, -1.0) + rng.normal(size=n),
            "x_tenure_days": tenure,
            "x_plan": rng.choice(["monthly", "yearly"], n),
        }
    )


def make_panel(n: int = 300) -> pd.DataFrame:
    """Three months of customers who all stay; level and action pay."""
    rng = np.random.default_rng(1)
    unit, step = np.repeat(np.arange(n), 3), np.tile(np.arange(3), n)
    action, level = rng.integers(0, 2, 3 * n), rng.integers(0, 4, 3 * n)
    return pd.DataFrame(
        {
            "unit_id": [f"u{u}" for u in unit],
            "episode_id": [f"e{u}" for u in unit],
            "step": step,
            "decided_at": [f"2026-0{s + 1}-01T00:00:00+00:00" for s in step],
            "action": np.array(["none", "promo"])[action],
            "propensity": 0.5,
            "reward": level + 0.5 * action + rng.normal(size=3 * n),
            "x_level": level,
            "terminated": False,
            "truncated": step == 2,
        }
    )


def _only_none(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(action="none").drop(columns="propensity")


def _go_back(frame: pd.DataFrame) -> pd.DataFrame:
    """The second month of the first hundred customers lies before the first one."""
    is_back = (frame["step"] == 1) & frame["unit_id"].isin([f"u{i}" for i in range(100)])
    return frame.assign(decided_at=frame["decided_at"].where(~is_back, "2025-01-01T00:00:00+00:00"))


def _never_offer_yearly(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(action=frame["action"].where(frame["x_plan"] == "monthly", "none")).drop(columns="propensity")


def _add_columns(frame: pd.DataFrame) -> pd.DataFrame:
    names = [f"x_f{i}" for i in range(200)]
    return pd.concat(
        [frame.head(150), pd.DataFrame(np.random.default_rng(2).normal(size=(150, 200)), columns=names)], axis=1
    )


def _give_negative_tenure(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(x_tenure_days=frame["x_tenure_days"].where(frame.index >= 100, -5))


@dataclass(frozen=True)
class Lack:
    """One fault: how the log gets it, and how it is told."""

    kind: str
    make: Callable[[], pd.DataFrame]
    n_rounds: int | None  # None = not checked
    is_refusal: bool
    words: tuple[str, ...]
    config: str = ""


LACKS = [
    Lack("one_action", lambda: _only_none(make_frame()), N, True, ("(none)", "needed are rows of two or more")),
    Lack("one_action", lambda: _only_none(make_panel()), 900, True, ("(none)", "needed are rows of two or more")),
    Lack("one_price", lambda: make_frame().assign(x_price=9.99), N, False, ("x_price is 9.99", "prices differed")),
    Lack("few_rounds", lambda: _add_columns(make_frame()), 150, True, ("150 rows for 20", "needed are more rows")),
    Lack("rejected_rows", lambda: _go_back(make_panel()), 300, True, ("time goes back: 300", "order of decided_at")),
    Lack("negative", lambda: _give_negative_tenure(make_frame()), 100, False, ("x_tenure_days", "lowest -5", "dates")),
    Lack("never_logged", make_frame, 0, False, ("yearly of the", "experiment"), CATALOGUE % ", gift: {}, yearly: {}"),
    Lack("untried_segment", lambda: _never_offer_yearly(make_frame()), None, False, ("where plan", "only none")),
]  # fmt: skip


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(runner.app, [*arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, json.loads(result.stdout)


def prepare(lack: Lack) -> pd.DataFrame:
    frame = lack.make()
    frame.to_csv("log.csv", index=False)
    if lack.config:
        Path("amso.yaml").write_text(lack.config)
    return frame


def check(lack: Lack, findings: list[dict[str, Any]]) -> None:
    found = next(f for f in findings if f["kind"] == lack.kind)
    assert lack.n_rounds in (None, found["n_rounds"])
    assert all(word in found["text"] for word in lack.words), found["text"]


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: lack.kind)
def test_train__names_what_the_log_lacks(lack: Lack) -> None:
    frame = prepare(lack)
    algo = ("--algo", "outcome") if lack.kind == "rejected_rows" else ()  # a market is fitted, no agent trained
    code, data = run("train", "--log", "log.csv", *algo)
    assert code == 0
    check(lack, data["diagnostics"]["findings"])
    assert any(all(word in reason for word in lack.words) for reason in data["reasons"])
    if lack.is_refusal:
        assert (data["verdict"], data["comparison"]["difference"]) == ("cannot_tell", None)
        assert data["delivered"].startswith("constant:")
        assert "cannot tell" in data["advice"]
    catalogue = ("none", "promo", "gift", "yearly") if lack.config else ()
    findings = amso.diagnose(amso.read_log(frame), catalogue)
    check(lack, [{"kind": f.kind.value, "n_rounds": f.n_rounds, "text": f.text} for f in findings])
    assert any(f.is_refusal for f in findings) == lack.is_refusal


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: lack.kind)
def test_evaluate_and_import__name_it_too(lack: Lack) -> None:
    prepare(lack)
    code, data = run("evaluate", "log.csv", "--policy", "constant:none")
    assert code == 0
    check(lack, data["diagnostics"]["findings"])
    if lack.is_refusal:
        assert data["verdict"] == "cannot_tell"
    code, data = run("import", "log.csv")
    assert code == 0
    check(lack, data["findings"])


def test_people_read_the_same_sentences() -> None:
    prepare(LACKS[2])
    for arguments in (
        ["train", "--log", "log.csv"],
        ["evaluate", "log.csv", "--policy", "uniform"],
        ["import", "log.csv"],
    ):
        told = " ".join(CliRunner().invoke(runner.app, arguments).stdout.split())
        assert "only one price was ever tried: x_price is 9.99 in all 1,500 rows" in told


def test_an_action_that_the_catalogue_lacks__is_neither_learned_nor_recommended() -> None:
    frame = make_frame()
    frame.to_csv("log.csv", index=False)
    Path("amso.yaml").write_text(CATALOGUE % "")
    n = int((frame["action"] == "gift").sum())
    for verb in (["train", "--log", "log.csv"], ["recommend", "--log", "log.csv"]):
        code, data = run(*verb)
        assert (code, data["error"]["code"]) == (2, "unsupported_action")
        assert f"not in the catalogue (none, promo): gift in {n:,} of 1,500 rows" in data["error"]["message"]
        assert "--exclude-action gift" in data["error"]["hint"]
    code, data = run("evaluate", "log.csv", "--policy", "constant:promo")
    found = [(f["kind"], f["n_rounds"]) for f in data["diagnostics"]["findings"] if f["kind"] == "not_in_catalogue"]
    assert (code, found) == (0, [("not_in_catalogue", n)])
    code, data = run("train", "--log", "log.csv", "--exclude-action", "gift")
    assert code == 0
    assert not any("catalogue" in reason for reason in data["reasons"])
    assert UnsupportedAction.exit_code == 2


def test_a_panel_whose_time_only_goes_back__has_no_usable_row_and_says_what_mends_it() -> None:
    panel = make_panel()
    backwards = panel.assign(decided_at=[f"2026-0{4 - s}-01T00:00:00+00:00" for s in panel["step"]])
    backwards.to_csv("log.csv", index=False)
    code, data = run("train", "--log", "log.csv")
    assert (code, data["error"]["code"]) == (1, "invalid_snapshot")
    assert "episode whose time goes back: 900" in data["error"]["message"]
    assert "in the order of decided_at" in data["error"]["hint"]
    with pytest.raises(InvalidSnapshot, match="time goes back: 900"):
        amso.read_log(backwards)
    same_day = panel.assign(decided_at="2026-01-01T00:00:00+00:00")
    assert amso.read_log(same_day).rejected == {}


def test_a_column_declared_not_negative__sets_its_rows_aside() -> None:
    _give_negative_tenure(make_frame()).to_csv("log.csv", index=False)
    source = "sources: {log: {kind: file, content: decision_log, path: log.csv, not_negative: [%s]}}\n"
    Path("amso.yaml").write_text(source % "tenure_days")
    code, data = run("train")
    assert (code, data["verdict"]) == (0, "cannot_tell")
    assert data["log"]["rejected"] == {"x_tenure_days negative": 100}
    Path("amso.yaml").write_text(source % "tenure_weeks")
    code, data = run("train")
    assert (code, data["error"]["code"]) == (2, "missing_column")
    assert "tenure_weeks" in data["error"]["message"]


def test_recommend__promises_nothing_where_nothing_was_tried_or_too_many_rows_are_bad() -> None:
    _never_offer_yearly(make_frame(3000)).to_csv("log.csv", index=False)
    code, data = run("recommend", "--log", "log.csv")
    assert code == 0
    assert any("only none was ever logged" in note for note in data["notes"])
    for s in data["strategies"]:
        covers_yearly = "yearly" in s["segment"]["name"] and "not in" not in s["segment"]["name"]
        if (covers_yearly or s["segment"]["name"] == "all") and s["action"] not in ("experiment", "none"):
            assert s["verdict"] != "promote", s
    make_panel().pipe(_go_back).to_csv("panel.csv", index=False)
    code, data = run("recommend", "--log", "panel.csv")
    assert {s["verdict"] for s in data["strategies"]} == {"cannot_tell"}
    assert any("time goes back" in s["reason"] for s in data["strategies"])


def test_a_learner_that_finds_too_few_rounds__cannot_tell_on_a_held_out_log_either() -> None:
    frame = make_frame(240)  # no action in 100 rounds
    trained = train_log(amso.read_log(frame), heldout=amso.read_log(make_frame(900)))
    assert trained.judgement.verdict.value == "cannot_tell"
    assert any("no action has 100 logged rounds" in reason for reason in trained.judgement.reasons)
