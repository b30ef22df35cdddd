"""`amso evaluate` and `amso.evaluate`: what a policy would have earned, from the log alone."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from config.evaluation import EvaluationConfig
from domain.estimates import Evaluation
from domain.log import LoggedDecisions, LogRead
from domain.policy import Policy
from evaluation.evaluate import evaluate as evaluate_target
from evaluation.evaluate import evaluate_with_scores
from evaluation.refusals import read_findings
from evaluation.rounds import logged_weights
from evaluation.target import Target, target_of_policy
from loop.loaded_policy import LoadedPolicy
from loop.logs import LogRequest, log_id, log_to_data, read_and_record, resolve_log
from loop.plots import Bar, forest_plot, overlap_plot
from loop.recorded import keep_evaluation
from loop.report import Asked, write_report
from loop.targets import baseline_spec, judge_target, on_common_rows, prefixes_of, resolve_target
from loop.text import WORDS, comparison_line, console, estimates_table, log_lines, progress_bar
from loop.threads import one_thread
from loop.wiring import Workspace
from policies.spec import parse_policy_spec


@dataclass(frozen=True)
class EvaluateAnswer:
    """What `evaluate --json` prints, and the same for people."""

    read: LogRead
    evaluation: Evaluation
    run: Path
    report: Path | None  # None where the log was streamed

    def to_data(self) -> dict[str, object]:
        e = self.evaluation
        return {
            "run": str(self.run),
            "report": None if self.report is None else str(self.report),
            "log": log_to_data(self.read),
            "reward": self.read.log.reward_name,
            "estimates": [_estimate_to_data(asdict(estimate)) for estimate in e.estimates],
            "comparison": asdict(e.comparison),
            "diagnostics": asdict(e.diagnostics),
            "recommended_estimator": e.recommended_estimator,
            "verdict": e.verdict.value,
            "reasons": list(e.reasons),
        }

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
        out.print(f"run: {self.run}")
        if self.report is not None:
            out.print(f"report: {self.report}")


@one_thread
def evaluate(
    workspace: Workspace, request: LogRequest, *, policy: str, baseline: str | None, seed: int
) -> EvaluateAnswer:
    """The verb: reads the log, evaluates, leaves a run directory with plots."""
    path, options = resolve_log(workspace, request)
    read = read_and_record(workspace, path, options, probability_prefixes=prefixes_of((policy, baseline)))
    against, notes = baseline_spec(workspace, baseline, read.log.actions, request.decision_point)
    this_log = log_id(path, options)
    judged, base = (judge_target(parse_policy_spec(s), read.log, workspace, this_log) for s in (policy, against))
    candidate, opponent, rows = on_common_rows(judged, base)
    log = read.log.take(rows)
    run = workspace.start_run("evaluate", seed=seed)
    with progress_bar("evaluate") as report:
        report(0.1, f"{policy} on {len(log):,} rounds")
        evaluation, scores = evaluate_with_scores(
            log,
            candidate,
            opponent,
            config=EvaluationConfig(),
            rng=np.random.default_rng(seed),
            refusals=(*judged.refusals, *base.refusals),
            findings=read_findings(read),
        )
        evaluation = replace(evaluation, reasons=(*evaluation.reasons, *judged.notes, *base.notes, *notes))
        report(0.8, "who gains and who loses")
        asked = Asked(request, policy, against, seed, this_log)
        page = write_report(run, asked, read, log, (candidate, opponent), evaluation, scores)
    answer = EvaluateAnswer(read, evaluation, run.path, page)
    draw_evaluation(log, candidate, evaluation, run.path)
    workspace.finish_run(run, answer.to_data())
    keep_evaluation(
        workspace,
        evaluation,
        log,
        candidate=policy,
        baseline=against,
        decision_point=request.decision_point,
        log_id=this_log,
        seed=seed,
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

    Raises:
        UnsupportedAction: the policy names an action that the log does not have.
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
        findings=read_findings(read),
    )


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


def _estimate_to_data(estimate: dict[str, object]) -> dict[str, object]:
    n = estimate.pop("n_rounds")
    return {**estimate, "n": n}
