"""The command line: parses, loads the config, calls one function of loop/, prints its answer, exits.

Exit codes: 0 done (a verdict is an answer), 1 a handled failure or an act refused, 2 usage or config, 3 worth retrying.
"""

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from domain.errors import AmsoError, NotPermitted, UsageError
from domain.estimates import Verdict
from domain.people import Role

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.logs import LogRequest
    from loop.proposal_view import ProposalAnswer
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


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


ProposalId = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id, pr-...")]
ProposalOrStrategy = Annotated[str, typer.Argument(metavar="PROPOSAL", help="pr-..., or the strategy's st-...")]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads the audit chain.")]
Note = Annotated[str, typer.Option(help="For whoever asks later.")]
Reach = Annotated[float | None, typer.Option(help="Share of the segment's units, above 0 to 1; default all.")]
Budget = Annotated[
    Decimal | None,
    typer.Option(parser=_amount, metavar="AMOUNT", help="Worst-case cost of all its decisions, business currency."),
]
LossCap = Annotated[
    Decimal | None,
    typer.Option(parser=_amount, metavar="AMOUNT", help="Loss against the baseline at which it rolls back."),
]
Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="global, point:NAME or policy:VERSION.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The person's name.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the newest.")]
DecisionId = Annotated[str, typer.Argument(metavar="DECISION", help="The decision_id of an answer.")]


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

        return _dressed(command, verb, (log, *list(options.values())[1:], *own))

    return decorate


def _dressed(
    command: Callable[..., None], verb: Callable[..., object], parameters: Sequence[inspect.Parameter]
) -> Callable[..., None]:
    """Gives a command the name and help of a verb, and the parameters that typer shall see."""
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    return command


def _common(config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False) -> None:
    """The options of every verb that works on a workspace."""


def _verb(group: typer.Typer, name: str | None = None) -> Callable[[Callable[..., "Answer"]], None]:
    """Registers a verb whose `workspace` is opened and closed for it, its `token` looked up, its answer printed."""
    common = inspect.signature(_common).parameters

    def decorate(act: Callable[..., "Answer"]) -> None:
        wanted = inspect.signature(act).parameters
        own = [p for p in wanted.values() if p.name not in ("workspace", "token", "as_json")]

        def command(**given: object) -> None:
            config, overrides, as_json = (given.pop(option) for option in common)

            def answer() -> "Answer":
                with closing(_workspace(config, overrides)) as workspace:  # type: ignore[arg-type] # typer has checked
                    if "token" in wanted:
                        given["token"] = _token(workspace)
                    if "as_json" in wanted:
                        given["as_json"] = as_json
                    return act(workspace, **given)

            _answer(answer, bool(as_json))

        group.command(name)(_dressed(command, act, (*own, *common.values())))

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


people_app = typer.Typer(
    help="Who may propose and approve. An operator's act: whoever can write the data dir can do it. "
    "Where the config names `people`, only those, with its roles.",
    no_args_is_help=True,
)
app.add_typer(people_app, name="people")


@_verb(people_app, "add")
def people_add(
    workspace: "Workspace",
    name: Name,
    role: Annotated[list[Role] | None, typer.Option(help="May be repeated; default the config's.")] = None,
    team: Annotated[str | None, typer.Option(help="Tiers may ask for teams.")] = None,
) -> "Answer":
    """Add a person; the token is printed once and stored nowhere."""
    from loop import people as verb

    return verb.add_person(workspace, name, roles=role or (), team=team)


@_verb(people_app, "list")
def people_list(workspace: "Workspace") -> "Answer":
    """Everybody with roles and team."""
    from loop import people as verb

    return verb.list_people(workspace)


@_verb(people_app, "rotate")
def people_rotate(workspace: "Workspace", name: Name) -> "Answer":
    """A new token; the old one proves nobody any more."""
    from loop import people as verb

    return verb.rotate_token(workspace, name)


@_verb(people_app, "revoke")
def people_revoke(workspace: "Workspace", name: Name) -> "Answer":
    """Acts no more; what the person approved before stands."""
    from loop import people as verb

    return verb.revoke_person(workspace, name)


@_verb(app)
def login(workspace: "Workspace") -> "Answer":
    """Keep your token where only you can read it; it is asked for, or read from stdin, never an option."""
    from loop import identity as verb

    return verb.login(_read_token(), workspace)


@_verb(app)
def logout(workspace: "Workspace") -> "Answer":
    """Forget the token here."""
    from loop import identity as verb

    return verb.logout(workspace)


