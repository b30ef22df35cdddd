"""Learning from matured rewards and from a fitted market at once, the real ones weighing more as they grow.

    share of the simulated rounds in the total weight = prior_rounds / (prior_rounds + n_real)

The market is what earlier data taught: a prior worth `prior_rounds` real rounds, whatever number of simulated ones
stands for it. In a market that moves, a real round counts 2^(-age / half-life), so that n_real stays finite and what
was learned before a change is unlearned. The market must not be fitted to the same rounds, or they count twice.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from agents.outcome_learner import OutcomeLearner
from config.experience import ExperienceConfig
from domain.actions import ActionSet
from domain.arrays import Column, FloatArray, TimeArray
from domain.context import Context
from domain.errors import InvalidSnapshot, MissingColumn
from domain.log import LoggedDecisions
from domain.policy import Learner, Policy
from env.market import Dynamics
from env.rollout import roll_out
from policies.baselines import UniformPolicy


@dataclass(frozen=True, kw_only=True)
class ExperienceLearner:
    """A learner of one-period logs that starts from what a market knows."""

    market: Dynamics  # fitted to earlier data
    learner: Learner = field(default_factory=OutcomeLearner)  # of the mixed rounds; one that heeds their weights
    config: ExperienceConfig = field(default_factory=ExperienceConfig)
    now: datetime | None = None  # aware; from which the ages count, needed with a half-life

    @property
    def name(self) -> str:
        return "experience"

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> Policy:
        """Learns from the real rounds of `log` and from simulated ones drawn by `rng`.

        Raises:
            MissingColumn: the log lacks a context column of the market, or times where there is a half-life.
            UnsupportedAction: the log's action set lacks an action of the market.
            InvalidSnapshot: a context column holds text in one of them and numbers in the other.
        """
        return self.learner.fit(self.mixed(log, rng), rng)

    def mixed(self, log: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
        """What is learned from: the real rounds, then the simulated ones, weighted."""
        simulated = simulated_rounds(self.market, self.config.n_simulated, rng)
        factor = age_factor(log, now=self.now, half_life_days=self.config.half_life_days)
        real_weight = log.sample_weight * factor
        n_real, total = float(factor.sum()), float(real_weight.sum())
        mean_weight = total / n_real if n_real else 1.0  # of a real round: the unit in which the prior counts
        prior_weight = np.full(len(simulated), self.config.prior_rounds * mean_weight / len(simulated))
        return _joined(replace(log, weight=real_weight), replace(simulated, weight=prior_weight))


def age_factor(log: LoggedDecisions, *, now: datetime | None, half_life_days: float | None) -> FloatArray:
    """(n_rounds,) 2^(-age / half-life), at most 1; all 1 without a half-life.

    Raises:
        MissingColumn: a half-life, but the log or the caller tells no time.
    """
    if half_life_days is None:
        return np.ones(len(log))
    if log.decided_at is None or now is None:
        raise MissingColumn(
            f"half_life_days is {half_life_days:g}, but {'the log has no decided_at' if now else 'no time was given'}",
            "add the times, or leave the half-life out",
        )
    return np.asarray(0.5 ** (np.maximum(_age_days(log.decided_at, now), 0.0) / half_life_days))


def simulated_rounds(market: Dynamics, n: int, rng: np.random.Generator) -> LoggedDecisions:
    """(n,) rounds of fresh customers, every supported action with the same probability."""
    played = roll_out(market, UniformPolicy(market.actions), 1, rng, state=market.initial(n, rng))
    return replace(played, panel=None)


def _age_days(decided_at: TimeArray, now: datetime) -> FloatArray:
    at = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "us")
    return np.asarray((at - decided_at) / np.timedelta64(1, "D"), dtype=np.float64)


def _joined(real: LoggedDecisions, simulated: LoggedDecisions) -> LoggedDecisions:
    """Over the real actions and the simulated columns: what the market never saw cannot be simulated."""
    columns = {
        name: _stacked(name, real.context.column(name), values) for name, values in simulated.context.columns.items()
    }
    n_rounds, first_unit = len(real) + len(simulated), int(real.unit.max(initial=-1)) + 1
    return LoggedDecisions(
        actions=real.actions,
        action=np.concatenate([real.action, _places(simulated.actions, real.actions)[simulated.action]]),
        reward=np.concatenate([real.reward, simulated.reward]),
        reward_name=real.reward_name,
        context=Context(columns, n_rounds),
        unit=np.concatenate([real.unit, first_unit + np.arange(len(simulated))]),
        weight=np.concatenate([real.sample_weight, simulated.sample_weight]),
    )


def _places(actions: ActionSet, among: ActionSet) -> np.ndarray:
    return np.array([among.index(action_id) for action_id in actions.ids], dtype=np.int64)


def _stacked(name: str, real: Column, simulated: Column) -> Column:
    if (real.dtype == object) is not (simulated.dtype == object):
        kinds = ["text" if values.dtype == object else "numbers" for values in (real, simulated)]
        raise InvalidSnapshot(
            f"context column {name!r} holds {kinds[0]} in the log and {kinds[1]} in the market's data",
            "read both the same way, or fit the market again",
        )
    return np.concatenate([real, simulated])
