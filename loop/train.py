"""`amso train` and `amso.train`: fits the market, learns, judges on rows not seen, registers what is delivered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.diagnosis import refuse_unknown_actions
from config.dqn import DqnConfig
from domain.actions import Action
from domain.errors import Interrupted, UsageError
from domain.estimates import Finding
from domain.log import LoggedDecisions, LogRead
from domain.records import PolicyRecord
from evaluation.judge import judge_learner
from evaluation.judgement import Judgement
from evaluation.refusals import notes_of, read_refusals, refusals_of
from evaluation.target import Target
from loop.diagnose import diagnose_log
from loop.evidence import save_evidence
from loop.learners import Lesson, choose_algorithm, learn, make_learner, prices_of
from loop.logs import LogRequest, content_hash, log_id, read_and_record, resolve_log
from loop.recorded import keep_training
from loop.runs import RunDirectory
from loop.targets import baseline_spec, prefixes_of, resolve_target
from loop.text import Reporter, progress_bar
from loop.threads import one_thread
from loop.train_answer import TrainAnswer, TrainedPolicy
from loop.train_figures import draw_last, draw_values
from loop.train_progress import journey_of, judging
from loop.train_resume import Asked, begin_or_resume, drop_unfinished, interrupted, keep_unfinished
from loop.training_watch import DELIVERED, STAGES, Score, TrainingWatcher
from loop.trusted_market import promised, trusted_market
from loop.wiring import Workspace
from policies.artifact import save_policy
from policies.baselines import ConstantPolicy
from policies.spec import parse_policy_spec


@dataclass(frozen=True)
class _Question:
    """Everything that a training run depends on beside the config."""

    read: LogRead
    judge: LogRead | None  # the log given to judge on
    baseline: str
    notes: tuple[str, ...]
    algo: str | None
    seed: int
    log_id: str
    heldout_id: str | None
    catalogue: Sequence[Action]  # the decision point's, where one is configured

    @property
    def asked(self) -> Asked:
        return {
            "log": self.log_id,
            "heldout": self.heldout_id,
            "baseline": self.baseline,
            "algo": self.algo,
            "seed": self.seed,
        }


def train(
    workspace: Workspace,
    request: LogRequest,
    *,
    baseline: str | None,
    heldout: Path | None,
    algo: str | None,
    seed: int,
    resume: str | None = None,
    tensorboard: bool = False,
    score: Score | None = None,
) -> TrainAnswer:
    """The verb: leaves a run directory with plots and policy, and a registered candidate.

    Args:
        workspace: settings and stores.
        request: the log.
        baseline: SPEC of the policy that what is delivered is compared with; None = the configured one.
        heldout: another log to judge on.
        algo: the learner; None = by the kind of log.
        seed: of everything.
        resume: name of an interrupted run to go on with, asked the very same.
        tensorboard: whether the run directory gets event files.
        score: where the truth is known, what a policy is worth in it; only shown beside the learning curve.

    Raises:
        Interrupted: Ctrl-C; the run directory holds everything to go on.
    """
    if tensorboard:
        from agents.event_log import require_tensorboard

        require_tensorboard()
    question = _read(workspace, request, baseline=baseline, heldout=heldout, algo=algo, seed=seed)
    run = begin_or_resume(workspace, resume, question.asked, seed=seed)
    with progress_bar("train") as report:
        trained = _learn_and_judge(workspace, run, question, report, score=score, tensorboard=tensorboard)
    answer = _keep(workspace, run, question, trained, request.decision_point)
    drop_unfinished(run)
    return answer


def traffic_of(log: LoggedDecisions) -> dict[str, float | None]:
    """What a plan needs to know of a log: decisions a day, their rewards' spread, and how many make an episode."""
    n_episodes = len(log) if log.panel is None else len(np.unique(log.panel.episode))
    return {
        "decisions_per_day": decisions_per_day(log),
        "reward_sd": float(log.reward.std()),
        "periods_per_episode": len(log) / n_episodes,
    }


