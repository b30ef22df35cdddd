"""`amso market FILE --purchases …`: a market fitted to raw purchase histories, judged on periods it never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from analysis.periods import Calendar, calendar_of, n_complete, suggested_length
from analysis.purchases import PurchaseHistory, panel_of, read_purchases
from config.purchases import ForecastConfig, PeriodLength, PurchaseColumns
from domain.errors import InvalidSnapshot, UsageError
from env.purchase_fidelity import Foreseen, PurchaseFidelity, judge_purchases
from env.purchase_forecast import forecast_purchases
from loop.market_purchases_plot import draw_purchases
from loop.runs import write_json
from loop.text import console, interval, number, progress_bar, table
from loop.threads import one_thread
from loop.trusted_market import FILE_NAME
from loop.wiring import Workspace

MIN_FITTED = 3  # periods: one lets customers in, the next show what they do


@dataclass(frozen=True)
class PurchaseRequest:
    """What the command line says about a purchase history; None = what the history suggests."""

    path: Path
    columns: PurchaseColumns = field(default_factory=PurchaseColumns)
    length: PeriodLength | None = None
    until: np.datetime64 | None = None  # last day that the market is fitted on; None = three quarters of the periods
    n_judged: int | None = None  # periods after it; None = all complete ones
    realised_index: bool = False  # the market index of the judged span is taken from customers who are not judged


@dataclass(frozen=True)
class PurchaseAnswer:
    """What `market --purchases --json` prints, and the same for people."""

    history: PurchaseHistory
    n_left_out: int  # purchases after the judged span
    length: PeriodLength
    fitted: tuple[str, str]  # first and last day
    judged: tuple[str, str]
    fidelity: PurchaseFidelity
    run: Path

    def to_data(self) -> dict[str, object]:
        history = self.history
        return {
            "run": str(self.run),
            "purchases": {
                "source": history.source,
                "rows": history.n_rows,
                "used": len(history) - self.n_left_out,
                "rejected": dict(history.rejected),
                "left_out": {"after the judged span": self.n_left_out},
                "customers": len(history.unit_names),
            },
            "period": self.length.value,
            "fitted": list(self.fitted),
            "judged": list(self.judged),
            "fidelity": self.fidelity.to_data(),
        }

    def print(self) -> None:
        out, f = console(), self.fidelity
        out.print(
            f"purchases {self.history.source}: {self.history.n_rows:,} rows, "
            f"{len(self.history) - self.n_left_out:,} used, {len(self.history.unit_names):,} customers"
        )
        for reason, n in self.history.rejected.items():
            out.print(f"  rejected: {n:,} {reason}")
        if self.n_left_out:
            out.print(f"  left out: {self.n_left_out:,} after the judged span")
        words = self.length.value.replace("_", " ")
        out.print(
            f"fitted on {f.n_fitted_periods} periods of a {words}, {self.fitted[0]} to {self.fitted[1]}; "
            f"judged on {f.n_periods}, {self.judged[0]} to {self.judged[1]}, {_index_words(f)}"
        )
        out.print(_figures(f))
        out.print(
            f"real from simulated customers: area under the curve {f.lookalike.auc:.3f} "
            f"(standard error {f.lookalike.stderr:.3f}; chance has .5)"
        )
        out.print(verdict_of(f))
        for reason in f.reasons:
            out.print(f"  · {reason}")
        out.print(f"run: {self.run}")


def verdict_of(fidelity: PurchaseFidelity) -> str:
    """One sentence."""
    if fidelity.is_faithful:
        return f"the fitted market foretold {fidelity.n_customers:,} customers within what is tolerated"
    return "the fitted market is not to be believed:"


def market_of_purchases(workspace: Workspace, request: PurchaseRequest, *, seed: int) -> PurchaseAnswer:
    """The verb: leaves the report as JSON and as a plot in a run directory.

    Raises:
        UsageError: the judged span does not fit the history.
        InvalidSnapshot: no purchase, or too short a history.
    """
    history = read_purchases(request.path, request.columns)
    calendar, cut, stop = spans_of(history, request)
    run = workspace.start_run("market", seed=seed)
    with progress_bar("market") as report:
        report(0.1, "fitting, simulating what came next")
        fidelity = _judge(history, calendar, cut, stop, request.realised_index, seed)
        report(0.9, "drawing")
        write_json(run.path / FILE_NAME, fidelity.to_data())
        draw_purchases(fidelity, calendar.edges[cut : stop + 1], run.path / "purchases.png")
    answer = PurchaseAnswer(
        history=history,
        n_left_out=int((history.day >= calendar.edges[stop]).sum()),
        length=calendar.length,
        fitted=_days(calendar, 0, cut),
        judged=_days(calendar, cut, stop),
        fidelity=fidelity,
        run=run.path,
    )
    workspace.finish_run(run, answer.to_data())
    return answer


@one_thread
def _judge(
    history: PurchaseHistory, calendar: Calendar, cut: int, stop: int, realised_index: bool, seed: int
) -> PurchaseFidelity:
    config, rng = ForecastConfig(), np.random.default_rng(seed)
    panel = panel_of(history, calendar)
    forecast = forecast_purchases(panel, cut, stop - cut, realised_index=realised_index, config=config, rng=rng)
    return judge_purchases(forecast, panel, cut, index_given=realised_index, config=config, rng=rng)


def spans_of(history: PurchaseHistory, request: PurchaseRequest) -> tuple[Calendar, int, int]:
    """The calendar, how many of its periods are fitted, and with which the judged span ends."""
    first, last = history.day.min(), history.day.max()
    fitted = history if request.until is None else history.until(request.until)
    if not len(fitted):
        raise UsageError(f"no purchase until {request.until}; the first is of {first}", "name a later day with --until")
    length = suggested_length(fitted.unit, fitted.day) if request.length is None else request.length
    anchor = None if request.until is None else request.until + np.timedelta64(1, "D")
    calendar = calendar_of(length, first, last, anchor)
    n_periods = n_complete(calendar, history.day)
    if request.until is None:
        cut = n_periods - max(1, round(ForecastConfig().judged_share * n_periods))
    else:
        cut = calendar.cut(request.until)
    stop = n_periods if request.n_judged is None else min(cut + request.n_judged, n_periods)
    if cut < MIN_FITTED or stop <= cut:
        raise InvalidSnapshot(
            f"{n_periods} complete periods of a {length.value.replace('_', ' ')}, {min(cut, n_periods)} of them to fit "
            f"on; a market needs {MIN_FITTED} to fit on and one to be judged by",
            "use a longer history, shorter periods (--period), or another day with --until",
        )
    return calendar, cut, stop


def request_of(
    path: Path | None,
    purchases: str,
    *,
    until: datetime | None,
    length: PeriodLength | None,
    n_judged: int | None,
    realised_index: bool,
) -> PurchaseRequest:
    """What the command line asked for."""
    if path is None:
        raise UsageError("no file is named", "name the purchase history: amso market FILE --purchases …")
    day = None if until is None else np.datetime64(until.date(), "D")
    return PurchaseRequest(path, columns_of(purchases), length, day, n_judged, realised_index)


def columns_of(text: str) -> PurchaseColumns:
    """`unit=customer,time=date,amount=quantity*price`; what is not named is called as we call it.

    Raises:
        UsageError: not of this form.
    """
    named = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    unknown = sorted(set(named) - {"unit", "time", "amount"})
    if unknown or len(named) != len(text.split(",")):
        raise UsageError(
            f"--purchases is {text!r}" + (f"; it names {', '.join(unknown)}" if unknown else ""),
            "write it as unit=CUSTOMER,time=DATE,amount=AMOUNT; an amount may be QUANTITY*PRICE",
        )
    ours = PurchaseColumns()
    return PurchaseColumns(named.get("unit", ours.unit), named.get("time", ours.time), named.get("amount", ours.amount))


def _figures(fidelity: PurchaseFidelity) -> object:
    rows = [
        _row("customers who buy", fidelity.active, share=True),
        _row("spend a customer", fidelity.spend),
        _row("periods with a purchase", fidelity.purchases),
    ]
    title = f"{fidelity.n_customers:,} customers over the judged span"
    return table(title, ("figure", "foretold", "band", "came", "error"), rows)


def _row(name: str, figure: Foreseen, *, share: bool = False) -> Sequence[str]:
    if share:
        percent = f"{100 * figure.gap:+.1f} points"
        band = f"[{figure.low:.1%}, {figure.high:.1%}]"
        return name, f"{figure.predicted:.1%}", band, f"{figure.observed:.1%}", percent
    relative = f"{figure.gap / figure.observed:+.1%}" if figure.observed else "–"
    return name, number(figure.predicted), interval(figure.low, figure.high), number(figure.observed), relative


def _index_words(fidelity: PurchaseFidelity) -> str:
    if fidelity.index_given:
        return "customers left out, under the index of the others"
    return "under market shocks like the fitted ones"


def _days(calendar: Calendar, start: int, stop: int) -> tuple[str, str]:
    return str(calendar.edges[start]), str(calendar.edges[stop] - np.timedelta64(1, "D"))
