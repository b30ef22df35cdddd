"""`amso train` and `amso.train`: fits the market, learns, judges on rows not seen, registers what is delivered."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.text import Text

from domain.errors import UsageError
from domain.estimates import Verdict
from domain.log import LoggedDecisions, LogRead
from domain.policy import Policy
from domain.records import PolicyRecord
from env.fidelity import FidelityReport
from env.forecast import SimulatedValue
from evaluation.judge import judge_learner
from evaluation.judgement import Judgement
from evaluation.refusals import read_refusals
from evaluation.target import Target
from loop.evidence import save_evidence
from loop.learners import Lesson, choose_algorithm, learn, make_learner
from loop.logs import LogRequest, content_hash, log_id, log_to_data, read_and_record, resolve_log
from loop.plots import Bar, curve_plot, forest_plot
from loop.recorded import keep_training
from loop.targets import baseline_spec, prefixes_of, resolve_target
from loop.text import WORDS, Reporter, comparison_line, console, interval, log_lines, number, progress_bar
from loop.threads import one_thread
from loop.trusted_market import promise_line, promise_to_data, promised, trusted_market
from loop.wiring import Workspace
from policies.artifact import save_policy
from policies.baselines import ConstantPolicy
from policies.spec import parse_policy_spec

ADVICE = {
    "learned": "propose the learned policy: on rows it did not see it provably earns more than {baseline} and than the "
    "best constant action",
    "constant": "use {action} for everyone: it provably earns more than {baseline}, and choosing by customer has no "
    "provable gain over it",
    "same": "keep {baseline}: nothing provably earns more",
    "worse": "keep {baseline}: {delivered} provably earns less",
    "open": "keep {baseline} for now: that {delivered} earns more is not proven; `amso recommend` designs the "
    "experiment that would tell",
    "nothing": "change nothing yet: this log cannot tell; `amso recommend` designs the experiment that would",
}


@dataclass(frozen=True)
class TrainedPolicy:
    """What training delivers, with the judgement that chose it; refitted on all rows unless another log judged it."""

    policy: Policy
    judgement: Judgement
    fidelity: FidelityReport
    lesson: Lesson | None  # None where a constant is delivered
    promise: SimulatedValue | None  # of the policy in the fitted market; None without time, or where that is unfaithful

    @property
    def market_notes(self) -> tuple[str, ...]:
        """Where the fitted market is off. Verdicts do not rest on it: they are taken from logged customers alone."""
        if self.fidelity.is_faithful:
            return ()
        off = "; ".join(self.fidelity.reasons)
        return (f"the fitted market is not faithful to the log ({off}); the verdict does not rest on it",)

    @property
    def advice(self) -> str:
        """What to do now."""
        against = self.judgement.baseline_comparison
        if self.judgement.verdict is Verdict.CANNOT_TELL or against.low is None or against.high is None:
            return ADVICE["nothing"]
        kind, _, action = self.judgement.delivered.partition(":")
        if f"constant:{action}" == against.baseline:
            return ADVICE["same"].format(baseline=against.baseline)
        if against.high < 0:
            return ADVICE["worse"].format(baseline=against.baseline, delivered=self.judgement.delivered)
        if against.low <= 0:
            return ADVICE["open"].format(baseline=against.baseline, delivered=self.judgement.delivered)
        return ADVICE[kind].format(action=action, baseline=against.baseline)


@dataclass(frozen=True)
class TrainAnswer:
    """What `train --json` prints, and the same for people."""

    read: LogRead
    judge: LogRead | None  # the log given to judge on
    trained: TrainedPolicy
    policy_version: str
    notes: tuple[str, ...]
    run: Path

    def to_data(self) -> dict[str, object]:
        j, promise = self.trained.judgement, self.trained.promise
        return {
            "run": str(self.run),
            "policy_version": self.policy_version,
            "log": log_to_data(self.read),
            "heldout_log": None if self.judge is None else log_to_data(self.judge),
            "reward": self.read.log.reward_name,
            "market": {
                "fidelity": self.trained.fidelity.to_data(),
                "simulated": None if promise is None else promise_to_data(promise),
            },
            "heldout": asdict(j.heldout),
            "best_constant": asdict(j.best_constant),
            "comparison": asdict(j.comparison),
            "baseline_comparison": asdict(j.baseline_comparison),
            "verdict": j.verdict.value,
            "delivered": j.delivered,
            "diagnostics": asdict(j.diagnostics),
            "advice": self.trained.advice,
            "reasons": [*j.reasons, *self.notes, *self.trained.market_notes],
        }

    def print(self) -> None:
        out, j = console(), self.trained.judgement
        for line in [*log_lines(self.read), *(log_lines(self.judge) if self.judge is not None else [])]:
            out.print(line)
        for line in self.trained.market_notes:
            out.print(line)
        if self.trained.promise is not None:
            out.print(promise_line(self.trained.promise))
        out.print(comparison_line(j.comparison))
        out.print(comparison_line(j.baseline_comparison))
        held = f"{number(j.heldout.value)} {interval(j.heldout.low, j.heldout.high)}"
        out.print(f"value of what is delivered, on rows it did not see ({j.heldout.method}): {held}")
        out.print(Text.assemble((WORDS[j.verdict], "bold"), f"; delivered: {j.delivered} ({self.policy_version})"))
        for reason in (*j.reasons, *self.notes):
            out.print(f"  · {reason}")
        out.print(f"advice: {self.trained.advice}")
        out.print(f"run: {self.run}")


def train(
    workspace: Workspace,
    request: LogRequest,
    *,
    baseline: str | None,
    heldout: Path | None,
    algo: str | None,
    seed: int,
) -> TrainAnswer:
    """The verb: leaves a run directory with plots and policy, and a registered candidate."""
    path, options = resolve_log(workspace, request)
    prefixes = prefixes_of((baseline,))
    read = read_and_record(workspace, path, options, probability_prefixes=prefixes)
    judge = None
    if heldout is not None:
        if content_hash(heldout) == content_hash(path):
            raise UsageError(f"--heldout {heldout} is the training log itself", "judge on rows not trained on")
        judge = read_and_record(workspace, heldout, options, probability_prefixes=prefixes)
    against, notes = baseline_spec(workspace, baseline, read.log.actions, request.decision_point)
    run = workspace.start_run("train", seed=seed)
    with progress_bar("train") as report:
        trained = train_policy(
            read, baseline=against, heldout=judge, algo=algo, seed=seed, report=report, workspace=workspace,
            folder=run.path,
        )  # fmt: skip
    version = save_policy(trained.policy, run.path / "policy", training_run=run.name)
    save_evidence(run.path, trained.judgement.evidence if heldout is None else None, log_id(path, options))
    answer = TrainAnswer(read, judge, trained, version, notes, run.path)
    _draw(answer)
    workspace.finish_run(run, {**answer.to_data(), **traffic_of(read.log)})
    _register(workspace, answer, request.decision_point)
    keep_training(
        workspace,
        trained.judgement,
        (judge or read).log,
        policy_version=version,
        baseline=against,
        decision_point=request.decision_point,
        log_id=log_id(path, options),
        heldout_id=None if heldout is None else log_id(heldout, options),
        algo=algo,
        seed=seed,
        run=run.path,
    )
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
        algo: `outcome`, `bandit` or `dqn`; None = by the kind of log.
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
    folder: Path | None = None,
) -> TrainedPolicy:
    """Judges the learner, then refits what is delivered on all rows."""
    log = read.log
    rng = np.random.default_rng(seed)
    algorithm = choose_algorithm(algo, log)
    learner = make_learner(algorithm)
    spec = parse_policy_spec(baseline)

    def target(rows: LoggedDecisions) -> Target:
        return resolve_target(spec, rows, workspace)

    report(0.02, "fitting the market")
    fidelity = trusted_market(log, algorithm, seed=seed, folder=folder)
    judgement = judge_learner(
        log,
        learner,
        target,
        rng=rng,
        heldout=None if heldout is None else heldout.log,
        refusals=(*read_refusals(read), *(() if heldout is None else read_refusals(heldout))),
        report=lambda share, doing: report(0.1 + 0.6 * share, doing),
    )
    report(0.75, "refitting on all rows")
    lesson = None
    if judgement.delivered == "learned":
        judged = judgement.policy if heldout is not None else None  # judged on another log: that very policy
        lesson = learn(learner, log, rng) if judged is None else Lesson(judged)
    policy = ConstantPolicy(log.actions, judgement.delivered.partition(":")[2]) if lesson is None else lesson.policy
    market = None if lesson is None else lesson.market
    is_promised = log.panel is not None and fidelity.is_faithful
    promise = promised(log, policy, market, seed=seed) if is_promised else None
    return TrainedPolicy(policy, judgement, fidelity, lesson, promise)


def _draw(answer: TrainAnswer) -> None:
    j, folder = answer.trained.judgement, answer.run
    found = [
        ("delivered, on rows not seen", j.heldout.value, j.heldout.low, j.heldout.high),
        (f"best constant ({j.best_constant.policy})", j.best_constant.value, j.best_constant.low, j.best_constant.high),
    ]
    bars = [
        Bar(label, value, low, high)
        for label, value, low, high in found
        if value is not None and low is not None and high is not None
    ]
    if bars:
        forest_plot(bars, folder / "values.png", title=f"train: {j.verdict.value}", x_label=answer.read.log.reward_name)
    lesson = answer.trained.lesson
    if lesson is not None and lesson.curve:
        curve_plot(
            [p.period for p in lesson.curve],
            [p.mean_reward for p in lesson.curve],
            folder / "curve.png",
            title="learning in the fitted market",
            x_label="periods played by each simulated customer",
            y_label="mean reward a period, exploring",
            levels={},
        )


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