def decisions_per_day(log: LoggedDecisions) -> float | None:
    """None where the log has no times."""
    if log.decided_at is None or not len(log):
        return None
    return len(log) / (float((log.decided_at.max() - log.decided_at.min()) / np.timedelta64(1, "D")) + 1.0)


def train_log(
    read: LogRead, *, baseline: str = "logged", heldout: LogRead | None = None, algo: str | None = None, seed: int = 0
) -> TrainedPolicy:
    """Learns from a log and judges what was learned on rows it did not see.

    Args:
        read: what `amso.read_log` returned.
        baseline: SPEC of the policy that what is delivered is compared with.
        heldout: another log to judge on; None = cross-fitting, on a panel held-out customers.
        algo: one of loop.learners.ALGORITHMS; None = by the kind of log.
        seed: of folds, bootstrap and training.

    Raises:
        InsufficientOverlap: the log cannot carry the question at all.
        UnfaithfulMarket: the policy would be learned in a market that does not resemble the log.
    """
    return train_policy(read, baseline=baseline, heldout=heldout, algo=algo, seed=seed)


@one_thread
def train_policy(
    read: LogRead,
    *,
    baseline: str,
    heldout: LogRead | None,
    algo: str | None,
    seed: int,
    report: Reporter = lambda _share, _doing: None,
    workspace: Workspace | None = None,
    catalogue: Sequence[Action] = (),
    watcher: TrainingWatcher | None = None,
) -> TrainedPolicy:
    """Judges the learner, then refits what is delivered on all rows."""
    log = read.log
    rng = np.random.default_rng(seed)
    budget = DqnConfig() if watcher is None else watcher.budget
    journey = journey_of(log, budget, report) if watcher is None else watcher.journey
    algorithm, prices = choose_algorithm(algo, log), prices_of(log, catalogue)
    learner = make_learner(algorithm, budget=budget, watch=watcher, prices=prices)
    findings = diagnose_log(read, catalogue)
    spec = parse_policy_spec(baseline)

    def target(rows: LoggedDecisions) -> Target:
        return resolve_target(spec, rows, workspace)

    journey.tell("fidelity", 0.0, "checking a market fitted to the log")
    refusals = refusals_of(findings)
    folder = None if watcher is None else watcher.folder
    fidelity = trusted_market(log, algorithm, seed=seed, prices=prices, folder=folder, is_refused=bool(refusals))
    judgement = judge_learner(
        log,
        learner,
        target,
        rng=rng,
        heldout=None if heldout is None else heldout.log,
        refusals=(*refusals, *(() if heldout is None else read_refusals(heldout))),
        report=judging(journey),
    )
    judgement = _with_findings(judgement, findings)
    lesson = None
    if judgement.delivered == "learned":
        judged = judgement.policy if heldout is not None else None  # judged on another log: that very policy
        if watcher is not None:
            watcher.stage = DELIVERED
        if judged is None:
            journey.tell("fit delivered", 0.0, "learning from all rows")
        lesson = learn(learner, log, rng) if judged is None else Lesson(judged)
    policy = ConstantPolicy(log.actions, judgement.delivered.partition(":")[2]) if lesson is None else lesson.policy
    curves = () if watcher is None else tuple(watcher.curves.values())
    is_promised = log.panel is not None and fidelity.is_faithful
    market = None if lesson is None else lesson.market
    promise = promised(log, policy, market, seed=seed, prices=prices) if is_promised else None
    return TrainedPolicy(policy, judgement, fidelity, lesson, promise, curves)


def _with_findings(judgement: Judgement, findings: tuple[Finding, ...]) -> Judgement:
    """The judgement with what the log itself says: what refuses is among its reasons already."""
    d = judgement.diagnostics
    return replace(
        judgement,
        diagnostics=replace(d, findings=(*findings, *d.findings)),
        reasons=(*judgement.reasons, *notes_of(findings)),
    )


