"""The house itself: rooms tracked, layers kept, names free, the command line light."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from amso._rooms import ROOMS, put_rooms_on_path

ROOT = Path(__file__).parents[2]


def run(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout


def test_layers__no_room_imports_to_its_left() -> None:
    assert "0 broken" in run(str(Path(sys.executable).parent / "lint-imports"))


def test_runner__is_imported_by_no_room() -> None:
    files = [p for room in ROOMS if room != "runner" for p in (ROOT / room).rglob("*.py")]
    importers = [str(p) for p in files if re.search(r"^\s*(import runner|from runner )", p.read_text(), re.MULTILINE)]
    assert not importers


def test_env_room__is_tracked_by_git() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert "env/__init__.py" in run("git", "ls-files", "env")


def test_room_names__belong_to_no_installed_distribution() -> None:
    owners = importlib.metadata.packages_distributions()
    foreign = {room: owners[room] for room in ROOMS if set(owners.get(room, [])) - {"amso"}}
    assert not foreign


def test_rooms__match_the_folders_and_the_wheel() -> None:
    folders = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"amso"}
    assert folders | {"runner"} == set(ROOMS)
    wheel = (ROOT / "pyproject.toml").read_text()
    assert all(f'"amso/_app/{room}' in wheel for room in ROOMS)


def test_help__imports_nothing_heavy() -> None:
    code = (
        "import sys, runner\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(runner.app, ['--help']).exit_code == 0\n"
        "print(sorted({'torch', 'pandas', 'sklearn', 'scipy', 'statsmodels', 'matplotlib'} & set(sys.modules)))"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"


def test_foreign_module_of_a_rooms_name__is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    foreign = type(sys)("agents")
    foreign.__file__ = str(tmp_path / "agents.py")
    monkeypatch.setitem(sys.modules, "agents", foreign)
    with pytest.raises(ImportError, match="already imported from"):
        put_rooms_on_path()
