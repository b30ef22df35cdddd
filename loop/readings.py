"""How a live proposal does against the baseline: guardrails for the tracker."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import add

from config.quantities import Margin
from config.settings import Settings
from domain.decisions import Arm
from domain.guardrails import GuardrailReading
from domain.ports import UnitOfWork
from domain.proposals import TrackedProposal
from domain.records import RewardMoments
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


def _read(
    books: UnitOfWork, tracked: TrackedProposal, metric: str, margin: Margin | None, *, alpha: float, n_expected: int
) -> GuardrailReading | None:
    moments = moments_of(books, tracked, tracked.since, metric=None if metric == REWARD else metric)
    policy, baseline = arms_of(moments, tracked.proposal.proposal_id)
    if policy is None or baseline is None:
        return None
    if margin is not None and margin.is_above:  # harm is above: count it as losses
        policy, baseline = -policy, -baseline
    harm = 0.0 if margin is None else margin.amount * (abs(baseline.mean) if margin.is_relative else 1.0)
    return read_guardrail(metric, policy, baseline, harm_margin=harm, alpha=alpha, n_expected=n_expected)


def moments_of(
    books: UnitOfWork,
    tracked: TrackedProposal,
    since: datetime,
    until: datetime | None = None,
    metric: str | None = None,
) -> Moments:
    """Between then and then; of baseline decisions only those about its own segment."""
    segment = tracked.proposal.segment
    is_for_all = not segment.predicate.conditions
    return books.replay.moments(
        tracked.proposal.decision_point,
        since,
        until=until,
        metric=metric,
        segment_id=None if is_for_all else segment.segment_id,
    )


def arms_of(moments: Moments, proposal_id: str) -> tuple[RewardMoments | None, RewardMoments | None]:
    """The proposal's decisions, and those that got the baseline, holdout included."""
    plain = [found for (arm, _), found in moments.items() if arm is not Arm.POLICY]
    return moments.get((Arm.POLICY, proposal_id)), reduce(add, plain) if plain else None