def _read(
    workspace: Workspace,
    request: LogRequest,
    *,
    baseline: str | None,
    heldout: Path | None,
    algo: str | None,
    seed: int,
) -> _Question:
    path, options = resolve_log(workspace, request)
    prefixes = prefixes_of((baseline,))
    read = read_and_record(workspace, path, options, probability_prefixes=prefixes)
    catalogue = workspace.settings.actions(request.decision_point)
    refuse_unknown_actions(read.log, catalogue)
    judge = None
    if heldout is not None:
        if content_hash(heldout) == content_hash(path):
            raise UsageError(f"--heldout {heldout} is the training log itself", "judge on rows not trained on")
        judge = read_and_record(workspace, heldout, options, probability_prefixes=prefixes)
    against, notes = baseline_spec(workspace, baseline, read.log.actions, request.decision_point)
    heldout_id = None if heldout is None else log_id(heldout, options)
    return _Question(read, judge, against, notes, algo, seed, log_id(path, options), heldout_id, catalogue)


def _learn_and_judge(
    workspace: Workspace,
    run: RunDirectory,
    question: _Question,
    report: Reporter,
    *,
    score: Score | None,
    tensorboard: bool,
) -> TrainedPolicy:
    """Watched: what was learned until Ctrl-C lies in the run directory."""
    read, training = question.read, workspace.settings.training
    stages = STAGES if question.judge is None else STAGES[1:]  # another log judges the very policy that is delivered
    watcher = TrainingWatcher(
        folder=run.path,
        budget=training.budget(),
        journey=journey_of(read.log, training.budget(), report, stages),
        checkpoint_seconds=training.checkpoint_seconds,
        score=score,
        has_event_log=tensorboard,
        stage=stages[0],
    )
    save_evidence(run.path, None, question.log_id)  # a policy that is left unfinished knows this log too
    try:
        trained = train_policy(
            read,
            baseline=question.baseline,
            heldout=question.judge,
            algo=question.algo,
            seed=question.seed,
            workspace=workspace,
            catalogue=question.catalogue,
            watcher=watcher,
        )
    except Interrupted as stopped:
        keep_unfinished(run, stopped.policy)
        draw_last(watcher.curves, run.path / "curve.png", reward_name=read.log.reward_name, is_finished=False)
        raise interrupted(run, watcher.stage, stopped) from stopped
    draw_last(watcher.curves, run.path / "curve.png", reward_name=read.log.reward_name)
    return trained


def _keep(
    workspace: Workspace, run: RunDirectory, question: _Question, trained: TrainedPolicy, decision_point: str | None
) -> TrainAnswer:
    """Policy, evidence, plots and metrics into the run directory; a candidate and its verdicts into the books."""
    read, judge, judgement = question.read, question.judge, trained.judgement
    version = save_policy(trained.policy, run.path / "policy", training_run=run.name)
    save_evidence(run.path, judgement.evidence if judge is None else None, question.log_id)
    draw_values(judgement, run.path / "values.png", reward_name=read.log.reward_name)
    answer = TrainAnswer(read, judge, trained, version, question.notes, run.path)
    workspace.finish_run(run, {**answer.to_data(), **traffic_of(read.log)})
    _register(workspace, answer, decision_point)
    keep_training(
        workspace,
        judgement,
        (judge or read).log,
        policy_version=version,
        baseline=question.baseline,
        decision_point=decision_point,
        log_id=question.log_id,
        heldout_id=question.heldout_id,
        algo=question.algo,
        seed=question.seed,
        run=run.path,
    )
    return answer


def _register(workspace: Workspace, answer: TrainAnswer, decision_point: str | None) -> None:
    record = PolicyRecord(
        policy_version=answer.policy_version,
        decision_point=workspace.settings.decision_point_name(decision_point),
        kind="constant" if answer.trained.lesson is None else answer.trained.policy.name,
        directory=str((answer.run / "policy").relative_to(workspace.data_dir)),
        run=answer.run.name,
        parent=None,
        status="candidate",
        verdict=answer.trained.judgement.verdict.value,
        created_at=workspace.clock.now(),
    )
    with workspace.knowledge.transaction() as books:
        books.policies.add(record)
