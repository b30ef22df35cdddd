"""What the README promises is run."""

import re
from pathlib import Path

import pytest

from config.template import template

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def sessions() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_readme__live_session_runs_on_the_subscription_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "amso.yaml").write_text(template("subscription"))
    monkeypatch.chdir(tmp_path)
    exec(compile(sessions()[0], "README.md", "exec"), {})  # noqa: S102 # our own page
    assert capsys.readouterr().out.startswith("nothing baseline")


def test_readme__notebook_session_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(sessions()[1], "README.md", "exec"), {})  # noqa: S102 # our own page
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("hold")
    assert second.startswith("promote")


def test_readme__names_only_commands_that_exist() -> None:
    import runner

    known = {
        command.name or command.callback.__name__.rstrip("_")
        for command in runner.app.registered_commands
        if command.callback
    }
    known |= {str(group.name) for group in runner.app.registered_groups}
    assert set(re.findall(r"^    amso (\w+)", README, re.MULTILINE)) <= known


def test_readme__links_only_files_that_exist() -> None:
    for path in re.findall(r"`((?:docs|benchmarks)/[\w/.]+\w)`", README):
        assert (ROOT / path).exists(), path
