"""What came of a proposal: policy minus baseline a matured decision, over the times in which it served at one reach.

Compared are decisions since its step began, as guardrails compare: over a widening canary a season alone would look
like a gain. Of several steps the one with the most matured decisions counts. When it serves no more, rewards of its
last step go on maturing until the reward wait is over. The interval is for one look at the end.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import NormalDist

from config.settings import Settings
from domain.ports import UnitOfWork
from domain.proposals import LIVE, Status, TrackedProposal
from domain.records import RealisedGain, RewardMoments
from loop.readings import arms_of, moments_of

ENDED = frozenset(
    {Status.PAUSED, Status.ROLLING_BACK, Status.ROLLED_BACK, Status.SUPERSEDED, Status.MATURING, Status.COMPLETED}
)
Times = tuple[datetime, datetime | None]  # [since, until); None = it still serves


def keep_realised(
    books: UnitOfWork, tracked: TrackedProposal, settings: Settings, now: datetime, live: Sequence[TrackedProposal] = ()
) -> None:
    """Brings the proposal's row up to date; nothing where it never served, or where nothing more can mature.

    `live` is everything that serves now.
    """
    known = books.realised.get(tracked.proposal.proposal_id)
    if tracked.status in ENDED and known is not None and known.as_of >= _settled_at(tracked):
        return
    times = _times(books, tracked)
    if times is None:
        return
    terms = _terms(tracked, settings) if known is None else known
    if tracked.status in LIVE and any(_is_rival(tracked, other) for other in live):
        terms = replace(terms, has_rivals=True)
    found = _gain(books, tracked, times, terms, now)
    if known is not None and known.since != found.since and found.n_decisions < known.n_decisions:
        found = replace(  # the step before still knows more
            known, until=known.until or found.since, has_rivals=found.has_rivals, as_of=now
        )
    books.realised.put(found)


def served_policy(tracked: TrackedProposal) -> str:
    """p-..., `experiment`, or constant:ACTION: also of a registered version that only ever serves one action."""
    proposal = tracked.proposal
    if proposal.policy_version.startswith("p-") and len(proposal.actions) == 1:
        return f"constant:{proposal.actions[0]}"
    return proposal.policy_version


def live_baseline(settings: Settings, decision_point: str) -> str:
    """What those get for whom no proposal decides; `baseline` where the product itself says it."""
    action = settings.baseline(decision_point)
    return "baseline" if action is None else f"constant:{action}"


def _is_rival(tracked: TrackedProposal, other: TrackedProposal) -> bool:
    """Whether the other takes some kind of unit away from those that the baseline is left with."""
    own, its = tracked.proposal, other.proposal
    return own.decision_point == its.decision_point and own.segment.segment_id != its.segment.segment_id


def _settled_at(tracked: TrackedProposal) -> datetime:
    """When the last reward of one that serves no more has matured."""
    return tracked.since + timedelta(days=tracked.proposal.plan.reward_wait_days)


def _times(books: UnitOfWork, tracked: TrackedProposal) -> Times | None:
    """Its present step, or its last one; None where it never served."""
    if tracked.status in LIVE:
        return tracked.since, None
    moves = [e for e in books.audit.entries(subject=f"proposal:{tracked.proposal.proposal_id}") if e.act == "move"]
    steps = [i for i, e in enumerate(moves) if e.details.get("to") in LIVE]
    if not steps or steps[-1] + 1 == len(moves):
        return None
    return moves[steps[-1]].at, moves[steps[-1] + 1].at


def _terms(tracked: TrackedProposal, settings: Settings) -> RealisedGain:
    """On what terms it is compared: a change of the rules pauses what is live, so these are the ones it began under."""
    p, exploration = tracked.proposal, settings.exploration
    is_known = p.decision_point in settings.decision_points
    return RealisedGain(
        proposal_id=p.proposal_id,
        decision_point=p.decision_point,
        segment_id=p.segment.segment_id,
        policy=served_policy(tracked),
        baseline=live_baseline(settings, p.decision_point) if is_known else "unknown",
        reward=settings.objective.metric,
        exploration_share=0.0 if exploration is None else exploration.share,
        has_rivals=False,
        since=tracked.since,
        until=None,
        amount=None,
        low_amount=None,
        high_amount=None,
        n_decisions=0,
        n_units=0,
        as_of=tracked.since,
    )


def _gain(
    books: UnitOfWork, tracked: TrackedProposal, times: Times, terms: RealisedGain, now: datetime
) -> RealisedGain:
    since, until = times
    policy, baseline = arms_of(moments_of(books, tracked, since, until), tracked.proposal.proposal_id)
    amount, low, high = _difference(policy, baseline)
    return replace(
        terms,
        since=since,
        until=until,
        amount=amount,
        low_amount=low,
        high_amount=high,
        n_decisions=0 if policy is None else policy.n_decisions,
        n_units=min(0 if arm is None else arm.n_units for arm in (policy, baseline)),
        as_of=now,
    )


def _difference(
    policy: RewardMoments | None, baseline: RewardMoments | None
) -> tuple[float | None, float | None, float | None]:
    if policy is None or baseline is None or min(policy.n_units, baseline.n_units) < 2:
        return None, None, None
    value = policy.mean - baseline.mean
    radius = NormalDist().inv_cdf(0.975) * (policy.variance_of_mean + baseline.variance_of_mean) ** 0.5
    return value, value - radius, value + radius
