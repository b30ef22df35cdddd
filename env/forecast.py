"""What a policy earns in the fitted market, and how far the members disagree about it.

Simulated value is evidence of its own kind: it knows horizons that the log does not reach, and it is only as right as
the market. The members' spread says what the data leave open, not what the market's form gets wrong.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.model import MarketModel
from env.rollout import roll_out


@dataclass(frozen=True)
class SimulatedValue:
    """Discounted reward of an episode, a customer."""

    policy: str
    value: float
    stderr: float  # of the simulation alone
    by_member: tuple[float, ...]
    horizon: int  # periods

    @property
    def disagreement(self) -> float:
        """Standard deviation between members; 0 where there is one."""
        return float(np.std(self.by_member, ddof=1)) if len(self.by_member) > 1 else 0.0

    def pessimistic(self, n_deviations: float = 1.0) -> float:
        """The mean less so many standard deviations between members."""
        return self.value - n_deviations * self.disagreement


@dataclass(frozen=True)
class SimulatedGain:
    """One policy against another, member by member."""

    policy: SimulatedValue
    baseline: SimulatedValue

    @property
    def by_member(self) -> tuple[float, ...]:
        return tuple(a - b for a, b in zip(self.policy.by_member, self.baseline.by_member, strict=True))

    @property
    def value(self) -> float:
        return self.policy.value - self.baseline.value

    @property
    def disagreement(self) -> float:
        """Standard deviation between members of the difference; 0 where there is one member."""
        return float(np.std(self.by_member, ddof=1)) if len(self.by_member) > 1 else 0.0

    def pessimistic(self, n_deviations: float = 1.0) -> float:
        """The mean difference less so many standard deviations between members."""
        return self.value - n_deviations * self.disagreement


def expected_gain(
    model: MarketModel,
    policy: Policy,
    baseline: Policy,
    *,
    horizon: int,
    n_customers: int,
    rng: np.random.Generator,
    discount: float = 1.0,
) -> SimulatedGain:
    """Both policies on the same customers under the same members; see `expected_value`."""
    seed = int(rng.integers(2**63))

    def value(chosen: Policy) -> SimulatedValue:
        same = np.random.default_rng(seed)
        return expected_value(model, chosen, horizon=horizon, n_customers=n_customers, rng=same, discount=discount)

    return SimulatedGain(value(policy), value(baseline))


def expected_value(
    model: MarketModel,
    policy: Policy,
    *,
    horizon: int,
    n_customers: int,
    rng: np.random.Generator,
    discount: float = 1.0,
) -> SimulatedValue:
    """Simulates `n_customers` under `policy`, split evenly over the members; a log without time ends after one period.

    Args:
        model: the fitted market.
        policy: what acts; unsupported actions are masked.
        horizon: periods.
        n_customers: at least two a member.
        rng: of the simulation.
        discount: a period.
    """
    assert n_customers >= 2 * model.n_members, n_customers
    horizon = horizon if model.has_time else 1
    member = np.arange(n_customers) % model.n_members
    state = model.initial(n_customers, rng)
    log = roll_out(model, policy, horizon, rng, state=model.with_members(state[:, 1:], member))
    returns = _returns(log, n_customers, discount)
    by_member = tuple(float(returns[member == k].mean()) for k in range(model.n_members))
    stderr = float(returns.std(ddof=1) / np.sqrt(n_customers))
    return SimulatedValue(policy.name, float(np.mean(by_member)), stderr, by_member, horizon)


def _returns(log: LoggedDecisions, n_customers: int, discount: float) -> FloatArray:
    """(n_customers,) discounted sums."""
    assert log.panel is not None
    weighted = log.reward * discount**log.panel.step
    return np.asarray(np.bincount(log.panel.episode, weights=weighted, minlength=n_customers), dtype=np.float64)
