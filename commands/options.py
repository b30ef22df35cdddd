"""The options that several verbs share, each with its words once."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from domain.estimates import Verdict


def amount(text: str) -> Decimal:
    """Money as it was written."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is no amount; expected a number, such as 250 or 99.50") from None


def moment(text: str) -> datetime:
    """A time; where it names no zone, UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; expected ISO 8601, such as 2026-03-01T12:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Config file; default amso.yaml in this folder, else built-in settings.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="One setting over the config's, as a.b=c; may be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON on stdout.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of folds, bootstrap and training.")]
Reward = Annotated[
    str | None, typer.Option(help="Reward column; default the configured one, needed where a log has several.")
]
ActionColumn = Annotated[str | None, typer.Option("--action", help="What the log calls the action column.")]
PropensityColumn = Annotated[str | None, typer.Option("--propensity", help="What the log calls the propensity column.")]
UnitColumn = Annotated[str | None, typer.Option("--unit", help="What the log calls the unit_id column.")]
TimeColumn = Annotated[str | None, typer.Option("--time", help="What the log calls the decided_at column.")]
ColumnsFile = Annotated[
    Path | None, typer.Option("--columns", help="All of these names in a YAML file: `columns: {ours: theirs}`.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude-action", help="Leave its rows out, renormalise the logged propensities; may be repeated."),
]
Split = Annotated[str | None, typer.Option(help="Use only rows whose `split` column says this.")]
DecisionPoint = Annotated[str | None, typer.Option(help="Decision point; needed where the config has several.")]
OnlyPoint = Annotated[str | None, typer.Option("--decision-point", help="Only of this decision point; default all.")]
Log = Annotated[
    Path | None,
    typer.Option("--log", help="Decision log (Parquet, CSV or JSONL; globs too); default the configured one."),
]
LogArgument = Annotated[
    Path | None,
    typer.Argument(metavar="LOG", help="Decision log (Parquet, CSV or JSONL; globs too); default the configured one."),
]
FileToRead = Annotated[Path, typer.Argument(metavar="FILE", help="Decision log (Parquet, CSV or JSONL; globs too).")]
SPECS = (
    "constant:ACTION, uniform, logged, probabilities:PREFIX (columns of the log), thompson:FILE, version:ID or path:DIR"
)
Baseline = Annotated[
    str | None,
    typer.Option(metavar="SPEC", help=f"Compared with: {SPECS}; default the configured baseline, else logged."),
]
Algo = Annotated[
    str | None,
    typer.Option(help="outcome, bandit, dqn, ppo or a2c; default outcome for logs of one period, dqn for panels."),
]
PlannedLook = Annotated[
    str | None,
    typer.Option(
        "--look", metavar="K/N", help="This is look K of N planned, evenly spaced in rows; default the only look."
    ),
]
AnytimeLooks = Annotated[
    bool,
    typer.Option("--anytime", help="The log is looked at whenever one likes, or was logged by an adapting policy."),
]
Require = Annotated[Verdict | None, typer.Option(help="Exit 1 unless the verdict is this one (usually promote).")]
ProposalId = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="Its id, pr-..., as `amso proposals list` shows it.")
]
ProposalOrStrategy = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="Its id, pr-..., or the strategy's, st-...")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the audit chain.")]
Note = Annotated[str, typer.Option(metavar="TEXT", help="A remark that is kept with it.")]
Reach = Annotated[
    float | None, typer.Option(metavar="SHARE", help="Of the segment's units, above 0 up to 1; default 1, all of them.")
]
Budget = Annotated[
    Decimal | None,
    typer.Option(
        parser=amount,
        metavar="AMOUNT",
        help="Worst-case cost of all its decisions, in the business's currency; default the config's limits alone.",
    ),
]
LossCap = Annotated[
    Decimal | None,
    typer.Option(
        parser=amount,
        metavar="AMOUNT",
        help="Loss against the baseline at which it rolls back, in the business's currency; default the config's.",
    ),
]
LessReach = Annotated[
    float | None, typer.Option("--reach", metavar="SHARE", help="At most this share of the units; default as proposed.")
]
LessBudget = Annotated[
    Decimal | None,
    typer.Option("--budget", parser=amount, metavar="AMOUNT", help="At most this budget; default as proposed."),
]
LessLoss = Annotated[
    Decimal | None,
    typer.Option("--loss-cap", parser=amount, metavar="AMOUNT", help="At most this loss; default as proposed."),
]
Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="global, point:NAME or policy:VERSION.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The person's name.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many decisions, the newest.")]
VerdictLimit = Annotated[int, typer.Option("--limit", min=1, help="At most so many verdicts, the newest.")]
DecisionId = Annotated[str, typer.Argument(metavar="DECISION", help="Its decision_id, d-...")]
