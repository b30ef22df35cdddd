"""The options that several verbs share, each with its words once."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from domain.estimates import Verdict


def amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None


def moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


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
ProposalId = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id, pr-...")]
ProposalOrStrategy = Annotated[str, typer.Argument(metavar="PROPOSAL", help="pr-..., or the strategy's st-...")]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads the audit chain.")]
Note = Annotated[str, typer.Option(help="For whoever asks later.")]
Reach = Annotated[float | None, typer.Option(help="Share of the segment's units, above 0 to 1; default all.")]
Budget = Annotated[
    Decimal | None,
    typer.Option(parser=amount, metavar="AMOUNT", help="Worst-case cost of all its decisions, business currency."),
]
LossCap = Annotated[
    Decimal | None,
    typer.Option(parser=amount, metavar="AMOUNT", help="Loss against the baseline at which it rolls back."),
]
Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="global, point:NAME or policy:VERSION.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The person's name.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the newest.")]
DecisionId = Annotated[str, typer.Argument(metavar="DECISION", help="The decision_id of an answer.")]
