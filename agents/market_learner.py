"""The learner of panels: fit a market to the log, train a DQN agent in it, deliver the agent's greedy policy.

The market is an ensemble, and every simulated customer draws its member, so the agent plans for what the data leave
open instead of for one best guess. What the log hardly tried on such customers is masked while learning and stays
masked in the delivered policy. What a simulated market promises is no estimate: evaluation/ judges the policy on
customers that neither market nor agent has seen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from agents.training import TrainingProgress, train_in_market
from config.dqn import DqnConfig
from config.market import MarketConfig
from domain.log import LoggedDecisions
from env.fit import fit_market
from env.model import MarketModel
from policies.network import NetworkPolicy


@dataclass(frozen=True)
class LearnedInMarket:
    """What learning from a panel leaves behind."""

    policy: NetworkPolicy
    market: MarketModel
    curve: tuple[TrainingProgress, ...]


@dataclass(frozen=True, kw_only=True)
class MarketLearner:
    """DQN in the fitted market.

    A log without time is a market of one period, in which OutcomeLearner finds the same plan at once.
    """

    discount: float = 0.95  # a period, in [0, 1)
    dqn: DqnConfig = field(default_factory=DqnConfig)
    market: MarketConfig = field(default_factory=MarketConfig)
    on_progress: Callable[[TrainingProgress], None] | None = None

    @property
    def name(self) -> str:
        return "dqn"

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> NetworkPolicy:
        """The greedy policy; see `learn` for what led to it."""
        return self.learn(log, rng).policy

    def learn(self, log: LoggedDecisions, rng: np.random.Generator) -> LearnedInMarket:
        """The policy with the market and the curve behind it.

        Raises:
            InvalidSnapshot: the log is too small to fit a market to.
        """
        market = fit_market(log, self.market, rng=rng)
        trained = train_in_market(
            market,
            self.dqn,
            discount=self.discount,
            seed=int(rng.integers(2**32)),
            on_progress=self.on_progress,
            support=None if market.support.masks_nothing else market.support,
        )
        return LearnedInMarket(trained.policy, market, trained.curve)
