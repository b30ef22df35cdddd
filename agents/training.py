"""Training an agent in a market, and the policy that comes out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from agents.agent_state import agent_state, identity_of, restore_agent
from agents.checkpoint import Checkpoint, CheckpointStore
from agents.dqn import MarketDQN
from agents.replay import RealTransitions
from agents.sb3_env import MarketVecEnv
from agents.watch import TrainingProgress, TrainingWatch
from analysis.support import SupportTree
from config.dqn import DqnConfig
from domain.policy import Policy
from env.market import Dynamics, MarketCore
from policies.network import NetworkPolicy

N_REPORTS = 20  # points of the learning curve
SIMULATE_EVERY = 2  # of its points: simulating shall take a twentieth of the training's time, not a tenth


@dataclass(frozen=True)
class TrainedAgent:
    policy: NetworkPolicy
    curve: tuple[TrainingProgress, ...]
    n_periods: int  # lived; fewer than the config's where it was stopped

    def is_finished(self, config: DqnConfig) -> bool:
        return self.n_periods >= config.periods


def train_in_market(
    dynamics: Dynamics,
    config: DqnConfig,
    *,
    discount: float,
    seed: int,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    evaluate: Callable[[Policy], float] | None = None,
    simulate: Callable[[Policy], float] | None = None,
    support: SupportTree | None = None,
    real: RealTransitions | None = None,
    checkpoint: CheckpointStore | None = None,
    stop: Callable[[], bool] | None = None,
    n_reports: int = N_REPORTS,
) -> TrainedAgent:
    """A DQN agent's greedy policy after `config.periods` periods in the market of `dynamics`.

    The same seed gives the same bytes on the same machine and versions, whether or not the training was interrupted.

    Args:
        dynamics: the market.
        config: the agent and its budget.
        discount: a period, in [0, 1).
        seed: of market, exploration, replay and first weights.
        on_progress: told every point of the learning curve; on resuming the earlier ones first.
        evaluate: asked for the score of the policy as it would be delivered, at every point.
        simulate: the same, of its simulated value, at every second point and the last.
        support: actions that the market masks keep scores that nothing has taught: hand the mask over.
        real: replayed beside what the market simulates.
        checkpoint: where to go on from, if it holds this training, and where to keep it.
        stop: asked after every period; True ends the training there, after a checkpoint.
        n_reports: points of the learning curve.

    Raises:
        UsageError: `checkpoint` holds another training.
        InvalidSnapshot: `checkpoint` cannot be read.
    """
    market_seed, agent_seed, torch_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(3))
    core = MarketCore(dynamics, config.n_customers, horizon=config.restart_periods, seed=market_seed)
    with one_torch_thread(torch_seed):
        rng = np.random.default_rng(agent_seed)
        agent = MarketDQN(MarketVecEnv(core), config, discount=discount, rng=rng, real=real)
        deliver = partial(policy_of, dynamics=dynamics, support=support)
        watch = TrainingWatch(
            on_progress=on_progress, evaluate=evaluate, simulate=simulate, checkpoint=checkpoint, stop=stop
        )
        identity = {} if checkpoint is None else identity_of(dynamics, config, discount=discount, seed=seed, real=real)
        recorder = _Recorder(watch, deliver, config.periods, identity, n_reports)
        kept = None if checkpoint is None else checkpoint.read(identity)
        if kept is not None:
            recorder.restore(agent, kept)
        agent.set_logger(
            Logger(None, [])
        )  # stable-baselines3's own leaves a folder behind in every temporary directory
        _learn(agent, config, recorder)
        return TrainedAgent(deliver(agent), tuple(recorder.curve), agent._n_calls)


def policy_of(agent: MarketDQN, dynamics: Dynamics, support: SupportTree | None = None) -> NetworkPolicy:
    """The greedy policy of the agent as it stands; its scores are expected discounted rewards."""
    return NetworkPolicy("dqn", dynamics.actions, dynamics.encoder, agent.layers(), support=support)


def _learn(agent: MarketDQN, config: DqnConfig, recorder: "_Recorder") -> None:
    """The periods that are left; the schedules count from the first."""
    n_left = config.periods - agent._n_calls
    if n_left <= 0:
        return
    with suppress(_StopRequest):
        agent.learn(n_left * config.n_customers, callback=recorder)


class _StopRequest(Exception):  # stable-baselines3 ends a rollout early only in the middle of a period
    pass


class _Recorder(BaseCallback):
    """Keeps curve and checkpoints, always between two periods: after one's gradient steps, before the next begins."""

    def __init__(
        self,
        watch: TrainingWatch,
        deliver: Callable[[MarketDQN], Policy],
        periods: int,
        identity: dict[str, str],
        n_reports: int,
    ) -> None:
        super().__init__()
        self.curve: list[TrainingProgress] = []
        self._watch, self._deliver, self._periods, self._identity = watch, deliver, periods, identity
        self._every = max(1, periods // n_reports)
        self._rewards: list[float] = []  # mean of each period since the last point

    def restore(self, agent: MarketDQN, kept: Checkpoint) -> None:
        """Curve and agent as they were kept."""
        restore_agent(agent, kept)
        self.curve = [TrainingProgress(**point) for point in kept.facts["curve"]]
        self._rewards = list(kept.facts["rewards"])
        for point in self.curve:
            self._tell(point)

    def _on_step(self) -> bool:
        self._rewards.append(float(self.locals["rewards"].mean()))
        return True

    def _on_rollout_start(self) -> None:
        if self._agent._n_calls:  # the first rollout starts before anything was lived
            self._end_period(is_last=False)

    def _on_training_end(self) -> None:
        self._end_period(is_last=True)

    @property
    def _agent(self) -> MarketDQN:
        assert isinstance(self.model, MarketDQN)
        return self.model

    def _end_period(self, *, is_last: bool) -> None:
        if self._rewards and (is_last or self._agent._n_calls % self._every == 0):
            self._report(simulates=is_last or len(self.curve) % SIMULATE_EVERY == SIMULATE_EVERY - 1)
        stops = not is_last and self._watch.stop is not None and self._watch.stop()
        store = self._watch.checkpoint
        if store is not None and (is_last or stops or store.is_due()):
            store.write(agent_state(self._agent, self._facts()), self._identity)
        if stops:
            raise _StopRequest

    def _facts(self) -> dict[str, object]:
        return {"curve": [asdict(point) for point in self.curve], "rewards": self._rewards}

    def _report(self, *, simulates: bool) -> None:
        policy = self._deliver(self._agent)
        simulate = self._watch.simulate if simulates else None
        point = TrainingProgress(
            self._agent._n_calls,
            self._periods,
            float(np.mean(self._rewards)),
            None if self._watch.evaluate is None else self._watch.evaluate(policy),
            None if simulate is None else simulate(policy),
        )
        self._rewards.clear()
        self.curve.append(point)
        self._tell(point)

    def _tell(self, point: TrainingProgress) -> None:
        if self._watch.on_progress is not None:
            self._watch.on_progress(point)


@contextmanager
def one_torch_thread(seed: int) -> Iterator[None]:
    """Seeded, on one thread (sums in a fixed order, and small networks gain nothing from more); all restored after."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(n_threads)
