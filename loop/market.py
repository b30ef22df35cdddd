"""`amso market`: fits a market to a log and says how far it resembles its customers, before anything is learned in it.

What the file holds decides how a market is fitted to it; each kind is a function of the same form as `market_of_log`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domain.log import LogRead
from env.fidelity import FidelityReport, check_fidelity
from env.gaps import Question
from loop.learners import prices_of
from loop.logs import LogRequest, log_to_data, read_and_record, resolve_log
from loop.market_page import write_market_page
from loop.market_plots import draw_market
from loop.runs import RunDirectory, write_json
from loop.text import console, log_lines, progress_bar, table
from loop.threads import one_thread
from loop.trusted_market import FILE_NAME
from loop.wiring import Workspace

MAX_QUESTIONS = 12  # in the text, those farthest out; the page has all


@dataclass(frozen=True)
class MarketAnswer:
    """What `market --json` prints, and the same for people."""

    read: LogRead
    fidelity: FidelityReport
    run: Path
    page: Path

    def to_data(self) -> dict[str, object]:
        log = self.read.log
        return {
            "run": str(self.run),
            "page": str(self.page),
            "log": log_to_data(self.read),
            "reward": log.reward_name,
            "customers": len(np.unique(log.unit)),
            "has_time": log.panel is not None,
            "fidelity": self.fidelity.to_data(),
        }

    def print(self) -> None:
        out, f = console(), self.fidelity
        for line in log_lines(self.read):
            out.print(line)
        if f.questions:
            out.print(_question_table(f))
        out.print(f"hidden drivers: {f.confounding.told}")
        out.print(verdict_of(f))
        for reason in f.reasons:
            out.print(f"  · {reason}")
        for remedy in f.remedies:
            out.print(f"  → {remedy}")
        out.print(f"page: {self.page}")
        out.print(f"run: {self.run}")


def verdict_of(fidelity: FidelityReport) -> str:
    """One sentence."""
    if fidelity.is_faithful:
        return f"the fitted market resembles {fidelity.n_customers:,} customers that it never saw"
    return "the fitted market does not resemble its data: nothing is learned in it"


def market(workspace: Workspace, request: LogRequest, *, seed: int) -> MarketAnswer:
    """The verb: leaves the report as JSON, as a page and as plots in a run directory."""
    path, options = resolve_log(workspace, request)
    read = read_and_record(workspace, path, options)
    prices = prices_of(read.log, workspace.settings.actions(request.decision_point))
    return market_of_log(workspace, read, seed=seed, prices=prices)


def market_of_log(workspace: Workspace, read: LogRead, *, seed: int, prices: Mapping[str, float]) -> MarketAnswer:
    """The market behind a decision log."""
    run = workspace.start_run("market", seed=seed)
    with progress_bar("market") as report:
        report(0.1, "fitting, judging on customers left out")
        fidelity = _check(read, seed, prices)
        report(0.8, "drawing")
        page = leave_report(run, read, fidelity)
    found = MarketAnswer(read, fidelity, run.path, page)
    workspace.finish_run(run, found.to_data())
    return found


def leave_report(run: RunDirectory, read: LogRead, fidelity: FidelityReport) -> Path:
    """The report in the run directory: JSON, plots, and the page, whose path is returned."""
    write_json(run.path / FILE_NAME, fidelity.to_data())
    figures = draw_market(fidelity, run.path)
    return write_market_page(run, read, fidelity, figures)


@one_thread
def _check(read: LogRead, seed: int, prices: Mapping[str, float]) -> FidelityReport:
    return check_fidelity(read.log, rng=np.random.default_rng(seed), prices=prices)


def _question_table(fidelity: FidelityReport) -> object:
    farthest = sorted(fidelity.questions, key=lambda q: (q.n_off == 0, -q.n_deviations / q.limit))[:MAX_QUESTIONS]
    rows = [
        (
            q.what,
            q.worst.where,
            f"{q.worst.simulated:.3g}",
            f"{q.worst.logged:.3g}",
            f"{q.n_deviations:.1f} of {q.limit:.1f}",
            _word(q),
        )
        for q in farthest
    ]
    title = f"The market against {fidelity.n_customers:,} customers that it never saw: the largest gaps"
    return table(title, ("question", "at worst in", "market", "log", "standard errors", ""), rows, n_text=2)


def _word(question: Question) -> str:
    return "off" if question.n_off else "fine"
