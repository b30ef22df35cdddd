"""`amso evaluate` and `amso.evaluate`: what a policy would have earned, from the log alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from analysis.diagnosis import coverage_findings
from config.evaluation import EvaluationConfig
from domain.errors import UsageError
from domain.estimates import Evaluation
from domain.log import LoggedDecisions, LogRead
from domain.policy import Policy
from evaluation.candidates import leading
from evaluation.evaluate import evaluate as evaluate_target
from evaluation.evaluate import evaluate_candidates
from evaluation.looks import Looks, Once, parse_looks
from evaluation.refusals import read_findings
from evaluation.rounds import logged_weights
from evaluation.target import Target, target_of_policy
from loop.loaded_policy import LoadedPolicy
from loop.logs import LogRequest, log_id, log_to_data, read_and_record, resolve_log
from loop.plots import Bar, forest_plot, overlap_plot
from loop.recorded import keep_evaluations
from loop.report import Asked, write_report
from loop.targets import all_on_common_rows, baseline_spec, judge_target, prefixes_of, resolve_target
from loop.text import WORDS, comparison_line, console, estimates_table, log_lines, progress_bar
from loop.threads import one_thread
from loop.wiring import Workspace
from policies.spec import parse_policy_spec

BOOTSTRAPPED = (
    "intervals of the estimates by resampling customers {n:,} times; the difference, which decides, keeps its own"
)


@dataclass(frozen=True)
class EvaluateAnswer:
    """What `evaluate --json` prints, and the same for people."""

    read: LogRead
    evaluation: Evaluation
    run: Path
    report: Path | None  # None where the log was streamed
    candidates: tuple[Evaluation, ...] = ()  # all, where several were asked about; `evaluation` is the leading one

    def to_data(self) -> dict[str, object]:
        data: dict[str, object] = {
            "run": str(self.run),
            "report": None if self.report is None else str(self.report),
            "log": log_to_data(self.read),
            "reward": self.read.log.reward_name,
            **_evaluation_to_data(self.evaluation),
        }
        if self.candidates:
            data["candidates"] = [{"policy": c.comparison.candidate, **_evaluation_to_data(c)} for c in self.candidates]
        return data

    def print(self) -> None:
        out, e = console(), self.evaluation
        for line in log_lines(self.read):
            out.print(line)
        out.print(estimates_table(e.estimates))
        if e.recommended_estimator is not None:
            out.print(f"{e.recommended_estimator} decides; the others stand beside it for comparison")
        out.print(comparison_line(e.comparison))
        out.print(WORDS[e.verdict], style="bold")
        for reason in e.reasons:
            out.print(f"  · {reason}")
        for c in self.candidates:
            out.print(f"{c.verdict.value}: {comparison_line(c.comparison)}")
        out.print(f"run: {self.run}")
        if self.report is not None:
            out.print(f"report: {self.report}")


@one_thread
def evaluate(
    workspace: Workspace,
    request: LogRequest,
    *,
    policy: str | Sequence[str],
    baseline: str | None,
    seed: int,
    looks: Looks | None = None,
    n_bootstrap: int = 0,
) -> EvaluateAnswer:
    """The verb: reads the log, evaluates one policy or several, leaves a run directory with plots.

    Raises:
        UsageError: one policy is named twice.
    """
    policies = _distinct((policy,) if isinstance(policy, str) else tuple(policy))
    path, options = resolve_log(workspace, request)
    read = read_and_record(workspace, path, options, probability_prefixes=prefixes_of((*policies, baseline)))
    against, notes = baseline_spec(workspace, baseline, read.log.actions, request.decision_point)
    catalogue = workspace.settings.actions(request.decision_point)
    notes += (BOOTSTRAPPED.format(n=n_bootstrap),) if n_bootstrap else ()
    this_log = log_id(path, options)
    *judged, base = (judge_target(parse_policy_spec(s), read.log, workspace, this_log) for s in (*policies, against))
    (*targets, opponent), rows = all_on_common_rows((*judged, base))
    log = read.log.take(rows)
    run = workspace.start_run("evaluate", seed=seed)
    with progress_bar("evaluate") as report:
        report(0.1, f"{', '.join(policies)} on {len(log):,} rounds")
        found = evaluate_candidates(
            log,
            targets,
            opponent,
            config=EvaluationConfig(n_bootstrap=n_bootstrap),
            rng=np.random.default_rng(seed),
            refusals=[(*j.refusals, *base.refusals) for j in judged],
            findings=(*read_findings(read), *coverage_findings(read.log, catalogue)),
            looks=looks,
        )
        evaluations = tuple(
            replace(e, reasons=(*e.reasons, *j.notes, *base.notes, *notes))
            for (e, _), j in zip(found, judged, strict=True)
        )
        best = leading(evaluations)
        report(0.8, "who gains and who loses")
        asked = Asked(request, policies, against, seed, this_log, n_bootstrap)
        shown = (targets[best], opponent)
        others = evaluations if len(policies) > 1 else ()
        page = write_report(run, asked, read, log, shown, evaluations[best], found[best][1], candidates=others)
    answer = EvaluateAnswer(read, evaluations[best], run.path, page, others)
    draw_evaluation(log, targets[best], evaluations[best], run.path)
    workspace.finish_run(run, answer.to_data())
    keep_evaluations(
        workspace,
        evaluations,
        log,
        candidates=policies,
        baseline=against,
        decision_point=request.decision_point,
        log_id=this_log,
        seed=seed,
        looks=looks or Once(),
        run=run.path,
    )
    return answer


@one_thread
def evaluate_log(
    read: LogRead,
    policy: str | Policy | LoadedPolicy,
    *,
    baseline: str | Policy | LoadedPolicy = "logged",
    reward_model: BaseEstimator | None = None,
    seed: int = 0,
    looks: str | Looks = "once",
) -> Evaluation:
    """What `policy` would have earned, against `baseline`, from the log alone.

    Args:
        read: what `amso.read_log` returned.
        policy: a SPEC (`constant:ACTION`, `uniform`, `logged`, `probabilities:PREFIX`, `thompson:FILE`, `path:DIR`)
            or a policy. One that was trained on these very rows is flattered here; the verb `evaluate` knows, this
            function cannot.
        baseline: what to compare with, likewise.
        reward_model: any scikit-learn regressor or classifier; default one ridge an action.
        seed: of the cross-fitting folds.
        looks: how often the data are looked at, chosen before the first look: `once`, `K/N` (look K of N planned,
            evenly spaced in rows) or `anytime` (also for logs of a policy that adapts).

    Raises:
        UnsupportedAction: the policy names an action that the log does not have.
        UsageError: looks that cannot be, or several at a panel.
    """
    candidate, opponent = _target(policy, read), _target(baseline, read)
    if candidate.name == opponent.name and not isinstance(policy, str):
        candidate, opponent = replace(candidate, name="candidate"), replace(opponent, name="baseline")
    return evaluate_target(
        read.log,
        candidate,
        opponent,
        config=EvaluationConfig(),
        rng=np.random.default_rng(seed),
        reward_model=reward_model,
        findings=(*read_findings(read), *coverage_findings(read.log)),
        looks=parse_looks(looks) if isinstance(looks, str) else looks,
    )


def looks_of(look: str | None, *, anytime: bool) -> Looks:
    """What `--look` and `--anytime` say.

    Raises:
        UsageError: both are given, or the look is none.
    """
    if look is not None and anytime:
        raise UsageError(
            f"--look {look} and --anytime are given, which exclude each other",
            "keep the one that was chosen before the first look",
        )
    return parse_looks("anytime" if anytime else look or "once")


def draw_evaluation(log: LoggedDecisions, candidate: Target, evaluation: Evaluation, folder: Path) -> None:
    """The forest of estimates and, where propensities are logged, the overlap."""
    bars = [Bar(f"{e.policy} · {e.estimator}", e.value, e.low, e.high, e.trusted) for e in evaluation.estimates]
    title = f"{candidate.name}: {evaluation.verdict.value}"
    forest_plot(bars, folder / "estimates.png", title=title, x_label=f"{log.reward_name}, 95 % interval")
    weights = logged_weights(log, candidate)
    if weights is not None:
        overlap_plot(weights, folder / "overlap.png", title=f"overlap of {candidate.name} with the log")


def _target(policy: str | Policy | LoadedPolicy, read: LogRead) -> Target:
    if isinstance(policy, str):
        return resolve_target(parse_policy_spec(policy), read.log, None)
    return target_of_policy(policy.policy if isinstance(policy, LoadedPolicy) else policy)


def _distinct(policies: tuple[str, ...]) -> tuple[str, ...]:
    twice = [policy for policy, n in Counter(policies).items() if n > 1]
    if twice:
        raise UsageError(f"--policy {', '.join(twice)} is given more than once", "name every candidate once")
    return policies


def _evaluation_to_data(e: Evaluation) -> dict[str, object]:
    data: dict[str, object] = {
        "estimates": [_estimate_to_data(asdict(estimate)) for estimate in e.estimates],
        "comparison": asdict(e.comparison),
        "diagnostics": asdict(e.diagnostics),
        "recommended_estimator": e.recommended_estimator,
        "verdict": e.verdict.value,
        "reasons": list(e.reasons),
    }
    return data if e.looks.kind == Once.kind else data | {"looks": asdict(e.looks)}


def _estimate_to_data(estimate: dict[str, object]) -> dict[str, object]:
    n = estimate.pop("n_rounds")
    return {**estimate, "n": n}
