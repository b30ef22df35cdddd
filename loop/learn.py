"""Learns again from what live decisions earned: the next version is judged against the one in force, and only what
provably earns more is registered and proposed to people.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np

from config.evaluation import EvaluationConfig
from domain.actions import relative_prices
from domain.estimates import Comparison, Verdict
from domain.log import LoggedDecisions
from domain.people import Person, Role
from domain.ports import UnitOfWork
from domain.proposals import Status, TrackedProposal
from domain.records import PolicyRecord
from domain.segments import ALL
from domain.strategies import Strategy
from evaluation.judge import judge_learner
from evaluation.judgement import Judgement
from evaluation.target import Target, target_of_policy
from loop.experience import Experience, gather, keep_evidence, live_rounds
from loop.points import Point, point_of
from loop.recorded import keep_learning
from loop.runs import RunDirectory
from loop.shelf import PolicyShelf
from loop.threads import one_thread
from loop.train import traffic_of
from loop.trusted_market import why_untrusted
from loop.wiring import Workspace
from policies.artifact import save_policy
from tracker.audit import SYSTEM
from tracker.lifecycle import move
from tracker.plans import PlanInputs
from tracker.proposals import EXPERIMENT, ProposalDraft, propose, revise
from tracker.rollout import base_version

LEARNED = "learned"


@dataclass(frozen=True)
class Relearned:
    """What learning again came to."""

    decision_point: str
    told: str  # one sentence
    n_live: int
    judgement: Judgement | None = None
    policy_version: str | None = None
    proposal: TrackedProposal | None = None


@one_thread
def learn_again(workspace: Workspace, decision_point: str, *, now: datetime, seed: int) -> Relearned:
    """One attempt at a decision point.

    Raises:
        InsufficientOverlap, InvalidSnapshot: the rounds do not carry a learner.
    """
    point = point_of(workspace.settings, decision_point)
    on_its_way = _own(workspace, point, {Status.PENDING, Status.APPROVED, Status.CANARY})
    if on_its_way is not None:
        name, status = on_its_way.proposal.proposal_id, on_its_way.status.value
        return Relearned(decision_point, f"{name} is {status}: one version at a time", 0)
    live = live_rounds(workspace, point, now)
    least = workspace.settings.learning.min_rounds
    if len(live) < least:
        return Relearned(decision_point, f"{len(live):,} matured decisions of {least:,} needed", len(live))
    run = workspace.start_run("learn", seed=seed)
    with workspace.knowledge.transaction() as books:
        incumbent = base_version(books, workspace.settings, decision_point, ALL)
        base = _target(PolicyShelf(workspace.data_dir), books, _rival(incumbent, point), point)
    experience = gather(workspace, point, live, incumbent, now=now, seed=seed)
    untrusted = None
    if experience.configured is not None:  # live customers of several policies resemble no single behavior's market
        untrusted = why_untrusted(
            experience.configured, seed=seed, prices=relative_prices(point.actions), folder=run.path
        )
    if untrusted is not None:
        _put_forward(workspace, point, None, now)
        workspace.finish_run(run, {"told": untrusted, "n_live": experience.n_live})
        return Relearned(decision_point, untrusted, experience.n_live)
    held = experience.heldout
    judgement = judge_learner(
        experience.log,
        experience.learner,
        lambda _log: base if held is None else Target(incumbent, distribution=held.incumbent),
        config=EvaluationConfig(),
        rng=np.random.default_rng(seed),
        heldout=None if held is None else held.log,
    )
    keep_evidence(run.path, experience, judgement.evidence.distribution, point)
    return _conclude(workspace, point, run, experience, judgement, incumbent, now, seed)


def _conclude(
    workspace: Workspace,
    point: Point,
    run: RunDirectory,
    experience: Experience,
    judgement: Judgement,
    incumbent: str,
    now: datetime,
    seed: int,
) -> Relearned:
    """Registers and proposes what is proven; leaves the run's record either way."""
    margin = workspace.settings.learning.margin
    successor = _successor(judgement, experience.judged, margin)
    action, version, draft = None, None, None
    if successor is not None:
        action, version = _deliver(workspace, point, run, experience, successor, seed)
        draft = _draft(workspace, point, experience, judgement, successor, incumbent, action, run)
    proposal = _put_forward(workspace, point, draft, now)
    found = Relearned(
        point.name,
        _tell(judgement, experience.judged, successor, incumbent, margin),
        experience.n_live,
        judgement,
        version,
        proposal,
    )
    keep_learning(
        workspace, judgement, successor or judgement.learned_comparison, experience.log,
        policy=version, decision_point=point.name, margin=margin, seed=seed, run=run.name,
    )  # fmt: skip
    workspace.finish_run(run, _metrics(found))
    return found


def _successor(judgement: Judgement, log: LoggedDecisions, margin: float) -> Comparison | None:
    """What provably earns more than the incumbent, or at most `margin` a decision less; None where nothing does.

    The learned policy first, unless the best constant provably beats it; else that constant.
    """
    learned, constant = judgement.learned_comparison, judgement.baseline_comparison
    asked = [] if judgement.verdict is Verdict.REJECT else [learned]
    asked += [] if judgement.delivered == LEARNED else [constant]
    for comparison in asked:
        low = per_decision(comparison, log)["low"]
        if low is not None and low > -margin:
            return comparison
    return None


