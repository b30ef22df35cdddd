"""Training an agent in a market, and the policy that comes out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from agents.dqn import MarketDQN
from agents.replay import RealTransitions
from agents.sb3_env import MarketVecEnv
from analysis.support import SupportTree
from config.dqn import DqnConfig
from domain.policy import Policy
from env.market import Dynamics, MarketCore
from policies.network import NetworkPolicy

N_REPORTS = 20  # points of the learning curve


@dataclass(frozen=True)
class TrainingProgress:
    """One point of the learning curve."""

    period: int
    periods: int  # of the whole training
    mean_reward: float  # a customer and period, since the last point, exploration included
    score: float | None  # what `evaluate` said of the policy as it would be delivered now


@dataclass(frozen=True)
class TrainedAgent:
    policy: NetworkPolicy
    curve: tuple[TrainingProgress, ...]


def train_in_market(
    dynamics: Dynamics,
    config: DqnConfig,
    *,
    discount: float,
    seed: int,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    evaluate: Callable[[Policy], float] | None = None,
    support: SupportTree | None = None,
    real: RealTransitions | None = None,
) -> TrainedAgent:
    """A DQN agent's greedy policy after `config.periods` periods in the market of `dynamics`.

    The same seed gives the same bytes on the same machine and versions. `discount` is a period's, in [0, 1).
    Actions that the market masks keep scores that nothing has taught: hand the mask over as `support`.
    `real` is replayed beside what the market simulates.
    """
    market_seed, agent_seed, torch_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(3))
    core = MarketCore(dynamics, config.n_customers, horizon=config.restart_periods, seed=market_seed)
    with _one_torch_thread(torch_seed):
        rng = np.random.default_rng(agent_seed)
        agent = MarketDQN(MarketVecEnv(core), config, discount=discount, rng=rng, real=real)
        deliver = partial(policy_of, dynamics=dynamics, support=support)
        recorder = _CurveRecorder(deliver, config.periods, on_progress, evaluate)
        agent.set_logger(
            Logger(None, [])
        )  # stable-baselines3's own leaves a folder behind in every temporary directory
        agent.learn(config.periods * config.n_customers, callback=recorder)
        return TrainedAgent(deliver(agent), tuple(recorder.curve))


def policy_of(agent: MarketDQN, dynamics: Dynamics, support: SupportTree | None = None) -> NetworkPolicy:
    """The greedy policy of the agent as it stands; its scores are expected discounted rewards."""
    return NetworkPolicy("dqn", dynamics.actions, dynamics.encoder, agent.layers(), support=support)


class _CurveRecorder(BaseCallback):
    def __init__(
        self,
        deliver: Callable[[MarketDQN], Policy],
        periods: int,
        on_progress: Callable[[TrainingProgress], None] | None,
        evaluate: Callable[[Policy], float] | None,
    ) -> None:
        super().__init__()
        self.curve: list[TrainingProgress] = []
        self._deliver, self._periods = deliver, periods
        self._on_progress, self._evaluate = on_progress, evaluate
        self._every = max(1, periods // N_REPORTS)
        self._rewards: list[float] = []

    def _on_step(self) -> bool:
        self._rewards.append(float(self.locals["rewards"].mean()))
        if self.n_calls % self._every == 0:
            self._report()
        return True

    def _report(self) -> None:
        assert isinstance(self.model, MarketDQN)
        score = None if self._evaluate is None else self._evaluate(self._deliver(self.model))
        point = TrainingProgress(self.n_calls, self._periods, float(np.mean(self._rewards)), score)
        self._rewards.clear()
        self.curve.append(point)
        if self._on_progress is not None:
            self._on_progress(point)


@contextmanager
def _one_torch_thread(seed: int) -> Iterator[None]:
    """Seeded, on one thread (sums in a fixed order, and small networks gain nothing from more); all restored after."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(n_threads)
