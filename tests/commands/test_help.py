"""The command line as a newcomer meets it: help, near misses, completion, refusals of what cannot be parsed."""

import json

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

import runner


def amso(*words: str, **environ: str) -> Result:
    return CliRunner().invoke(runner.app, list(words), env={"COLUMNS": "200", **environ}, prog_name="amso")


def every_command() -> list[str]:
    return [words for commands in runner.SECTIONS.values() for words in commands]


@pytest.mark.parametrize("words", every_command())
def test_help__says_what_it_does_and_what_every_option_means(words: str) -> None:
    command = get_command(runner.app)
    for word in words.split():
        command = command.commands[word]  # type: ignore[attr-defined] # a group
    assert command.help
    silent = [p.name for p in command.params if not getattr(p, "help", None)]
    assert not silent
    assert amso(*words.split(), "--help").exit_code == 0


def test_help__lists_every_command_in_its_section() -> None:
    said = amso("--help").output
    for section, commands in runner.SECTIONS.items():
        assert f"─ {section} ─" in said
        assert all(f"│ {words.split()[0]} " in said for words in commands)


@pytest.mark.parametrize("words", [(), ("proposals",)])
def test_no_command__shows_the_help(words: tuple[str, ...]) -> None:
    result = amso(*words)
    assert (result.exit_code, "Usage: amso" in result.output) == (2, True)


@pytest.mark.parametrize(("typed", "meant"), [("tran", "train"), ("propse", "propose"), ("roll-back", "rollback")])
def test_unknown_command__is_told_the_nearest(typed: str, meant: str) -> None:
    result = amso(typed)
    assert result.exit_code == 2
    assert f"'{meant}'" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("propose", "st-1", "--budget", "much"), "'much' is no amount; expected a number"),
        (("replay", "--since", "lately"), "'lately' is no time; expected ISO 8601"),
        (("import",), "Missing argument"),
        (("evaluate",), "Missing option '--policy'"),
        (("train", "--algo-rithm", "dqn"), "No such option: --algo-rithm"),
    ],
)
def test_mistake__is_named(words: tuple[str, ...], expected: str) -> None:
    result = amso(*words)
    assert result.exit_code == 2
    assert expected in " ".join(result.output.split())


def test_mistake__points_a_program_to_the_help_of_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["amso", "decisions", "shw", "--json"])
    with pytest.raises(SystemExit) as caught:
        runner.main()
    assert caught.value.code == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "'show'" in error["message"]
    assert error["hint"].endswith("amso decisions --help`")


@pytest.mark.parametrize(
    ("line", "offered"),
    [("amso pro", {"propose", "proposals"}), ("amso audit ", {"verify"}), ("amso train --require pr", {"promote"})],
)
def test_completion__offers_what_may_follow(line: str, offered: set[str]) -> None:
    n_words = len(line.split(" ")) - 1
    result = amso(_AMSO_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(n_words))
    assert set(result.output.split()) == offered
