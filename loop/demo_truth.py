"""Predicted, realised and true: what was promised, what AMSO counted, and what the reference market knows exactly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

import numpy as np

from domain.arrays import FloatArray
from domain.decisions import Arm
from domain.policy import Policy
from env.reference import exact
from env.reference.tabular import TabularMarket
from loop.demo_business import BASELINE, Business
from loop.demo_live import WAVE_MONTHS, LivePart
from loop.wiring import Workspace

MONTHS = 6  # over which gains are summed, a customer
NOMINAL = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Amount:
    """A gain a customer over MONTHS months, EUR, with its 95 % interval; None where nothing measures it."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class TruthLine:
    """One policy against another."""

    policy: str
    against: str
    predicted: Amount
    true: float  # of the policy itself
    realised: Amount  # of the wave that met it, against the holdout of the same wave
    true_as_served: float | None  # with its share of exploration; None where nothing was realised


@dataclass(frozen=True)
class Truth:
    lines: tuple[TruthLine, ...]
    scores: Mapping[str, float]  # policy -> exact score: 0 = at random, 1 = the optimum
    n_rewards: int
    n_rewards_off: int  # that differ from the business's own ledger, by any amount


def exact_score(market: TabularMarket) -> Callable[[Policy], float]:
    """`exact.score` in this market for many policies: its ends are reckoned once."""
    low = exact.value(market, exact.uniform(market))
    high = float(market.initial_distribution @ exact.solve(market).state_value)
    return lambda policy: (exact.value(market, exact.distribution_of(market, policy)) - low) / (high - low)


def truth_of(
    workspace: Workspace, market: TabularMarket, part: LivePart, policies: Mapping[str, Policy], exploration: float
) -> Truth:
    """The table.

    Args:
        workspace: what AMSO knows.
        market: what is true.
        part: the live half.
        policies: `first policy`, `second policy` -> what was served, in that order.
        exploration: share of their decisions spread evenly.
    """
    rewards = _rewards(workspace, part.business)
    off = sum(rewards.get(d) != amount for d, amount in part.business.ledger.items())
    names = list(policies)
    lines = []
    for k, (name, wave) in enumerate(zip(names, WAVE_MONTHS, strict=False)):
        evidence = part.proposals[k].tracked.proposal.evidence
        predicted = _predicted(evidence.get("comparison"))
        distribution = exact.distribution_of(market, policies[name])
        served = (1 - exploration) * distribution + exploration * exact.uniform(market)
        base = exact.constant(market, BASELINE)
        realised = _realised(workspace, part, rewards, wave, part.proposals[k].tracked.proposal.proposal_id)
        if k:
            before = exact.distribution_of(market, policies[names[k - 1]])
            gain = _value(market, distribution) - _value(market, before)
            lines.append(TruthLine(name, names[k - 1], predicted, gain, Amount(), None))
            predicted = Amount()
        lines.append(
            TruthLine(
                name,
                BASELINE,
                predicted,
                _value(market, distribution) - _value(market, base),
                realised,
                _value(market, served) - _value(market, base),
            )
        )
    scores = {name: exact.score(market, policy) for name, policy in policies.items()}
    return Truth(tuple(lines), scores, len(part.business.ledger), off)


def _rewards(workspace: Workspace, business: Business) -> Mapping[str, Decimal]:
    with workspace.knowledge.transaction() as books:
        found = books.rewards.latest_of(list(business.ledger))
    return {decision: revision.amount for decision, revision in found.items()}


def _realised(
    workspace: Workspace, part: LivePart, rewards: Mapping[str, Decimal], wave: int, proposal_id: str
) -> Amount:
    """A wave's customers by the arm of their first decision; who left has earned all there is."""
    business = part.business
    mine = [d for d, m in business.month_of.items() if business.customers.joined_month[business.customer_of[d]] == wave]
    with workspace.knowledge.transaction() as books:
        first = books.decisions.find([d for d in mine if business.month_of[d] == wave])
    by_policy = {business.customer_of[d] for d, x in first.items() if x.proposal_id == proposal_id}
    held_out = {business.customer_of[d] for d, x in first.items() if x.arm is Arm.HOLDOUT}
    total: dict[int, float] = dict.fromkeys((*by_policy, *held_out), 0.0)
    for decision in mine:
        if business.month_of[decision] < wave + MONTHS and business.customer_of[decision] in total:
            total[business.customer_of[decision]] += float(rewards[decision])
    return _difference(*(np.array([total[c] for c in sorted(arm)]) for arm in (by_policy, held_out)))


def _difference(policy: FloatArray, holdout: FloatArray) -> Amount:
    """Means of customers, Welch's interval."""
    if min(len(policy), len(holdout)) < 2:
        return Amount()
    value = float(policy.mean() - holdout.mean())
    radius = NOMINAL * float(np.sqrt(policy.var(ddof=1) / len(policy) + holdout.var(ddof=1) / len(holdout)))
    return Amount(value, value - radius, value + radius)


def _predicted(comparison: object) -> Amount:
    if not isinstance(comparison, Mapping):
        return Amount()
    return Amount(comparison.get("difference"), comparison.get("low"), comparison.get("high"))


def _value(market: TabularMarket, distribution: FloatArray) -> float:
    return exact.value(market, distribution, horizon=MONTHS, discount=1.0)