@_verb(app)
def propose(
    workspace: "Workspace",
    token: str | None,
    strategy: Annotated[str | None, typer.Argument(metavar="STRATEGY", help="strategy_id of `recommend`.")] = None,
    policy: Annotated[str | None, typer.Option(help="Instead: a registered policy version, for everyone.")] = None,
    reach: Reach = None,
    budget: Budget = None,
    loss_cap: LossCap = None,
    active_days: Annotated[
        float | None,
        typer.Option(
            min=0, help="Days after the canary; default as long as an approval holds, or an experiment takes."
        ),
    ] = None,
    revises: Annotated[
        str | None, typer.Option(metavar="PROPOSAL", help="Your proposal that this changes; its approvals are void.")
    ] = None,
    note: Note = "",
) -> "Answer":
    """Put a strategy or a policy version before people; exit 1 where the gate refuses it."""
    from loop import gate as verb

    return verb.propose(
        workspace,
        token,
        strategy=strategy,
        policy=policy,
        note=note,
        reach=reach,
        budget=budget,
        loss_cap=loss_cap,
        active_days=active_days,
        revises=revises,
    )


@_verb(app)
def approve(
    workspace: "Workspace",
    token: str | None,
    as_json: bool,
    proposal: ProposalId,
    seen_hash: Annotated[str | None, typer.Option("--hash", help="The hash of what you looked at.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="As it stands now, without asking.")] = False,
    reach: Reach = None,
    budget: Budget = None,
    loss_cap: LossCap = None,
    note: Note = "",
) -> "Answer":
    """Give your word on a proposal, or on less than it asks for; a terminal shows it and asks."""
    from loop import gate as verb

    if seen_hash is None and not yes:
        seen_hash = _look(verb.show_proposal(workspace, proposal), can_ask=not as_json and _is_terminal())
    return verb.approve(
        workspace, token, proposal, seen_hash=seen_hash, note=note, reach=reach, budget=budget, loss_cap=loss_cap
    )


@_verb(app)
def reject(workspace: "Workspace", token: str | None, proposal: ProposalId, reason: Reason = "") -> "Answer":
    """One approver's no is enough."""
    from loop import gate as verb

    return verb.reject(workspace, token, proposal, reason=reason)


@_verb(app)
def withdraw(workspace: "Workspace", token: str | None, proposal: ProposalId, reason: Reason = "") -> "Answer":
    """Take back what is not live yet."""
    from loop import gate as verb

    return verb.withdraw(workspace, token, proposal, reason=reason)


@_verb(app)
def pause(workspace: "Workspace", token: str | None, proposal: ProposalOrStrategy, reason: Reason = "") -> "Answer":
    """Stop new offers of a live strategy; anybody with a token may."""
    from loop import gate as verb

    return verb.pause(workspace, token, proposal, reason=reason)


@_verb(app)
def resume(
    workspace: "Workspace",
    token: str | None,
    proposal: Annotated[
        str | None, typer.Argument(metavar="PROPOSAL", help="A paused one: pr-..., or the strategy's st-...")
    ] = None,
    halt: Annotated[
        str | None, typer.Option("--halt", metavar="SCOPE", help="Instead: a halt. One person asks, a second confirms.")
    ] = None,
    reason: Reason = "",
) -> "Answer":
    """Let a paused strategy go on (an approver), or what was halted (two people)."""
    from loop import gate, halts

    if (proposal is None) == (halt is None):
        raise UsageError("expected one of a paused strategy and a halt", "amso resume PROPOSAL, or --halt SCOPE")
    if halt is not None:
        return halts.resume_halt(workspace, token, halt)
    assert proposal is not None
    return gate.resume_strategy(workspace, token, proposal, reason=reason)


@_verb(app)
def rollback(workspace: "Workspace", token: str | None, proposal: ProposalOrStrategy, reason: Reason = "") -> "Answer":
    """Take a live or paused strategy out of the way; anybody with a token may."""
    from loop import gate as verb

    return verb.rollback(workspace, token, proposal, reason=reason)


@_verb(app)
def halt(workspace: "Workspace", token: str | None, scope: Scope = "global", reason: Reason = "") -> "Answer":
    """The kill switch: nothing but the baseline from now on."""
    from loop import halts as verb

    return verb.halt(workspace, token, scope, reason)


proposals_app = typer.Typer(help="What was proposed, and where it stands.", no_args_is_help=True)
app.add_typer(proposals_app, name="proposals")


@_verb(proposals_app, "list")
def proposals_list(workspace: "Workspace") -> "Answer":
    """All of them, the newest first."""
    from loop import gate as verb

    return verb.list_proposals(workspace)


@_verb(proposals_app, "show")
def proposals_show(workspace: "Workspace", proposal: ProposalId) -> "Answer":
    """One with everything that it takes to judge it."""
    from loop import gate as verb

    return verb.show_proposal(workspace, proposal)


@_verb(app)
def status(
    workspace: "Workspace",
    as_json: bool,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every second until Ctrl-C.")] = False,
) -> "Answer":
    """Strategies and where each stands, halts, and what waits; live from Redis, else from SQL."""
    from loop import status as verb

    if watch and as_json:
        raise UsageError("--watch draws for people, --json is for programs", "leave one of them out")
    return verb.watch(workspace) if watch else verb.status(workspace)


decisions_app = typer.Typer(help="What was decided, with everything that was known.", no_args_is_help=True)
app.add_typer(decisions_app, name="decisions")


@_verb(decisions_app, "list")
def decisions_list(workspace: "Workspace", decision_point: DecisionPoint = None, limit: Limit = 50) -> "Answer":
    """The newest."""
    from loop import decisions as verb

    return verb.list_decisions(workspace, decision_point=decision_point, limit=limit)


@_verb(decisions_app, "show")
def decisions_show(workspace: "Workspace", decision: DecisionId) -> "Answer":
    """One decision, its outcomes and its reward. Shows the unit as the product knows it."""
    from loop import decisions as verb

    return verb.show_decision(workspace, decision)


@_verb(app)
def replay(
    workspace: "Workspace",
    decision: Annotated[str | None, typer.Argument(metavar="DECISION", help="One decision; default all.")] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=_moment, metavar="TIME", help="Only those since then; ISO 8601, UTC.")
    ] = None,
    limit: Limit = 100_000,
) -> "Answer":
    """Compute logged decisions again and compare bit for bit; exit 1 where any differs."""
    from loop import decisions as verb

    return verb.replay(workspace, decision_id=decision, since=since, limit=limit)


