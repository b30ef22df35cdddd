"""stable-baselines3's policy gradients in a market: PPO (Schulman et al. 2017) and A2C (Mnih et al. 2016).

They live as many customer-periods as DQN would; their rewards are divided by the running deviation of discounted
returns (stable-baselines3's VecNormalize), so that the unit does not matter. Delivered is the actor's likeliest action.
What they cannot do: heed masks while they learn, so they try in simulation what the log never tried (the support binds
what is delivered only); replay transitions of real customers; keep checkpoints; say what an action is worth in money:
their scores are logits.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from agents.layers import layers_of
from agents.sb3_env import MarketVecEnv
from agents.training import N_REPORTS, TrainedAgent, one_torch_thread
from agents.watch import TrainingProgress, TrainingWatch
from analysis.support import SupportTree
from config.dqn import DqnConfig
from domain.policy import Policy
from env.market import Dynamics, MarketCore
from policies.network import NetworkPolicy


@dataclass(frozen=True)
class PolicyGradient:
    """An algorithm and how it divides its customer-periods; tuned on the reference subscription market."""

    algorithm: type[PPO | A2C]
    customers_share: float  # of the customers that DQN would have side by side; the others' periods are added up
    settings: Mapping[str, Any]  # of stable-baselines3
    batch_periods: int | None = None  # all customers' in a gradient step; None = the algorithm takes its rollout whole


POLICY_GRADIENTS: Mapping[str, PolicyGradient] = {
    "ppo": PolicyGradient(
        PPO, 0.25, {"n_steps": 16, "n_epochs": 4, "learning_rate": 3e-3, "ent_coef": 0.01}, batch_periods=2
    ),
    "a2c": PolicyGradient(A2C, 1 / 16, {"n_steps": 8, "learning_rate": 1e-3, "ent_coef": 0.01}),
}


def train_policy_gradient(
    name: str,
    dynamics: Dynamics,
    config: DqnConfig,
    *,
    discount: float,
    seed: int,
    support: SupportTree | None = None,
    watch: TrainingWatch | None = None,
) -> TrainedAgent:
    """The likeliest actions of an actor that lived `config.periods * config.n_customers` customer-periods.

    Args:
        name: of POLICY_GRADIENTS.
        dynamics: the market.
        config: budget and hidden layers; what concerns replay and exploration is DQN's alone.
        discount: a period, in [0, 1).
        seed: of market, actions and first weights.
        support: binds what is delivered.
        watch: its checkpoint is left alone.
    """
    gradient = POLICY_GRADIENTS[name]
    market_seed, torch_seed, numpy_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(3))
    n_customers = max(2, round(config.n_customers * gradient.customers_share))
    core = MarketCore(dynamics, n_customers, horizon=config.restart_periods, seed=market_seed)
    env = VecNormalize(MarketVecEnv(core), norm_obs=False, gamma=discount, clip_reward=np.inf, epsilon=1e-12)
    with one_torch_thread(torch_seed), _numpy_seeded(numpy_seed):
        hidden = list(config.hidden)
        network = {"net_arch": {"pi": hidden, "vf": hidden}, "activation_fn": nn.ReLU}
        settings = dict(gradient.settings)
        if gradient.batch_periods is not None:
            settings["batch_size"] = gradient.batch_periods * n_customers
        agent = gradient.algorithm("MlpPolicy", env, gamma=discount, policy_kwargs=network, **settings)
        agent.set_logger(Logger(None, []))

        def deliver() -> NetworkPolicy:
            actor = [*agent.policy.mlp_extractor.policy_net, agent.policy.action_net]
            return NetworkPolicy(name, dynamics.actions, dynamics.encoder, layers_of(actor), support=support)

        recorder = _Recorder(TrainingWatch() if watch is None else watch, deliver, config)
        agent.learn(config.periods * config.n_customers, callback=recorder)
        return TrainedAgent(deliver(), tuple(recorder.curve), recorder.n_periods)


class _Recorder(BaseCallback):
    """The learning curve, in the periods of the config: `n_customers` customer-periods are one."""

    def __init__(self, watch: TrainingWatch, deliver: Callable[[], Policy], config: DqnConfig) -> None:
        super().__init__()
        self.curve: list[TrainingProgress] = []
        self._watch, self._deliver, self._config = watch, deliver, config
        self._rewards: list[float] = []

    @property
    def n_periods(self) -> int:
        return min(self.num_timesteps // self._config.n_customers, self._config.periods)

    def _on_step(self) -> bool:
        assert isinstance(self.training_env, VecNormalize)
        self._rewards.append(float(self.training_env.get_original_reward().mean()))
        return self._watch.stop is None or not self._watch.stop()

    def _on_rollout_start(self) -> None:  # after the gradient steps of the rollout before
        if self._rewards and self.n_periods * N_REPORTS >= (len(self.curve) + 1) * self._config.periods:
            self._report()

    def _on_training_end(self) -> None:
        if self._rewards:
            self._report()

    def _report(self) -> None:
        policy, watch = self._deliver(), self._watch
        point = TrainingProgress(
            self.n_periods,
            self._config.periods,
            float(np.mean(self._rewards)),
            None if watch.evaluate is None else watch.evaluate(policy),
            None if watch.simulate is None else watch.simulate(policy),
        )
        self._rewards.clear()
        self.curve.append(point)
        if watch.on_progress is not None:
            watch.on_progress(point)


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """stable-baselines3's rollouts shuffle by NumPy's global generator: seeded, and restored after."""
    state = np.random.get_state()  # noqa: NPY002 # see above
    np.random.seed(seed)  # noqa: NPY002 # see above
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002 # see above
