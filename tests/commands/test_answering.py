"""How a verb ends: what is printed where, and the exit code."""

import json
from dataclasses import dataclass

import pytest
import typer

from commands.answering import answer, attempt, show
from domain.errors import AmsoError, ConfigError, NotPermitted, SourceUnavailable
from domain.estimates import Verdict


@dataclass(frozen=True)
class Judged:
    """An answer with a verdict."""

    verdict: Verdict = Verdict.HOLD
    exit_code: int = 0

    def to_data(self) -> dict[str, object]:
        return {"verdict": self.verdict}

    def print(self) -> None:
        print(self.verdict)  # noqa: T201 # what people read


def refuse(error: AmsoError) -> None:
    raise error


def test_answer__is_text_or_json_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    answer(Judged, as_json=False)
    assert capsys.readouterr() == ("hold\n", "")
    answer(Judged, as_json=True)
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"verdict": "hold"}, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [(NotPermitted("no", "ask"), 1), (ConfigError("no", "ask"), 2), (SourceUnavailable("no", "ask"), 3)],
)
def test_refusal__has_its_exit_code_and_says_what_to_do(
    error: AmsoError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught:
        attempt(lambda: refuse(error), as_json=False)
    assert caught.value.exit_code == code
    assert capsys.readouterr() == ("", "amso: no\n  ask\n")
    with pytest.raises(typer.Exit):
        attempt(lambda: refuse(error), as_json=True)
    out, err = capsys.readouterr()
    assert (json.loads(out)["error"], err) == ({"code": error.code, "message": "no", "hint": "ask"}, "")


def test_required_verdict__is_printed_and_then_missed() -> None:
    show(Judged(Verdict.PROMOTE), as_json=True, require=Verdict.PROMOTE)
    with pytest.raises(typer.Exit) as caught:
        show(Judged(), as_json=True, require=Verdict.PROMOTE)
    assert caught.value.exit_code == 1


def test_answer_that_found_something_broken__exits_with_its_code() -> None:
    with pytest.raises(typer.Exit) as caught:
        show(Judged(exit_code=1), as_json=False)
    assert caught.value.exit_code == 1


def test_interruption__is_no_traceback() -> None:
    def interrupted() -> Judged:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as caught:
        answer(interrupted, as_json=False)
    assert caught.value.exit_code == 130
