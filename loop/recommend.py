"""`amso recommend`: what to do for whom, ranked by proven gain; an experiment where the data cannot tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table

from analysis.diagnosis import coverage_findings, refuse_unknown_actions
from analysis.segments import find_segments
from domain.actions import Action
from domain.arrays import IntArray
from domain.errors import MissingColumn, UnsupportedAction
from domain.log import LoggedDecisions, LogRead
from domain.records import StrategyRecord
from domain.segments import ALL, predicate_to_data
from domain.strategies import RankedStrategy
from evaluation.evaluate import score_policies
from evaluation.refusals import notes_of, read_refusals
from evaluation.target import Target, target_of_policy
from loop.logs import LogRequest, log_id, log_to_data, read_and_record, resolve_log
from loop.plots import Bar, forest_plot
from loop.targets import Judged, baseline_spec, judge_target, on_common_rows, prefixes_of
from loop.text import console, interval, log_lines, number, progress_bar, table
from loop.threads import one_thread
from loop.wiring import Workspace
from policies.baselines import ConstantPolicy
from policies.spec import parse_policy_spec
from recommendation.ranking import RankingContext, rank_strategies
from recommendation.risk import DEFAULT_TIERS, RiskTier
from recommendation.scoring import Gain, count_units, lay_segments, score_gains

SHOWN = 12  # strategies in the terminal; --json has all
HEADER = ("strategy", "whom", "units", "gain", "interval", "extra cost", "ROI", "risk", "verdict")


@dataclass(frozen=True)
class RecommendAnswer:
    """What `recommend --json` prints, and the same for people."""

    read: LogRead
    objective: Mapping[str, object]
    currency: str
    horizon_days: float | None  # that the log covers, over which gains are summed; None where it has no times
    baseline: str
    strategies: tuple[RankedStrategy, ...]
    notes: tuple[str, ...]
    run: Path

    def to_data(self) -> dict[str, object]:
        return {
            "run": str(self.run),
            "log": log_to_data(self.read),
            "objective": dict(self.objective),
            "currency": self.currency,
            "horizon_days": self.horizon_days,
            "baseline": self.baseline,
            "strategies": [_strategy_to_data(s) for s in self.strategies],
            "notes": list(self.notes),
        }

    def print(self) -> None:
        out = console()
        for line in log_lines(self.read):
            out.print(line)
        out.print(self.ranked_list())
        if len(self.strategies) > SHOWN:
            out.print(f"… and {len(self.strategies) - SHOWN} more; --json has all")
        for s in self.strategies[:SHOWN]:
            if s.strategy.action == "experiment":
                out.print(f"  {s.rank}. {s.reason}")
        for note in self.notes:
            out.print(f"  · {note}")
        if self.strategies:
            ids = ", ".join(f"{s.rank}. {s.strategy.strategy_id}" for s in self.strategies[:SHOWN])
            out.print(f"next: `amso propose ID` puts one before people: {ids}")
        out.print(f"run: {self.run}")

    def ranked_list(self) -> Table:
        """The list as people read it."""
        span = "the log's span" if self.horizon_days is None else f"{self.horizon_days:.0f} days"
        title = (
            f"Ranked strategies: gain over {self.baseline}, summed over units and {span}, in {self.currency}\n"
            "(intervals hold for the whole list at once)"
        )
        return table(title, HEADER, [_row(s) for s in self.strategies[:SHOWN]], n_text=2)


@dataclass(frozen=True)
class _Question:
    """What is to be ranked: candidates against a baseline, on the rows of the log that may judge them."""

    log: LoggedDecisions
    rows: IntArray  # of the log
    candidates: tuple[Target, ...]  # on those rows
    baseline: Target  # on those rows
    notes: tuple[str, ...]


@one_thread
def recommend(
    workspace: Workspace, request: LogRequest, *, policies: Sequence[str], baseline: str | None, seed: int
) -> RecommendAnswer:
    """The verb: leaves a run directory with the list and its forest plot."""
    path, options = resolve_log(workspace, request)
    point = workspace.settings.decision_point_name(request.decision_point)
    catalogue = {a.action_id: a for a in workspace.settings.actions(point)}
    read = read_and_record(workspace, path, options, probability_prefixes=prefixes_of((*policies, baseline)))
    refuse_unknown_actions(read.log, tuple(catalogue.values()))
    log = _with_costs(read.log, catalogue)
    run = workspace.start_run("recommend", seed=seed)
    rng = np.random.default_rng(seed)
    with progress_bar("recommend") as report:
        report(0.1, "gathering candidates")
        against, notes = baseline_spec(workspace, baseline, log.actions, request.decision_point)
        question = _ask(workspace, log, point, log_id(path, options), policies, against)
        report(0.2, "scoring strategies")
        gains = _score(question, read_refusals(read), rng)
        context = _ranking_context(workspace, question, point, catalogue)
        strategies = rank_strategies(gains, context)
    answer = RecommendAnswer(
        read,
        workspace.settings.objective.model_dump(mode="json"),
        workspace.settings.business.currency,
        _span_days(log),
        question.baseline.name,
        strategies,
        (*question.notes, *notes, *notes_of(coverage_findings(log, tuple(catalogue.values())))),
        run.path,
    )
    _draw(answer, run.path / "strategies.png")
    workspace.finish_run(run, answer.to_data())
    _store(workspace, answer, log)
    return answer


def _ask(
    workspace: Workspace, log: LoggedDecisions, point: str, this_log: str, policies: Sequence[str], baseline: str
) -> _Question:
    """Every constant action beside the policies asked for; without any, the newest learned version."""
    specs, notes = (list(policies), list[str]()) if policies else _newest(workspace, point)
    base = judge_target(parse_policy_spec(baseline), log, workspace, this_log)
    judged, rows = [], base.rows
    for spec in specs:
        asked, told = _may_ask(spec, log, workspace, this_log)
        notes += told
        if asked is not None:
            judged.append(asked)
            rows = np.intersect1d(rows, asked.rows)
    constants = [target_of_policy(ConstantPolicy(log.actions, a), a) for a in log.actions.ids]
    opponent = on_common_rows(base, Judged(base.target, rows))[0]
    opponent = replace(opponent, name=opponent.name.removeprefix("constant:"))
    learned = [on_common_rows(j, Judged(j.target, rows))[0] for j in judged]
    candidates = tuple(c for c in (*learned, *constants) if c.name != opponent.name)
    return _Question(log, rows, candidates, opponent, tuple(dict.fromkeys(notes)))


def _newest(workspace: Workspace, point: str) -> tuple[list[str], list[str]]:
    """The SPEC of the newest learned version, or a note that there is none."""
    with workspace.knowledge.transaction() as books:
        versions = [r for r in books.policies.all(point) if r.kind != "constant"]
    if not versions:
        return [], ["no learned policy is registered; `amso train` registers one where learning pays"]
    return [f"version:{versions[0].policy_version}"], []


def _may_ask(
    spec: str, log: LoggedDecisions, workspace: Workspace, this_log: str
) -> tuple[Judged | None, tuple[str, ...]]:
    """A policy as a candidate on this log, or why it is none."""
    name = f"policy:{spec.removeprefix('version:')}"
    try:
        judged = judge_target(parse_policy_spec(spec), log, workspace, this_log)
        judged.target.on(log.take(judged.rows))
    except (MissingColumn, UnsupportedAction) as error:
        return None, (f"{name} cannot be asked about this log: {error.message}",)
    if judged.refusals:
        return None, judged.refusals
    return replace(judged, target=replace(judged.target, name=name)), judged.notes


def _score(question: _Question, refusals: Sequence[str], rng: np.random.Generator) -> tuple[Gain, ...]:
    """`refusals`: why nothing can be decided by this log, whatever is asked."""
    judged = question.log.take(question.rows)
    targets = [question.baseline, *question.candidates]
    scores = score_policies(judged, targets, rng=rng)
    scores = replace(scores, refusals=tuple((*refusals, *own) for own in scores.refusals))
    costs = None
    if judged.cost is not None:
        costs = score_policies(replace(judged, reward=judged.cost, reward_name="cost"), targets, rng=rng)
    found = (ALL, *(s for s in find_segments(question.log) if s.predicate.conditions))
    segments = lay_segments(question.log, question.rows, scores.first_row, found)
    return score_gains(scores, costs, baseline=question.baseline.name, segments=segments)


def _with_costs(log: LoggedDecisions, catalogue: Mapping[str, Action]) -> LoggedDecisions:
    """The log's own costs, else the catalogue's where it knows every action."""
    if log.cost is not None or not all(a in catalogue for a in log.actions.ids):
        return log
    amount = np.array([catalogue[a].cost_amount for a in log.actions.ids])
    return replace(log, cost=amount[log.action])


def _ranking_context(
    workspace: Workspace, question: _Question, point: str, catalogue: Mapping[str, Action]
) -> RankingContext:
    log = question.log
    sums = np.bincount(np.unique(log.unit, return_inverse=True)[1], weights=log.reward)
    n_units, days = count_units(log.unit, log.sample_weight), _span_days(log)
    tiers = tuple(RiskTier(n, t.reach, t.price_change) for n, t in workspace.settings.approvals.tiers.items())
    return RankingContext(
        decision_point=point,
        baseline=question.baseline.name,
        n_units=n_units,
        reward_sd=float(sums.std()),
        units_per_day=None if not days else n_units / days,
        catalogue=catalogue,
        tiers=tiers or DEFAULT_TIERS,
    )


def _span_days(log: LoggedDecisions) -> float | None:
    if log.decided_at is None:
        return None
    first, last = log.decided_at.min(), log.decided_at.max()
    return float((last - first) / np.timedelta64(1, "D")) + 1.0


def _row(s: RankedStrategy) -> tuple[str, ...]:
    return (
        f"{s.rank}. {s.strategy.action}",
        str(s.strategy.segment.predicate),
        f"{s.n_units:,}",
        number(s.expected_value),
        interval(s.low, s.high),
        number(s.cost),
        number(s.roi),
        s.risk_tier,
        s.verdict.value,
    )


def _strategy_to_data(s: RankedStrategy) -> dict[str, object]:
    segment = s.strategy.segment
    return {
        "rank": s.rank,
        "strategy_id": s.strategy.strategy_id,
        "decision_point": s.strategy.decision_point,
        "segment": {
            "id": segment.segment_id,
            "name": segment.name,
            "predicate": predicate_to_data(segment.predicate),
        },
        "action": s.strategy.action,
        "n_units": s.n_units,
        "expected_value": s.expected_value,
        "low": s.low,
        "high": s.high,
        "cost": s.cost,
        "roi": s.roi,
        "historical": dict(s.historical),
        "simulated": dict(s.simulated),
        "risk_tier": s.risk_tier,
        "verdict": s.verdict.value,
        "reason": s.reason,
    }


def _store(workspace: Workspace, answer: RecommendAnswer, log: LoggedDecisions) -> None:
    """Keeps every strategy with its evidence: what `propose` takes. The first of two with one id is the better one."""
    now = workspace.clock.now()
    first = {s.strategy.strategy_id: s for s in reversed(answer.strategies)}
    records = [
        StrategyRecord(
            strategy_id=strategy_id,
            decision_point=s.strategy.decision_point,
            segment=s.strategy.segment,
            action=s.strategy.action,
            limits=s.strategy.limits,
            evidence=_evidence(answer, s, log),
            run=answer.run.name,
            recommended_at=now,
        )
        for strategy_id, s in first.items()
    ]
    with workspace.knowledge.transaction() as books:
        books.strategies.put(sorted(records, key=lambda r: first[r.strategy_id].rank))


def _evidence(answer: RecommendAnswer, s: RankedStrategy, log: LoggedDecisions) -> dict[str, object]:
    """Plain JSON: a proposal's evidence is hashed as it stands here."""
    inside = s.strategy.segment.predicate.mask(log.context)
    weight = float(log.sample_weight[inside].sum())
    design = s.historical.get("design")
    return {
        "kind": "recommendation",
        "run": answer.run.name,
        "rank": s.rank,
        "verdict": s.verdict.value,
        "reason": s.reason,
        "value": s.expected_value,
        "low": s.low,
        "high": s.high,
        "cost": s.cost,
        "roi": s.roi,
        "currency": answer.currency,
        "baseline": answer.baseline,
        "n_units": s.n_units,
        "horizon_days": answer.horizon_days,
        "risk_tier": s.risk_tier,
        "segment_share": weight / float(log.sample_weight.sum()),
        "decisions_per_day": None if not answer.horizon_days else weight / answer.horizon_days,
        "reward_sd": float(log.reward[inside].std()),
        **({"design": {**design, "actions": list(design["actions"])}} if isinstance(design, Mapping) else {}),
    }


def _draw(answer: RecommendAnswer, path: Path) -> None:
    bars = [
        Bar(f"{s.rank}. {s.strategy.action}, {s.strategy.segment.predicate}", s.expected_value, s.low, s.high)
        for s in answer.strategies[:SHOWN]
        if s.expected_value is not None and s.low is not None and s.high is not None
    ]
    if bars:
        title = f"gain over {answer.baseline}, intervals hold all at once"
        forest_plot(bars, path, title=title, x_label=answer.currency, reference=0.0)
