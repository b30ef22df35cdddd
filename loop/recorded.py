"""What `evaluate`, `train` and learning while live said, as the ledger keeps it: one verdict a question.

Whoever asks it again adds nothing. The question is what was judged against what, by which reward of which rows, with
which settings, seed and version of this program. Training again makes another policy version, hence another question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from config.evaluation import EvaluationConfig
from domain.canonical import content_hash
from domain.estimates import Comparison, Evaluation, Verdict
from domain.log import LoggedDecisions
from domain.records import VerdictRecord
from evaluation.judgement import Judgement
from evaluation.looks import Looks, Once
from loop.targets import policy_directory
from loop.wiring import Workspace
from policies.artifact import read_policy_card
from policies.spec import SpecKind, parse_policy_spec

CONSTANT = "constant"
EPISODE, ROUND = "episode", "round"
DECIDES = {ROUND: "dr", EPISODE: "drl"}  # what a judgement of a learner rests on


@dataclass(frozen=True)
class Asked:
    """What a run was asked, beside its policies."""

    verb: str
    run: str
    decision_point: str | None
    log_id: str
    log: LoggedDecisions  # the rows that judged
    seed: int
    config: EvaluationConfig
    more: Mapping[str, object]  # whatever else the answer depends on

    @property
    def per(self) -> str:
        panel = self.log.panel
        return EPISODE if panel is not None and bool((panel.step > 0).any()) else ROUND


def keep_evaluations(
    workspace: Workspace,
    evaluations: Sequence[Evaluation],
    log: LoggedDecisions,
    *,
    candidates: Sequence[str],
    baseline: str,
    decision_point: str | None,
    log_id: str,
    seed: int,
    looks: Looks,
    run: Path,
    is_streamed: bool = False,
) -> None:
    """The verdicts of one run of `evaluate`, one a candidate; `candidates` and `baseline` are SPECs."""
    named = [servable(workspace, candidate) for candidate in candidates]
    more: dict[str, object] = {"streamed": True} if is_streamed else {}
    if not isinstance(looks, Once):
        more["looks"] = {"kind": looks.kind, **asdict(looks)}
    if len(candidates) > 1:
        more["candidates"] = sorted(policy or spec for policy, spec in zip(named, candidates, strict=True))
    asked = Asked("evaluate", run.name, decision_point, log_id, log, seed, EvaluationConfig(), more)
    records = [
        _record(
            workspace,
            asked,
            e.comparison,
            candidate=candidate,
            policy=policy,
            baseline=servable(workspace, baseline) or baseline,
            estimator=e.recommended_estimator,
            verdict=e.verdict,
            reason=e.reasons[0],
            ess=e.diagnostics.ess,
        )
        for e, candidate, policy in zip(evaluations, candidates, named, strict=True)
    ]
    confidences = (e.looks.confidence for e in evaluations)
    _keep(workspace, *(replace(r, confidence=c) for r, c in zip(records, confidences, strict=True)))


def keep_training(
    workspace: Workspace,
    judgement: Judgement,
    log: LoggedDecisions,
    *,
    policy_version: str,
    baseline: str,
    decision_point: str | None,
    log_id: str,
    heldout_id: str | None,
    algo: str | None,
    seed: int,
    run: Path,
) -> None:
    """Both verdicts of one run of `train`: what is delivered against the baseline, and learning against constants.

    Args:
        workspace: where.
        judgement: what it came to.
        log: the rows that judged.
        policy_version: under which what is delivered is registered.
        baseline: SPEC.
        decision_point: whose policy it is; None = the only one's.
        log_id: of what it learned from.
        heldout_id: of another log that judged.
        algo: as asked for.
        seed: of the run.
        run: its folder.
    """
    more = {"learned_from": log_id, "algo": algo}
    judged_on = heldout_id or log_id
    asked = Asked("train", run.name, decision_point, judged_on, log, seed, EvaluationConfig(), more)
    is_learned = not judgement.delivered.startswith(f"{CONSTANT}:")
    served = policy_version if is_learned else judgement.delivered
    delivered, reason = _of_delivery(judgement)
    against = _record(
        workspace,
        asked,
        judgement.baseline_comparison,
        candidate=judgement.delivered,
        policy=served,
        baseline=servable(workspace, baseline) or baseline,
        estimator=DECIDES[asked.per],
        verdict=delivered,
        reason=reason,
        ess=judgement.diagnostics.ess,
    )
    learning = _record(
        workspace,
        asked,
        judgement.comparison,
        candidate=judgement.comparison.candidate,
        policy=served if is_learned else None,
        baseline=judgement.comparison.baseline,
        estimator=DECIDES[asked.per],
        verdict=judgement.verdict,
        reason=judgement.reasons[0],
        ess=judgement.diagnostics.ess,
    )
    _keep(workspace, against, learning)


def keep_learning(
    workspace: Workspace,
    judgement: Judgement,
    comparison: Comparison,
    log: LoggedDecisions,
    *,
    policy: str | None,
    decision_point: str,
    margin: float,
    seed: int,
    run: str,
) -> None:
    """The verdict of learning again while live: `comparison` is the candidate that was put forward, or the learned one.

    Args:
        workspace: where.
        judgement: what it came to.
        comparison: candidate - what is in force.
        log: the rows that judged.
        policy: under which the candidate would be served; None where nothing is put forward.
        decision_point: where.
        margin: a decision; the candidate may be worse by this much.
        seed: of the run.
        run: its name; every run learns from other rounds.
    """
    asked = Asked("learn", run, decision_point, f"live-{run}", log, seed, EvaluationConfig(margin=-margin), {})
    record = _record(
        workspace,
        asked,
        comparison,
        candidate=comparison.candidate,
        policy=policy,
        baseline=comparison.baseline,
        estimator=DECIDES[asked.per],
        verdict=_verdict_of(comparison, put_forward=policy is not None),
        reason=judgement.reasons[0],
        ess=judgement.diagnostics.ess,
    )
    _keep(workspace, record)


def _verdict_of(comparison: Comparison, *, put_forward: bool) -> Verdict:
    if comparison.low is None or comparison.high is None:
        return Verdict.CANNOT_TELL
    if put_forward:
        return Verdict.PROMOTE
    return Verdict.REJECT if comparison.high < 0 else Verdict.HOLD


def servable(workspace: Workspace, spec: str) -> str | None:
    """What a SPEC is called once it is live: constant:ACTION or p-...; None of what cannot be."""
    parsed = parse_policy_spec(spec)
    if parsed.kind is SpecKind.CONSTANT:
        return str(parsed)
    if parsed.kind not in (SpecKind.VERSION, SpecKind.PATH):
        return None
    is_version = parsed.kind is SpecKind.VERSION
    card = read_policy_card(policy_directory(workspace, parsed.argument) if is_version else Path(parsed.argument))
    return card.name if card.kind == CONSTANT else card.policy_version


def _of_delivery(judgement: Judgement) -> tuple[Verdict, str]:
    """The verdict on what is delivered: a run's own one is on learning."""
    found = judgement.baseline_comparison
    if judgement.verdict is Verdict.CANNOT_TELL:
        return Verdict.CANNOT_TELL, judgement.reasons[0]
    if found.low is None or found.high is None:
        return Verdict.CANNOT_TELL, f"no trustworthy number against {found.baseline}"
    if found.low > 0:
        return Verdict.PROMOTE, f"{found.candidate} earns provably more than {found.baseline}"
    if found.high < 0:
        return Verdict.REJECT, f"{found.candidate} earns provably less than {found.baseline}"
    return Verdict.HOLD, f"neither {found.candidate} nor {found.baseline} is proven to earn more"


