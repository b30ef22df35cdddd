"""The command line: parses, loads the config, calls one function of loop/, prints its answer, exits.

Exit codes: 0 done (a verdict is an answer), 1 a handled failure or an act refused, 2 usage or config, 3 worth retrying.
"""

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from domain.errors import AmsoError
from domain.estimates import Verdict

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.logs import LogRequest
    from loop.wiring import Workspace

app = typer.Typer(
    name="amso",
    help="From a business's own records to an approved, tracked policy of which customer gets which offer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# click's UsageError, wherever typer keeps it: every complaint about the words on the command line
Unparsable: type[typer.BadParameter] = typer.BadParameter.__bases__[0]

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Config file; default amso.yaml here, else built-in defaults.")
]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="One setting, as a.b=c; may be repeated.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON on stdout.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of folds, bootstrap and training.")]
Reward = Annotated[str | None, typer.Option(help="Reward column, where the log has several reward_*.")]
ActionColumn = Annotated[str | None, typer.Option("--action", help="What the log calls the action column.")]
PropensityColumn = Annotated[str | None, typer.Option("--propensity", help="What the log calls the propensity column.")]
UnitColumn = Annotated[str | None, typer.Option("--unit", help="What the log calls the unit_id column.")]
TimeColumn = Annotated[str | None, typer.Option("--time", help="What the log calls the decided_at column.")]
ColumnsFile = Annotated[Path | None, typer.Option("--columns", help="YAML with `columns: {ours: theirs}`.")]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude-action", help="Drop an action and renormalise propensities; may be repeated."),
]
Split = Annotated[str | None, typer.Option(help="Use only rows whose `split` column says this.")]
DecisionPoint = Annotated[str | None, typer.Option(help="Decision point; needed where there are several.")]
Log = Annotated[Path | None, typer.Option("--log", help="Decision log (Parquet, CSV, JSONL; globs too).")]
LogArgument = Annotated[Path | None, typer.Argument(metavar="LOG", help="Decision log; default the configured one.")]
Baseline = Annotated[
    str | None, typer.Option(help="Policy SPEC compared with; default the configured baseline, else `logged`.")
]
Require = Annotated[Verdict | None, typer.Option(help="Exit 1 unless the verdict is this (usually promote).")]


def _log_request(
    log: Path | None,
    reward: Reward = None,
    action: ActionColumn = None,
    propensity: PropensityColumn = None,
    unit: UnitColumn = None,
    time: TimeColumn = None,
    columns: ColumnsFile = None,
    exclude_action: Exclude = None,
    split: Split = None,
    decision_point: DecisionPoint = None,
) -> "LogRequest":
    """The options that every verb on a decision log takes."""
    from loop.logs import LogRequest

    named = {"action": action, "propensity": propensity, "unit_id": unit, "decided_at": time}
    return LogRequest(
        path=log,
        columns_file=columns,
        columns=tuple((ours, theirs) for ours, theirs in named.items() if theirs is not None),
        reward=reward,
        exclude_actions=tuple(exclude_action or ()),
        split=split,
        decision_point=decision_point,
    )


def _reads_log(kind: object, default: object) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a verb the options of `_log_request` in place of its parameter `request`."""
    options = inspect.signature(_log_request).parameters
    log = options["log"].replace(annotation=kind, default=default)

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(verb).parameters.values() if p.name != "request"]

        def command(**given: object) -> None:
            asked = {name: given.pop(name) for name in options}
            verb(request=_log_request(**asked), **given)  # type: ignore[arg-type] # typer has checked them

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (log, *list(options.values())[1:], *own)]
        command.__name__, command.__doc__ = verb.__name__, verb.__doc__
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
        return command

    return decorate


@app.command()
def init(
    template: Annotated[str | None, typer.Option(help="subscription, shop, app or media.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="A decision log to guess the config from.")] = None,
    out: Annotated[Path, typer.Option(help="Where to write the config.")] = Path("amso.yaml"),
    force: Annotated[bool, typer.Option(help="Overwrite an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Write a config: from a template, or guessed from a sample of your own log."""
    from loop import init as verb

    _answer(lambda: verb.init(template, source, out, overwrite=force), as_json)


@app.command()
@_reads_log(Log, None)
def doctor(
    request: "LogRequest", config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False
) -> None:
    """Check stores, config, data and versions; end with what this data allows today."""
    from loop import doctor as verb

    _answer(lambda: verb.doctor(config, overrides or (), request), as_json)