audit_app = typer.Typer(help="The audit chain.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@_verb(audit_app, "verify")
def audit_verify(workspace: "Workspace") -> "Answer":
    """Check every row's hash, and every proposal and approval against the rows; exit 1 where anything does not fit."""
    from loop import audit as verb

    return verb.verify_audit(workspace)


@_verb(app)
def collect(
    workspace: "Workspace", follow: Annotated[bool, typer.Option(help="For ever; Ctrl-C ends it.")] = False
) -> "Answer":
    """Take in every configured source; what fails validation goes to the quarantine."""
    from loop import collect as verb

    return verb.collect_follow(workspace) if follow else verb.collect_once(workspace)


@_verb(app)
def live(
    workspace: "Workspace",
    follow: Annotated[bool, typer.Option("--follow/--once", help="For ever, or what is there and due now.")] = True,
    seed: Seed = 0,
) -> "Answer":
    """The loop: collect, decide, propose, wait for people, carry out what they approved, track, learn again."""
    from loop import live as verb

    return verb.live_follow(workspace, seed=seed) if follow else verb.live_once(workspace, seed=seed)


@_verb(app)
def serve(
    workspace: "Workspace",
    host: Annotated[
        str, typer.Option(help="Address; another than this machine's own takes AMSO_API_KEY.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = 8765,
) -> "Answer":
    """Dashboard for people, HTTP API for products, until Ctrl-C."""
    from dashboard import serve as verb

    return verb.serve(workspace, host=host, port=port)


@app.command()
def demo(
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; default a fresh one in the data dir.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Let the demo's second person approve without asking.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Leave the dashboard up at the end; Ctrl-C ends it.")] = False,
    as_json: Json = False,
) -> None:
    """The whole loop on a reference market whose truth is known: a log in, people approve, outcomes come home."""
    from loop import demo as verb

    folders: list[Path] = []

    def whole() -> "Answer":
        asks = not (yes or as_json) and sys.stdin.isatty() and sys.stderr.isatty()
        answer = verb.demo(seed=seed, out=out, confirm=_confirm_shown if asks else None)
        answer.workspace.close()
        folders.append(answer.folder)
        return answer

    _answer(whole, as_json)
    if serve:
        from dashboard.serve import serve as serve_pages

        with closing(_workspace(folders[0] / "amso.yaml", None)) as workspace:
            serve_pages(workspace)


def _confirm_shown(shown: "ProposalAnswer") -> bool:
    """Shows a proposal and asks the person at the terminal, on stderr."""
    shown.print()
    return typer.confirm("approve it, as the second person?", err=True)


def _workspace(config: Path | None, overrides: list[str] | None) -> "Workspace":
    from loop.wiring import open_workspace

    return open_workspace(config, overrides or ())


def _token(workspace: "Workspace") -> str | None:
    from loop.identity import token_of

    return token_of(workspace.environ)


def _read_token() -> str:
    """Without echo at a terminal, else the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    from getpass import getpass

    return getpass("token: ")


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _look(shown: "ProposalAnswer", *, can_ask: bool) -> str:
    """Shows a proposal and asks; the hash of what was shown.

    Raises:
        UsageError: nobody can be asked.
        NotPermitted: the answer was no.
    """
    if not can_ask:
        raise UsageError(
            "there is no terminal to show the proposal and ask",
            "give --hash (`seen_hash` of `amso proposals show`), or --yes for as it stands now",
        )
    shown.print()
    if not typer.confirm("approve this?"):
        raise NotPermitted("not approved", "`amso reject` says no for good")
    return shown.seen_hash


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
    code = getattr(answer, "exit_code", 0)  # of answers that are a refusal, or that found something broken
    if code:
        raise typer.Exit(code)


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