def _put_forward(
    workspace: Workspace, point: Point, draft: ProposalDraft | None, now: datetime
) -> TrackedProposal | None:
    """A new proposal, or the next revision of one whose base has moved; that one is refused where nothing is proven."""
    agent, settings = Person(SYSTEM, (Role.PROPOSER,), None, "", now), workspace.settings
    waiting = _own(workspace, point, {Status.EVALUATING})
    with workspace.knowledge.transaction() as books:
        if waiting is None:
            return None if draft is None else propose(books, draft, proposer=agent, settings=settings, now=now)
        name = waiting.proposal.proposal_id
        if draft is None:
            reason = "judged anew: nothing provably earns more than what is in force"
            move(books, name, Status.REFUSED, actor=SYSTEM, reason=reason, now=now, expected=waiting)
            return None
        return revise(books, name, draft, proposer=agent, settings=settings, now=now)


def _own(workspace: Workspace, point: Point, statuses: set[Status]) -> TrackedProposal | None:
    """The newest proposal that learning made at this point and that stands so."""
    with workspace.knowledge.transaction() as books:
        found = books.proposals.all(statuses)
    own = [t for t in found if t.proposal.proposer == SYSTEM and t.proposal.decision_point == point.name]
    return own[0] if own else None


def _deliver(
    workspace: Workspace, point: Point, run: RunDirectory, experience: Experience, successor: Comparison, seed: int
) -> tuple[str, str]:
    """(the strategy's action, its policy version): a constant is its action; what was learned is registered."""
    if successor.candidate != LEARNED:
        return successor.candidate.removeprefix("constant:"), successor.candidate
    policy = experience.learner.fit(experience.everything, np.random.default_rng(seed))
    version = save_policy(policy, run.path / "policy", training_run=run.name)
    record = PolicyRecord(
        policy_version=version,
        decision_point=point.name,
        kind=policy.name,
        directory=str((run.path / "policy").relative_to(workspace.data_dir)),
        run=run.name,
        parent=None,
        status="candidate",
        verdict=Verdict.PROMOTE.value,
        created_at=workspace.clock.now(),
    )
    with workspace.knowledge.transaction() as books:
        books.policies.add(record)
    return f"policy:{version}", version


def _draft(
    workspace: Workspace,
    point: Point,
    experience: Experience,
    judgement: Judgement,
    successor: Comparison,
    incumbent: str,
    action: str,
    run: RunDirectory,
) -> ProposalDraft:
    active = workspace.settings.learning.active_for
    traffic = traffic_of(experience.live)
    return ProposalDraft(
        strategy_id=Strategy(point.name, ALL, action).strategy_id,
        decision_point=point.name,
        segment=ALL,
        action=action,
        actions=point.action_set.ids if action.startswith("policy:") else (action,),
        evidence={
            "verdict": Verdict.PROMOTE.value,
            "comparison": asdict(successor),
            "per_decision": per_decision(successor, experience.judged),
            "margin": workspace.settings.learning.margin,
            "against_best_constant": asdict(judgement.comparison),
            "method": judgement.heldout.method,
            "n_live": experience.n_live,
            "run": run.name,
            "reasons": list(judgement.reasons),
        },
        base_version=incumbent,
        plan=PlanInputs(
            decisions_per_day=traffic["decisions_per_day"],
            reward_sd=traffic_of(experience.log)["reward_sd"],
            active_days=None if active is None else active.days,
            largest_loss_amount=0.0,
        ),
        note=f"learned again from {experience.n_live:,} matured decisions",
    )


def per_decision(comparison: Comparison, log: LoggedDecisions) -> dict[str, float | None]:
    """The gain a decision; a panel's comparison is an episode's of the log that judged, so its periods share it."""
    n_periods = traffic_of(log)["periods_per_episode"]
    assert n_periods is not None
    named = {"difference": comparison.difference, "low": comparison.low, "high": comparison.high}
    return {name: None if value is None else value / n_periods for name, value in named.items()}


def _rival(incumbent: str, point: Point) -> str:
    """Whom to beat: what is in force; while an experiment runs, what it experiments against."""
    if incumbent != EXPERIMENT or point.baseline is None:
        return incumbent
    return f"constant:{point.baseline}"


def _target(policies: PolicyShelf, books: UnitOfWork, version: str, point: Point) -> Target:
    return target_of_policy(policies.policy(books, version, point.action_set), version)


def _tell(
    judgement: Judgement, judged: LoggedDecisions, successor: Comparison | None, incumbent: str, margin: float
) -> str:
    asked = successor or judgement.learned_comparison
    if asked.difference is None:
        return f"cannot tell whether anything earns more than {incumbent}: {judgement.reasons[0]}"
    each = per_decision(asked, judged)
    found = f"{each['difference']:.4g} [{each['low']:.4g}, {each['high']:.4g}] a decision"
    worse = f"is not worse than {incumbent} by more than {margin:g}"
    claim = worse if margin else f"earns more than {incumbent}"
    if successor is None:
        return f"not proven that {asked.candidate} {claim}: {found}"
    return f"proven that {asked.candidate} {claim}: {found}; proposed"


def _metrics(found: Relearned) -> dict[str, object]:
    j = found.judgement
    assert j is not None
    return {
        "told": found.told,
        "n_live": found.n_live,
        "comparison": asdict(j.comparison),
        "baseline_comparison": asdict(j.baseline_comparison),
        "learned_comparison": asdict(j.learned_comparison),
        "verdict": j.verdict.value,
        "delivered": j.delivered,
        "policy_version": found.policy_version,
        "proposal": None if found.proposal is None else found.proposal.proposal.proposal_id,
        "reasons": list(j.reasons),
    }
