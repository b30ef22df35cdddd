"""What the pages show beyond the verbs: the ranked strategies, decisions by day, and what the programme earned by arm.

The difference between policy and holdout is looked at whenever somebody opens a page, so its interval is a confidence
sequence (evaluation/guardrail.py), right however often one looks. An arm's own interval is for one look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import add
from statistics import NormalDist

from domain.decisions import Arm
from domain.ports import UnitOfWork
from domain.records import RewardMoments, StrategyRecord
from evaluation.guardrail import read_guardrail
from loop.readings import REWARD
from loop.wiring import Workspace

CHART_DAYS = 28
REWARD_DAYS = 90  # how far back rewards by arm are summed
N_EXPECTED = 10_000  # decisions of the policy at which the difference is told most sharply
_ARMS = (Arm.POLICY, Arm.BASELINE, Arm.HOLDOUT)


@dataclass(frozen=True)
class ArmReward:
    """Matured reward a decision in one arm."""

    arm: Arm
    n_units: int
    n_decisions: int
    mean: float
    low: float | None  # 95 %, units as clusters; None: too few units to say
    high: float | None


@dataclass(frozen=True)
class Earned:
    """One decision point: every arm, and policy minus holdout; None where the data cannot tell."""

    decision_point: str
    arms: tuple[ArmReward, ...]
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class DecisionsByDay:
    """Of the last days, the newest last; days are UTC."""

    days: tuple[date, ...]
    served: Mapping[str, tuple[int, ...]]  # policy | baseline | holdout -> a number a day


def ranked_strategies(workspace: Workspace) -> tuple[StrategyRecord, ...]:
    """What the newest recommendation of each decision point ranked, in its order."""
    with workspace.knowledge.transaction() as books:
        recent = books.strategies.recent(limit=500)
    newest: dict[str, str] = {}
    for record in recent:
        newest.setdefault(record.decision_point, record.run)
    return tuple(r for r in recent if r.run == newest[r.decision_point])


def earned(workspace: Workspace) -> tuple[Earned, ...]:
    """Every decision point with matured rewards."""
    since = workspace.clock.now() - timedelta(days=REWARD_DAYS)
    with workspace.knowledge.transaction() as books:
        found = [_earned(books, name, since) for name in workspace.settings.decision_points]
    return tuple(e for e in found if e.arms)


def decisions_by_day(workspace: Workspace, n_days: int = CHART_DAYS) -> DecisionsByDay:
    """How many decisions of what was served."""
    midnight = workspace.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    bounds = [midnight + timedelta(days=i - n_days + 1) for i in range(n_days + 1)]
    with workspace.knowledge.transaction() as books:
        counted = books.decisions.count_between(bounds)
    none = (0,) * n_days
    served = {arm.value: tuple(counted.get(arm.value, none)) for arm in _ARMS}
    return DecisionsByDay(tuple(b.date() for b in bounds[:-1]), served)


def _earned(books: UnitOfWork, decision_point: str, since: datetime) -> Earned:
    moments = books.replay.moments(decision_point, since)
    by_arm = {arm: [m for (found, _), m in moments.items() if found is arm] for arm in _ARMS}
    arms = {arm: reduce(add, found) for arm, found in by_arm.items() if found}
    rewards = tuple(_arm_reward(arm, found) for arm, found in arms.items())
    return Earned(decision_point, rewards, *_difference(arms.get(Arm.POLICY), arms.get(Arm.HOLDOUT)))


def _arm_reward(arm: Arm, found: RewardMoments) -> ArmReward:
    radius = NormalDist().inv_cdf(0.975) * found.variance_of_mean**0.5 if found.n_units > 1 else None
    low, high = (None, None) if radius is None else (found.mean - radius, found.mean + radius)
    return ArmReward(arm, found.n_units, found.n_decisions, found.mean, low, high)


def _difference(
    policy: RewardMoments | None, holdout: RewardMoments | None
) -> tuple[float | None, float | None, float | None]:
    """Both ends at 2.5 %."""
    if policy is None or holdout is None:
        return None, None, None
    found = read_guardrail(REWARD, policy, holdout, harm_margin=0.0, alpha=0.025, n_expected=N_EXPECTED)
    return (None, None, None) if found is None else (found.difference, found.low, found.high)
