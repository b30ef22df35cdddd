"""From a log to a policy, its verdict and a ranked list; the versions that are registered."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.decorators import reads_log, with_verdict, with_workspace
from commands.options import (
    SPECS,
    Algo,
    AnytimeLooks,
    Baseline,
    Log,
    LogArgument,
    OnlyPoint,
    PlannedLook,
    Seed,
    moment,
)
from config.purchases import PeriodLength
from domain.errors import UsageError

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.logs import LogRequest
    from loop.wiring import Workspace


@with_verdict
@reads_log(Log, None)
def train(
    workspace: "Workspace",
    request: "LogRequest",
    baseline: Baseline = None,
    heldout: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Judge it on this decision log; default rows left out of --log.")
    ] = None,
    algo: Algo = None,
    seed: Seed = 0,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with this interrupted run, such as train_1; the rest as it was begun."),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Event files in the run directory; needs the extra `train`.")
    ] = False,
) -> "Answer":
    """Fit the market, learn a policy, judge it on rows it did not see, register what is delivered.

    Ctrl-C while it learns ends after the period, with exit code 130 and a run that --resume goes on with.
    """
    from loop import train as verb

    return verb.train(
        workspace,
        request,
        baseline=baseline,
        heldout=heldout,
        algo=algo,
        seed=seed,
        resume=resume,
        tensorboard=tensorboard,
    )


@with_workspace
@reads_log(LogArgument, None)
def market(
    workspace: "Workspace",
    request: "LogRequest",
    purchases: Annotated[
        str | None,
        typer.Option(
            metavar="unit=…,time=…,amount=…",
            help="LOG holds raw purchases, in these columns; an amount may be a product, as quantity*price.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="DATE",
            help="Of purchases: the last day to fit on; default three quarters of the history.",
        ),
    ] = None,
    judged: Annotated[
        int | None, typer.Option(min=1, help="Of purchases: so many periods after it are judged; default all.")
    ] = None,
    period: Annotated[
        PeriodLength | None, typer.Option(help="Of purchases: one row of the panel; default by their rhythm.")
    ] = None,
    realised_index: Annotated[
        bool,
        typer.Option(
            "--realised-index",
            help="Of purchases: judge customers left out, under the market index that the others showed.",
        ),
    ] = False,
    seed: Seed = 0,
) -> "Answer":
    """Fit a market to a log and judge it on what it never saw: JSON, plots, a page for decision logs."""
    if purchases is None:
        of_purchases_only = {
            "--until": until,
            "--judged": judged,
            "--period": period,
            "--realised-index": realised_index,
        }
        given = [name for name, value in of_purchases_only.items() if value]
        if given:
            raise UsageError(
                f"{', '.join(given)} without --purchases", "a decision log needs none of them; leave them out"
            )
        from loop import market as verb

        return verb.market(workspace, request, seed=seed)
    from loop import market_purchases as of_purchases

    asked = of_purchases.request_of(
        request.path, purchases, until=until, length=period, n_judged=judged, realised_index=realised_index
    )
    return of_purchases.market_of_purchases(workspace, asked, seed=seed)


@with_verdict
@reads_log(LogArgument, None)
def evaluate(
    workspace: "Workspace",
    request: "LogRequest",
    policy: Annotated[
        list[str],
        typer.Option(metavar="SPEC", help=f"What is judged: {SPECS}; repeated: candidates that are judged together."),
    ],
    baseline: Baseline = None,
    predictions: Annotated[
        str | None,
        typer.Option(metavar="PREFIX", help="Columns PREFIX + action: reward predictions in place of fitted models."),
    ] = None,
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Read in chunks; default where the files exceed 1 GB."),
    ] = None,
    look: PlannedLook = None,
    anytime: AnytimeLooks = False,
    bootstrap: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Intervals of estimates by resampling customers N times; 0: analytic."),
    ] = 0,
    seed: Seed = 0,
) -> "Answer":
    """What a policy would have earned, from the log alone, with intervals and a verdict."""
    from loop import evaluate as verb
    from loop import evaluate_stream as streaming

    looks = verb.looks_of(look, anytime=anytime)
    asked = replace(request, predictions=predictions)
    if stream or (stream is None and streaming.is_large(workspace, asked)):
        return streaming.evaluate(
            workspace, asked, policies=policy, baseline=baseline, seed=seed, looks=looks, n_bootstrap=bootstrap
        )
    return verb.evaluate(
        workspace, asked, policy=policy, baseline=baseline, seed=seed, looks=looks, n_bootstrap=bootstrap
    )


@with_workspace
@reads_log(Log, None)
def recommend(
    workspace: "Workspace",
    request: "LogRequest",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="Policy to rank beside the actions; default the newest registered version; may be repeated.",
        ),
    ] = None,
    baseline: Baseline = None,
    seed: Seed = 0,
) -> "Answer":
    """Ranked strategies with expected value, cost, ROI and interval; an experiment where the data cannot tell."""
    from loop import recommend as verb

    return verb.recommend(workspace, request, policies=policy or (), baseline=baseline, seed=seed)


@with_workspace
def policies_list(workspace: "Workspace", decision_point: OnlyPoint = None) -> "Answer":
    """All registered versions, the newest first."""
    from loop import policies as verb

    return verb.list_policies(workspace, decision_point)


@with_workspace
def policies_show(
    workspace: "Workspace",
    policy_version: Annotated[str, typer.Argument(metavar="VERSION", help="Its id, p-...")],
) -> "Answer":
    """One version: where it came from, what it may do, whether its files are intact."""
    from loop import policies as verb

    return verb.show_policy(workspace, policy_version)
