"""A decision log that lies in SQL is evaluated like a file, in memory and streamed."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import runner

N = 6000


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    action = np.array(["none", "promo"])[rng.integers(0, 2, N)]
    profit = np.round(10 + 2 * (action == "promo") + rng.normal(size=N), 3)
    return pd.DataFrame(
        {"offer": action, "propensity": 0.5, "profit": profit, "unit_id": [f"u{i % 3000}" for i in range(N)]}
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    with closing(sqlite3.connect("shop.db")) as connection:
        make_frame().to_sql("offers", connection, index=False)
    make_frame().to_csv("offers.csv", index=False)
    return tmp_path


def configure(query: str = "SELECT * FROM offers") -> None:
    source = {"kind": "sql", "content": "decision_log", "url": "sqlite:///shop.db", "query": query}
    source["columns"] = {"action": "offer", "reward": "profit"}  # type: ignore[assignment] # plain YAML
    Path("amso.yaml").write_text(yaml.safe_dump({"sources": {"offers_db": source}}))


def answer(*arguments: str, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(runner.app, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


ASKED = ("--policy", "constant:promo", "--baseline", "constant:none")


def test_source_by_name__says_what_the_same_file_says(folder: Path) -> None:
    configure()
    file = answer("evaluate", "offers.csv", *ASKED, "--action", "offer", "--reward", "profit")
    for how in ((), ("--stream",)):
        found = answer("evaluate", "offers_db", *ASKED, *how)
        assert found["verdict"] == file["verdict"] == "promote"
        rel = 1e-9 if not how else 1e-2  # streamed: folds and groups of units are others
        assert found["comparison"]["difference"] == pytest.approx(file["comparison"]["difference"], rel=rel)
        assert found["log"]["used"] == N


def test_only_log__needs_no_name_and_is_collected_as_one(folder: Path) -> None:
    configure()
    assert answer("evaluate", *ASKED)["verdict"] == "promote"
    (counted,) = answer("collect")["sources"]
    assert (counted["n_rows"], counted["n_quarantined"]) == (N, 0)


def test_query_that_would_write_or_finds_nothing__is_refused(folder: Path) -> None:
    for query in ("DELETE FROM offers", "SELECT * FROM offers WHERE 1 = 0", "SELECT * FROM nowhere"):
        configure(query)
        assert "offers_db" in str(answer("evaluate", *ASKED, code=1)["error"]["message"])
    with closing(sqlite3.connect("shop.db")) as connection:
        assert connection.execute("SELECT count(*) FROM offers").fetchone() == (N,)


def test_rows_of_the_query__do_not_stay_behind(folder: Path) -> None:
    configure()
    temporary = folder / "tmp"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(temporary))
        answer("evaluate", *ASKED)
    assert not list(temporary.iterdir())
