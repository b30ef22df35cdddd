"""`amso market FILE --purchases …`: raw purchases on the command line, what is refused and how it is told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import runner
from config.purchases import PurchaseColumns
from domain.errors import UsageError
from loop.market_purchases import columns_of

ASKED = ("--purchases", "unit=who,time=when,amount=n*each")


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Forty weeks of 300 customers who buy about monthly, and a few rows that are no purchase."""
    rng = np.random.default_rng(0)
    gap = rng.exponential(np.repeat(rng.gamma(3.0, 10.0, size=300)[:, None], 12, axis=1))
    day = (rng.uniform(0, 30, size=300)[:, None] + np.cumsum(gap, axis=1)).astype(int)
    who, day = np.repeat([f"u{i}" for i in range(300)], 12)[day.ravel() < 280], day.ravel()[day.ravel() < 280]
    frame = pd.DataFrame(
        {
            "who": who,
            "when": (np.datetime64("2025-01-01") + day).astype(str),
            "n": 1,
            "each": rng.lognormal(3.0, 0.5, size=len(who)).round(2),
        }
    )
    dirt = pd.DataFrame({"who": [None, "u1"], "when": "2025-02-01", "n": [1, -1], "each": 3.0})
    path = tmp_path / "purchases.csv"
    pd.concat([frame, dirt]).to_csv(path, index=False)
    return str(path)


def answer(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(runner.app, ["market", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_purchases__are_judged_with_every_row_accounted_for(file: str) -> None:
    data = answer(file, *ASKED, "--period", "four_weeks", "--until", "2025-08-12")
    told = data["purchases"]
    assert told["rejected"] == {"no customer id": 1, "return or cancellation (amount below zero)": 1}
    assert told["rows"] == told["used"] + sum(told["rejected"].values()) + sum(told["left_out"].values())
    assert (data["period"], data["fitted"], data["judged"]) == (
        "four_weeks",
        ["2025-01-01", "2025-08-12"],
        ["2025-08-13", "2025-10-07"],
    )
    fidelity = data["fidelity"]
    assert fidelity["unseen_months"] == [9, 10]
    assert not fidelity["is_faithful"]
    run = Path(data["run"])
    assert (run / "purchases.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((run / "fidelity.json").read_text()) == fidelity


def test_purchases__are_told_in_words(file: str) -> None:
    result = CliRunner().invoke(runner.app, ["market", file, *ASKED, "--realised-index", "--period", "month"])
    assert result.exit_code == 0, result.output
    assert "under the index of the others" in result.stdout
    assert "rejected: 1 no customer id" in result.stdout
    assert "customers who buy" in result.stdout


@pytest.mark.parametrize(
    ("more", "found", "exit_code"),
    [
        (("--purchases", "who,when"), "--purchases is 'who,when'", 2),
        (("--purchases", "unit=who,time=when,amount=price"), "no column 'price'", 2),
        ((*ASKED, "--until", "2025-08-15", "--period", "month"), "no last day of a month", 2),
        ((*ASKED, "--until", "2024-01-31"), "no purchase until 2024-01-31", 2),
        ((*ASKED, "--until", "2025-02-28", "--period", "month"), "2 of them to fit on", 1),
    ],
)
def test_what_cannot_be_judged__is_refused(file: str, more: tuple[str, ...], found: str, exit_code: int) -> None:
    result = CliRunner().invoke(runner.app, ["market", file, *more, "--json"])
    assert result.exit_code == exit_code
    error = json.loads(result.stdout)["error"]
    assert found in error["message"]
    assert error["hint"]


def test_column_names__may_be_left_as_we_call_them() -> None:
    assert columns_of("amount=n*each") == PurchaseColumns("unit_id", "time", "n*each")
    with pytest.raises(UsageError, match="it names price"):
        columns_of("price=each")