@app.command("import")
@_reads_log(LogArgument, ...)
def import_(
    request: "LogRequest",
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Validate one file; count and quarantine what fails, with its reason and its raw form."""
    from loop import imports as verb

    _answer(lambda: verb.import_file(_workspace(config, overrides), request), as_json)


@app.command()
@_reads_log(Log, None)
def analyze(
    request: "LogRequest",
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Averages, effects, trends, forecasts and segments of a decision log, with plots."""
    from loop import analyze as verb

    _answer(lambda: verb.analyze(_workspace(config, overrides), request, seed=seed), as_json)


@app.command()
@_reads_log(Log, None)
def train(
    request: "LogRequest",
    baseline: Baseline = None,
    heldout: Annotated[Path | None, typer.Option(help="Judge the delivered policy on this log instead.")] = None,
    algo: Annotated[str | None, typer.Option(help="outcome, bandit or dqn; default by the kind of log.")] = None,
    seed: Seed = 0,
    require: Require = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Fit the market, learn a policy, judge it on rows it did not see, register what is delivered."""
    from loop import train as verb

    _answer(
        lambda: verb.train(
            _workspace(config, overrides), request, baseline=baseline, heldout=heldout, algo=algo, seed=seed
        ),
        as_json,
        require,
    )


@app.command()
@_reads_log(LogArgument, None)
def evaluate(
    request: "LogRequest",
    policy: Annotated[
        str,
        typer.Option(
            help="constant:ACTION, uniform, logged, probabilities:PREFIX, version:ID or path:DIR.", show_default=False
        ),
    ] = ...,  # type: ignore[assignment] # typer's word for required
    baseline: Baseline = None,
    seed: Seed = 0,
    require: Require = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """What a policy would have earned, from the log alone, with intervals and a verdict."""
    from loop import evaluate as verb

    _answer(
        lambda: verb.evaluate(_workspace(config, overrides), request, policy=policy, baseline=baseline, seed=seed),
        as_json,
        require,
    )


@app.command()
@_reads_log(Log, None)
def recommend(
    request: "LogRequest",
    policy: Annotated[
        list[str] | None, typer.Option(help="Policy SPEC to rank beside the actions; default the newest version.")
    ] = None,
    baseline: Baseline = None,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Ranked strategies with expected value, cost, ROI and interval; an experiment where the data cannot tell."""
    from loop import recommend as verb

    _answer(
        lambda: verb.recommend(
            _workspace(config, overrides), request, policies=policy or (), baseline=baseline, seed=seed
        ),
        as_json,
    )


policies_app = typer.Typer(help="Registered policy versions. (Promoting one is proposing it.)", no_args_is_help=True)
app.add_typer(policies_app, name="policies")


@policies_app.command("list")
def policies_list(
    decision_point: DecisionPoint = None, config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False
) -> None:
    """All versions, the newest first."""
    from loop import policies as verb

    _answer(lambda: verb.list_policies(_workspace(config, overrides), decision_point), as_json)


@policies_app.command("show")
def policies_show(
    policy_version: Annotated[str, typer.Argument(help="Version id.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """One version: where it came from, what it may do, whether its files are intact."""
    from loop import policies as verb

    _answer(lambda: verb.show_policy(_workspace(config, overrides), policy_version), as_json)


@app.command()
def demo(
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; default a fresh one in the data dir.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The offline loop on a reference market whose truth is known: log, analysis, training, verdict, ranked list."""
    from loop import demo as verb

    _answer(lambda: verb.demo(seed=seed, out=out), as_json)


def _workspace(config: Path | None, overrides: list[str] | None) -> "Workspace":
    from loop.wiring import open_workspace

    return open_workspace(config, overrides or ())


def _answer(verb: Callable[[], "Answer"], as_json: bool, require: Verdict | None = None) -> None:
    """Calls the verb, prints what it answers, turns handled errors into messages and exit codes."""
    try:
        answer = verb()
    except AmsoError as error:
        _refuse(error, as_json)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; finished run directories are complete\n")
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.write(json.dumps(answer.to_data(), indent=2, allow_nan=False) + "\n")
    else:
        answer.print()
    if require is not None and answer.to_data().get("verdict") != require:
        raise typer.Exit(1)


def _refuse(error: AmsoError, as_json: bool) -> NoReturn:
    if as_json:
        _write_error(error.code, error.message, error.hint)
    else:
        sys.stderr.write(f"amso: {error.message}\n" + (f"  {error.hint}\n" if error.hint else ""))
    raise typer.Exit(error.exit_code)


def main() -> None:
    """Runs the command line; what cannot be parsed is answered like any other error, as JSON where asked."""
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except Unparsable as error:
        if "--json" in sys.argv:
            _write_error("usage_error", error.format_message(), "see --help")
        else:
            error.show()
        sys.exit(error.exit_code)
    sys.exit(code or 0)


def _write_error(code: str, message: str, hint: str) -> None:
    body = {"error": {"code": code, "message": message, "hint": hint}}
    sys.stdout.write(json.dumps(body, indent=2) + "\n")


if __name__ == "__main__":
    main()
