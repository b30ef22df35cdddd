"""What a verb found, as text or JSON; what it refused, as a message; either with its exit code."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from domain.errors import AmsoError
from domain.estimates import Verdict

if TYPE_CHECKING:
    from loop.answer import Answer


Found = TypeVar("Found")


def answer(verb: Callable[[], "Answer"], as_json: bool, require: Verdict | None = None) -> None:
    """Calls the verb and prints what it answers; exits with its code."""
    show(attempt(verb, as_json), as_json, require)


def attempt(verb: Callable[[], Found], as_json: bool) -> Found:
    """Calls the verb; turns handled errors into messages and exit codes."""
    try:
        return verb()
    except AmsoError as error:
        _refuse(error, as_json)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; finished run directories are complete\n")
        raise typer.Exit(130) from None


def show(found: "Answer", as_json: bool, require: Verdict | None = None) -> None:
    """Prints an answer; exits with 1 where it is not what was required."""
    if as_json:
        sys.stdout.write(json.dumps(found.to_data(), indent=2, allow_nan=False) + "\n")
    else:
        found.print()
    if require is not None and found.to_data().get("verdict") != require:
        raise typer.Exit(1)
    code = getattr(found, "exit_code", 0)  # of answers that are a refusal, or that found something broken
    if code:
        raise typer.Exit(code)


def _refuse(error: AmsoError, as_json: bool) -> NoReturn:
    if as_json:
        write_error(error.code, error.message, error.hint)
    else:
        sys.stderr.write(f"amso: {error.message}\n" + (f"  {error.hint}\n" if error.hint else ""))
    raise typer.Exit(error.exit_code)


def write_error(code: str, message: str, hint: str) -> None:
    """One error on stdout, the contract of `--json`."""
    body = {"error": {"code": code, "message": message, "hint": hint}}
    sys.stdout.write(json.dumps(body, indent=2) + "\n")
