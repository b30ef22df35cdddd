"""How a live proposal does against the baseline: guardrails for the tracker, and what came of what was predicted."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import add
from statistics import NormalDist

from config.quantities import Margin
from config.settings import Settings
from domain.decisions import Arm
from domain.guardrails import GuardrailReading
from domain.ports import UnitOfWork
from domain.proposals import TrackedProposal
from domain.records import Prediction, RewardMoments
from evaluation.guardrail import read_guardrail

REWARD = "reward"
ALPHA = 0.05  # for all guardrails of a proposal together
Moments = Mapping[tuple[Arm, str | None], RewardMoments]


def worst_reading(books: UnitOfWork, tracked: TrackedProposal, settings: Settings) -> GuardrailReading | None:
    """A breached guardrail if there is one, else how the reward stands; None while there is too little.

    Compared are decisions since the step began where the proposal stands: its own, and those that got the baseline.
    Inside a step the reach does not change, so both come from the same times; over a widening canary a season alone
    would look like a loss. Each step is a test of its own, so they share the error rate.
    """
    proposal = tracked.proposal
    n_tests = (1 + len(settings.guardrails)) * (1 + len(proposal.plan.canary_steps))
    alpha = ALPHA / n_tests
    n_expected = 2 * max(proposal.plan.min_per_action, 500) * max(len(proposal.actions), 1)
    readings = [
        _read(books, tracked, metric, margin, alpha=alpha, n_expected=n_expected)
        for metric, margin in {REWARD: None, **{n: g.harm_if for n, g in settings.guardrails.items()}}.items()
    ]
    breached = [r for r in readings if r is not None and r.is_breached]
    return breached[0] if breached else readings[0]


def prediction_of(books: UnitOfWork, tracked: TrackedProposal, now: datetime) -> Prediction:
    """What its evidence promised a decision over the baseline, and the matured difference with its 95 % interval.

    Realised since its step began, as guardrails compare. The interval is for one look at the end; while a proposal
    runs, its guardrails tell.
    """
    proposal = tracked.proposal
    moments = _moments(books, tracked)
    policy, baseline = _arms(moments, proposal.proposal_id)
    predicted = proposal.evidence.get("per_decision")
    said = predicted if isinstance(predicted, Mapping) else {}
    realised = _difference(policy, baseline)
    return Prediction(
        proposal_id=proposal.proposal_id,
        policy_version=proposal.policy_version,
        predicted_amount=_number(said.get("difference")),
        predicted_low_amount=_number(said.get("low")),
        predicted_high_amount=_number(said.get("high")),
        realised_amount=realised[0],
        realised_low_amount=realised[1],
        realised_high_amount=realised[2],
        n_decisions=0 if policy is None else policy.n_decisions,
        as_of=now,
    )


def _read(
    books: UnitOfWork, tracked: TrackedProposal, metric: str, margin: Margin | None, *, alpha: float, n_expected: int
) -> GuardrailReading | None:
    moments = _moments(books, tracked, None if metric == REWARD else metric)
    policy, baseline = _arms(moments, tracked.proposal.proposal_id)
    if policy is None or baseline is None:
        return None
    if margin is not None and margin.is_above:  # harm is above: count it as losses
        policy, baseline = -policy, -baseline
    harm = 0.0 if margin is None else margin.amount * (abs(baseline.mean) if margin.is_relative else 1.0)
    return read_guardrail(metric, policy, baseline, harm_margin=harm, alpha=alpha, n_expected=n_expected)


def _moments(books: UnitOfWork, tracked: TrackedProposal, metric: str | None = None) -> Moments:
    """Since its step began; of baseline decisions only those about its own segment."""
    segment = tracked.proposal.segment
    is_for_all = not segment.predicate.conditions
    return books.replay.moments(
        tracked.proposal.decision_point,
        tracked.since,
        metric=metric,
        segment_id=None if is_for_all else segment.segment_id,
    )


def _arms(moments: Moments, proposal_id: str) -> tuple[RewardMoments | None, RewardMoments | None]:
    """The proposal's decisions, and those that got the baseline, holdout included."""
    plain = [found for (arm, _), found in moments.items() if arm is not Arm.POLICY]
    return moments.get((Arm.POLICY, proposal_id)), reduce(add, plain) if plain else None


def _difference(
    policy: RewardMoments | None, baseline: RewardMoments | None
) -> tuple[float | None, float | None, float | None]:
    if policy is None or baseline is None or min(policy.n_units, baseline.n_units) < 2:
        return None, None, None
    value = policy.mean - baseline.mean
    radius = NormalDist().inv_cdf(0.975) * (policy.variance_of_mean + baseline.variance_of_mean) ** 0.5
    return value, value - radius, value + radius


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
