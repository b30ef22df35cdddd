"""From records to facts: a config, its check, a file or every source taken in, a log described."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.answering import answer
from commands.decorators import reads_log, with_workspace
from commands.options import ConfigFile, FileToRead, Json, Log, Overrides, Seed

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.logs import LogRequest
    from loop.wiring import Workspace


def init(
    template: Annotated[str | None, typer.Option(help="Kind of business: subscription, shop, app or media.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Or a decision log to guess it from.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write the config.")] = Path("amso.yaml"),
    force: Annotated[bool, typer.Option(help="Overwrite an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Write a config: from a template, or guessed from a sample of your own log."""
    from loop import init as verb

    answer(lambda: verb.init(template, source, out, overwrite=force), as_json)


@reads_log(Log, None)
def doctor(
    request: "LogRequest", config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False
) -> None:
    """Check stores, config, data and versions; end with what this data allows today."""
    from loop import doctor as verb

    answer(lambda: verb.doctor(config, overrides or (), request), as_json)


@with_workspace
@reads_log(FileToRead, inspect.Parameter.empty)
def import_(
    workspace: "Workspace",
    request: "LogRequest",
) -> "Answer":
    """Validate one decision log; count and quarantine what fails, with its reason and its raw form."""
    from loop import imports as verb

    return verb.import_file(workspace, request)


@with_workspace
def collect(
    workspace: "Workspace", follow: Annotated[bool, typer.Option(help="Go on for ever, or until Ctrl-C.")] = False
) -> "Answer":
    """Take in every configured source; what fails validation goes to the quarantine."""
    from loop import collect as verb

    return verb.collect_follow(workspace) if follow else verb.collect_once(workspace)


@with_workspace
@reads_log(Log, None)
def analyze(
    workspace: "Workspace",
    request: "LogRequest",
    seed: Seed = 0,
) -> "Answer":
    """Averages, effects, trends, forecasts and segments of a decision log, with plots."""
    from loop import analyze as verb

    return verb.analyze(workspace, request, seed=seed)
