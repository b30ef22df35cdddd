"""`amso demo` around the demo itself: whether it asks, what it prints, what `--serve` does when it cannot."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

import runner
from domain.errors import SourceUnavailable
from loop.wiring import Workspace


@dataclass
class Told:
    """A demo's answer without the demo."""

    folder: Path
    is_closed: bool = False
    exit_code: int = 0
    workspace: "Told" = field(init=False)

    def __post_init__(self) -> None:
        self.workspace = self

    def close(self) -> None:
        self.is_closed = True

    def to_data(self) -> dict[str, object]:
        return {"folder": str(self.folder)}

    def print(self) -> None:
        raise AssertionError("JSON was asked for")


def test_demo__prints_its_answer_before_serving_and_refuses_a_taken_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(tmp_path)
    (tmp_path / "amso.yaml").write_text(f"stores: {{data_dir: {tmp_path / 'data'}}}\n")

    def taken(workspace: Workspace) -> None:
        assert told.is_closed
        assert workspace.data_dir == tmp_path / "data"
        raise SourceUnavailable("nothing can listen on 127.0.0.1:8765", "choose another port")

    monkeypatch.delenv("AMSO_DATA_DIR", raising=False)
    monkeypatch.setattr("loop.demo.demo", lambda **_: told)
    monkeypatch.setattr("dashboard.serve.serve", taken)
    result = CliRunner().invoke(runner.app, ["demo", "--serve", "--json"])
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {"folder": str(tmp_path)}
    assert result.stderr == "amso: nothing can listen on 127.0.0.1:8765\n  choose another port\n"