def _record(
    workspace: Workspace,
    asked: Asked,
    comparison: Comparison,
    *,
    candidate: str,
    policy: str | None,
    baseline: str,
    estimator: str | None,
    verdict: Verdict,
    reason: str,
    ess: float,
) -> VerdictRecord:
    point = workspace.settings.decision_point_name(asked.decision_point)
    question = {
        "verb": asked.verb,
        "decision_point": point,
        "log": asked.log_id,
        "reward": asked.log.reward_name,
        "candidate": policy or candidate,
        "baseline": baseline,
        "seed": asked.seed,
        "config": asdict(asked.config),
        "version": _version(),
        **asked.more,
    }
    is_told = verdict is not Verdict.CANNOT_TELL
    return VerdictRecord(
        verdict_id="v-" + content_hash(question)[:16],
        verb=asked.verb,
        run=asked.run,
        made_at=workspace.clock.now(),
        decision_point=point,
        log_id=asked.log_id,
        reward=asked.log.reward_name,
        candidate=candidate,
        policy=policy,
        baseline=baseline,
        per=asked.per,
        estimator=estimator if is_told else None,
        difference=comparison.difference if is_told else None,
        low=comparison.low if is_told else None,
        high=comparison.high if is_told else None,
        confidence=asked.config.confidence,
        margin=asked.config.margin,
        verdict=verdict,
        reason=reason,
        ess=ess,
    )


def _keep(workspace: Workspace, *records: VerdictRecord) -> None:
    with workspace.knowledge.transaction() as books:
        books.verdicts.add(records)


def _version() -> str:
    try:
        return version("amso")
    except PackageNotFoundError:
        return "not installed"
