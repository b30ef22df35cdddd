"""The learner of panels: fit a market to the log, train a DQN agent in it, deliver the agent's greedy policy.

The market is an ensemble, and every simulated customer draws its member, so the agent plans for what the data leave
open instead of for one best guess; where members disagree it sees the market with caution. Where something hidden drove
the logged actions, the market answers that first (env/confounding.py). What the log hardly tried on such customers is
masked while learning and stays masked in the delivered policy. Matured rewards of live customers can be replayed beside
the simulated ones, weighing more as they grow (agents/replay.py). What a simulated market promises is no estimate:
evaluation/ judges the policy on customers that neither market nor agent has seen.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from agents.experience import age_factor
from agents.replay import RealTransitions, real_transitions
from agents.sb3_algorithms import train_policy_gradient
from agents.training import TrainedAgent, train_in_market
from agents.watch import TrainingProgress, TrainingWatch
from analysis.support import SupportTree
from config.dqn import DqnConfig
from config.market import MarketConfig
from domain.context import Context
from domain.errors import ConfigError, Interrupted
from domain.log import LoggedDecisions
from env.confounding import deconfound
from env.fit import fit_market
from env.model import MarketModel
from policies.network import NetworkPolicy

WatchMarket = Callable[[MarketModel, LoggedDecisions], AbstractContextManager[TrainingWatch]]


@dataclass(frozen=True)
class LearnedInMarket:
    """What learning from a panel leaves behind."""

    policy: NetworkPolicy
    market: MarketModel
    curve: tuple[TrainingProgress, ...]


@dataclass(frozen=True, kw_only=True)
class MarketLearner:
    """DQN in the fitted market, or a policy gradient of stable-baselines3 within the same budget.

    A log without time is a market of one period, in which OutcomeLearner finds the same plan at once.

    Raises:
        ConfigError: real transitions for an algorithm that cannot replay them.
    """

    algorithm: str = "dqn"  # or one of agents.sb3_algorithms.POLICY_GRADIENTS
    discount: float = 0.95  # a period, in [0, 1)
    dqn: DqnConfig = field(default_factory=DqnConfig)
    market: MarketConfig = field(default_factory=MarketConfig)
    prices: Mapping[str, float] = field(default_factory=dict)  # as `env.fit.fit_market` takes them
    has_hidden_drivers: bool = True  # may something outside the context have driven actions and outcomes?
    watch: WatchMarket | None = field(default=None, compare=False, repr=False)  # asked once the market is fitted
    real: LoggedDecisions | None = field(default=None, compare=False, repr=False)  # a panel of live customers
    half_life_days: float | None = None  # a real transition counts half after so long; None = all alike
    now: datetime | None = None  # aware; from which the ages count, needed with a half-life

    def __post_init__(self) -> None:
        if self.real is not None and self.algorithm != "dqn":
            raise ConfigError(
                f"{self.algorithm} was given transitions of real customers, but it learns from its own actions only",
                "learn with dqn, or leave them out",
            )

    @property
    def name(self) -> str:
        return self.algorithm

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> NetworkPolicy:
        """The greedy policy; see `learn` for what led to it."""
        return self.learn(log, rng).policy

    def learn(self, log: LoggedDecisions, rng: np.random.Generator) -> LearnedInMarket:
        """The policy with the market and the curve behind it.

        Raises:
            InvalidSnapshot: the log is too small to fit a market to, or `real` is no panel.
            Interrupted: the watch asked to stop; it bears the policy as far as it was learned.
            MissingColumn: `real` lacks a column of the market, or times where there is a half-life.
        """
        chance, hidden = rng.spawn(1)[0], tuple[str, ...]()
        if self.has_hidden_drivers:
            answer = deconfound(log, rng=chance)
            log, hidden = answer.log, answer.hidden
        market = fit_market(log, self.market, rng=rng, prices=self.prices, hidden=hidden)
        seed = int(rng.integers(2**32))
        with nullcontext(TrainingWatch()) if self.watch is None else self.watch(market, _visible(log, hidden)) as watch:
            trained = self._train(market, seed, watch)
        if not trained.is_finished(self.dqn):
            raise Interrupted(f"stopped after {trained.n_periods} of {self.dqn.periods} periods", policy=trained.policy)
        return LearnedInMarket(trained.policy, market, trained.curve)

    def _train(self, market: MarketModel, seed: int, watch: TrainingWatch) -> TrainedAgent:
        cautious, support = market.pessimistic(self.market.n_deviations), _support(market)
        if self.algorithm != "dqn":
            return train_policy_gradient(
                self.algorithm, cautious, self.dqn, discount=self.discount, seed=seed, support=support, watch=watch
            )
        return train_in_market(
            cautious,
            self.dqn,
            discount=self.discount,
            seed=seed,
            support=support,
            real=None if self.real is None else self._transitions(self.real, market),
            on_progress=watch.on_progress,
            evaluate=watch.evaluate,
            simulate=watch.simulate,
            checkpoint=watch.checkpoint,
            stop=watch.stop,
        )

    def _transitions(self, real: LoggedDecisions, market: MarketModel) -> RealTransitions | None:
        factor = age_factor(real, now=self.now, half_life_days=self.half_life_days)
        return real_transitions(
            real, actions=market.actions, encoder=market.encoder, support=_support(market), age_factor=factor
        )


def _visible(log: LoggedDecisions, hidden: Collection[str]) -> LoggedDecisions:
    """What a policy may see of the rounds."""
    if not hidden:
        return log
    columns = {name: values for name, values in log.context.columns.items() if name not in hidden}
    return replace(log, context=Context(columns, log.context.n_rounds))


def _support(market: MarketModel) -> SupportTree | None:
    return None if market.support.masks_nothing else market.support
