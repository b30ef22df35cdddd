"""`amso analyze`: averages, adjusted effects, trend, forecast and segments of a decision log, with plots."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from analysis.effects import ActionEffect, adjusted_effects
from analysis.forecast import Forecast, NoForecast, forecast_series
from analysis.segments import find_segments
from analysis.summary import LogSummary, summarise_log
from domain.arrays import FloatArray
from domain.log import LogRead
from domain.records import AnalysisRecord
from domain.segments import Segment, predicate_to_data
from loop.logs import LogRequest, log_to_data, read_and_record, resolve_log
from loop.plots import Bar, forecast_plot, forest_plot
from loop.text import console, interval, log_lines, number, progress_bar, table
from loop.threads import one_thread
from loop.wiring import Workspace

DAYS_AHEAD = 14
WEEK = 7


@dataclass(frozen=True)
class AnalyzeAnswer:
    """What `analyze --json` prints, and the same for people."""

    read: LogRead
    summary: LogSummary
    effects: tuple[ActionEffect, ...]
    segments: tuple[tuple[Segment, int], ...]  # with their rows
    forecast: Forecast | NoForecast
    run: Path

    def to_data(self) -> dict[str, object]:
        return {
            "run": str(self.run),
            "log": log_to_data(self.read),
            "reward": self.summary.reward_name,
            "averages": [asdict(a) for a in self.summary.actions],
            "adjusted_effects": [asdict(e) for e in self.effects],
            "segments": [
                {"id": s.segment_id, "name": s.name, "predicate": predicate_to_data(s.predicate), "n_rounds": n}
                for s, n in self.segments
            ],
            "forecast": _forecast_to_data(self.forecast),
        }

    def print(self) -> None:
        out = console()
        for line in log_lines(self.read):
            out.print(line)
        rows = [
            (a.action, f"{a.n_rounds:,}", f"{a.share:.1%}", number(a.mean_reward), interval(a.low, a.high))
            for a in self.summary.actions
        ]
        title = f"Averages of {self.summary.reward_name}, as logged (they compare actions only if chosen at random)"
        out.print(table(title, ("action", "rows", "share", "mean", "interval"), rows))
        if self.effects:
            against = self.effects[0].reference
            effects = [(e.action, number(e.effect), interval(e.low, e.high)) for e in self.effects]
            out.print(table(f"Effect against {against}, context held equal", ("action", "effect", "interval"), effects))
        names = [(str(s.predicate), f"{n:,}") for s, n in self.segments]
        out.print(table("Segments in which actions work differently", ("segment", "rows"), names))
        out.print(_forecast_line(self.forecast))
        out.print(f"run: {self.run}")


@one_thread
def analyze(workspace: Workspace, request: LogRequest, *, seed: int) -> AnalyzeAnswer:
    """The verb: leaves a run directory with plots, and the findings in the knowledge base."""
    path, options = resolve_log(workspace, request)
    read = read_and_record(workspace, path, options)
    log = read.log
    run = workspace.start_run("analyze", seed=seed)
    with progress_bar("analyze") as report:
        report(0.1, "averages and effects")
        baseline = workspace.settings.baseline(request.decision_point)
        effects = adjusted_effects(log, baseline if baseline in log.actions else None)
        summary = summarise_log(log)
        report(0.4, "segments")
        segments = tuple((s, int(s.predicate.mask(log.context).sum())) for s in find_segments(log))
        report(0.7, "forecast")
        daily = _daily_rewards(summary)
        forecast = _forecast(daily)
    answer = AnalyzeAnswer(read, summary, effects, segments, forecast, run.path)
    _draw(answer, daily)
    workspace.finish_run(run, answer.to_data())
    _record(workspace, answer)
    return answer


def _daily_rewards(summary: LogSummary) -> FloatArray | None:
    """(n_days,) mean reward of every day; None without times or where a day has no decision."""
    trend = summary.trend
    if trend is None or len(trend.day) < 2 or (np.diff(trend.day) != np.timedelta64(1, "D")).any():
        return None
    return trend.mean_reward


def _forecast(daily: FloatArray | None) -> Forecast | NoForecast:
    if daily is None:
        return NoForecast("the log has no times, or not a decision on every day")
    return forecast_series(daily, DAYS_AHEAD, WEEK)


def _forecast_to_data(forecast: Forecast | NoForecast) -> dict[str, object]:
    if isinstance(forecast, NoForecast):
        return {"available": False, "reason": forecast.reason}
    return {
        "available": True,
        "method": forecast.method,
        "values": forecast.values.tolist(),
        "low": forecast.low.tolist(),
        "high": forecast.high.tolist(),
        "backtest": [asdict(s) for s in forecast.scores],
        "coverage": forecast.coverage,
    }


def _forecast_line(forecast: Forecast | NoForecast) -> str:
    if isinstance(forecast, NoForecast):
        return f"no forecast: {forecast.reason}"
    ahead = f"{number(float(forecast.values.mean()))} a day over {len(forecast.values)} days"
    covered = f"intervals covered {forecast.coverage:.0%} in backtests"
    return f"forecast of the mean reward ({forecast.method}): {ahead}; {covered}"


def _draw(answer: AnalyzeAnswer, daily: FloatArray | None) -> None:
    folder, name = answer.run, answer.summary.reward_name
    averages = [
        Bar(a.action, a.mean_reward, a.low, a.high)
        for a in answer.summary.actions
        if a.low is not None and a.high is not None
    ]
    if averages:
        forest_plot(averages, folder / "averages.png", title="averages as logged, by action", x_label=f"mean {name}")
    if answer.effects:
        title = f"effect against {answer.effects[0].reference}, context held equal"
        bars = [Bar(e.action, e.effect, e.low, e.high) for e in answer.effects]
        forest_plot(bars, folder / "effects.png", title=title, x_label=name, reference=0.0)
    if daily is not None and isinstance(answer.forecast, Forecast):
        ahead = answer.forecast
        y_label = f"mean {name} a day"
        forecast_plot(daily, ahead.values, ahead.low, ahead.high, folder / "forecast.png", y_label=y_label)


def _record(workspace: Workspace, answer: AnalyzeAnswer) -> None:
    data = answer.to_data()
    now = workspace.clock.now()
    findings: dict[str, Mapping[str, object]] = {
        "averages": {"actions": data["averages"]},
        "effects": {"actions": data["adjusted_effects"]},
        "segments": {"segments": data["segments"]},
        "forecast": {"forecast": data["forecast"]},
    }
    with workspace.knowledge.transaction() as books:
        for kind, result in findings.items():
            subject = f"{answer.summary.reward_name} in {answer.read.source}"
            identity = json.dumps([kind, subject, answer.run.name, now.isoformat()])
            analysis_id = "a-" + hashlib.sha256(identity.encode()).hexdigest()[:12]
            books.analyses.add(AnalysisRecord(analysis_id, kind, subject, result, now))
