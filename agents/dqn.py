"""Deep Q-learning on stable-baselines3, for many customers at once (Mnih et al. 2015; van Hasselt et al. 2016).

    loss = mean (Q(s, a) - r / scale - discount * continues * Q_target(s', argmax_b Q(s', b)))^2,  b over what s' allows

Where we leave stable-baselines3, and why:
- squared error instead of Huber, on rewards divided by their own scale: Huber on revenue-sized rewards learns
  something like a median, and with churn in the data that is another policy;
- the double estimator, and masks in it as in acting: an action the data never tried must not carry value;
- every customer flips its own exploration coin, so each action has an exact propensity;
- exploration is a function of the periods lived, not of the call: learning on does not restart it;
- the delivered network is the running average of the online one, whose greedy policy jumps from step to step.
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.utils import polyak_update
from torch import nn

from agents.replay import MaskedReplayBuffer, RealTransitions, TransitionBatch
from agents.sb3_env import MarketVecEnv
from config.dqn import DqnConfig
from domain.arrays import BoolArray, FloatArray
from domain.policy import draw_actions
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer


class MarketDQN(DQN):
    """SB3's DQN with the mends above; `learn(total_timesteps)` counts customer-periods, as SB3 does."""

    def __init__(
        self,
        env: MarketVecEnv,
        config: DqnConfig,
        *,
        discount: float,
        rng: np.random.Generator,
        real: RealTransitions | None = None,
    ) -> None:
        self.config = config
        self.rng = rng
        self.real = real  # replayed beside what the market simulates
        self.market = env
        self.reward_scale: float | None = None  # known after the warm-up
        self.last_propensity: FloatArray = np.ones(env.num_envs)  # (n_customers,) of the last actions
        super().__init__(
            "MlpPolicy",
            env,
            learning_rate=lambda remaining: config.learning_rate * (0.1 + 0.9 * remaining),
            buffer_size=config.buffer_transitions,
            learning_starts=config.warmup_periods * env.num_envs,
            batch_size=config.batch_size,
            gamma=discount,
            train_freq=1,
            gradient_steps=config.gradient_steps,
            replay_buffer_class=MaskedReplayBuffer,
            target_update_interval=env.num_envs,  # unused: the target moves with every gradient step
            max_grad_norm=config.max_grad_norm,
            policy_kwargs={"net_arch": list(config.hidden)},
            device="cpu",
        )
        self.average_net = self.policy.make_q_net()
        self.average_net.load_state_dict(self.q_net.state_dict())

    def distribution(self, observation: NDArray[np.float32], allowed: BoolArray) -> FloatArray:
        """(n_customers, n_actions) the epsilon-greedy distribution from which actions are drawn now."""
        with torch.no_grad():
            scores = self.q_net(torch.from_numpy(observation)).numpy().astype(np.float64)
        return Exploration(ExplorationRule.EPSILON_GREEDY, self.epsilon).distribution(scores, allowed)

    @property
    def epsilon(self) -> float:
        """1 during the warm-up, then falling linearly to its final value."""
        lived = (self._n_calls - self.config.warmup_periods) / self.config.epsilon_periods
        return 1 - (1 - self.config.epsilon_final) * min(max(lived, 0.0), 1.0)

    def layers(self) -> tuple[Layer, ...]:
        """The averaged network, in units of the market's reward."""
        linear = [module for module in self.average_net.q_net if isinstance(module, nn.Linear)]
        layers = [Layer(_array(module.weight).T, _array(module.bias)) for module in linear]
        scale = 1.0 if self.reward_scale is None else self.reward_scale
        return (*layers[:-1], Layer(layers[-1].weight * scale, layers[-1].bias * scale))

    def learn(self, total_timesteps: int, **kwargs: Any) -> Self:  # type: ignore[override] # noqa: ANN401 # passed on
        """SB3's loop; it goes on where the last call stopped unless told otherwise."""
        kwargs.setdefault("reset_num_timesteps", False)
        return super().learn(total_timesteps, **kwargs)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """`gradient_steps` steps of Adam on samples of `batch_size` transitions."""
        assert isinstance(self.replay_buffer, MaskedReplayBuffer)
        if self.reward_scale is None:
            self.reward_scale = _scale_of(self.replay_buffer.rewards[: self.replay_buffer.pos])
        self._update_learning_rate(self.policy.optimizer)
        for _ in range(gradient_steps):
            loss = self._loss(self._sample_batch(self.replay_buffer, batch_size), self.reward_scale)
            self.policy.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch's
            nn.utils.clip_grad_norm_(self.q_net.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
            polyak_update(self.q_net.parameters(), self.q_net_target.parameters(), self.config.target_rate)
            polyak_update(self.q_net.parameters(), self.average_net.parameters(), self.config.average_rate)
        self._n_updates += gradient_steps

    def _sample_batch(self, simulated: MaskedReplayBuffer, batch_size: int) -> TransitionBatch:
        n_real = 0 if self.real is None else round(batch_size * self.real.real_share(self.config))
        batch = simulated.sample_transitions(batch_size - n_real, self.rng)
        return batch if self.real is None else batch.joined(self.real.sample_transitions(n_real, self.rng))

    def _loss(self, batch: TransitionBatch, scale: float) -> torch.Tensor:
        with torch.no_grad():
            preferred = self.q_net(batch.next_observation).masked_fill(~batch.next_mask, -torch.inf)
            next_action = preferred.argmax(dim=1, keepdim=True)
            next_value = self.q_net_target(batch.next_observation).gather(1, next_action).squeeze(1)
            target = batch.reward / scale + self.gamma * batch.continues * next_value
        value = self.q_net(batch.observation).gather(1, batch.action).squeeze(1)
        return nn.functional.mse_loss(value, target)

    def _sample_action(
        self,
        learning_starts: int,  # noqa: ARG002 # SB3's; the warm-up is in epsilon
        action_noise: object = None,  # noqa: ARG002 # SB3's, for continuous actions
        n_envs: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        self._allowed = self.market.action_masks()
        distribution = self.distribution(self._last_obs, self._allowed)  # type: ignore[arg-type] # an array, not a dict
        action = draw_actions(distribution, self.rng)
        self.last_propensity = distribution[np.arange(n_envs), action]
        return action, action

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: Any,  # noqa: ANN401 # SB3's signature; an array here
        reward: NDArray[Any],
        dones: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Stores the true last observation of whom the market replaced.

        The market tells no mask for that last observation; the customer's mask of the period before stands in. It
        matters only where the horizon ended the episode: who left has no next value.
        """
        assert isinstance(replay_buffer, MaskedReplayBuffer)
        next_obs, next_mask, ended = new_obs.copy(), self.market.action_masks().copy(), np.flatnonzero(dones)
        for row in ended:
            next_obs[row] = infos[row]["terminal_observation"]
        next_mask[ended] = self._allowed[ended]
        replay_buffer.add(self._last_obs, next_obs, buffer_action, reward, dones, infos, next_mask=next_mask)  # type: ignore[arg-type] # an array, not a dict
        self._last_obs = new_obs

    def _on_step(self) -> None:
        self._n_calls += 1
        self.exploration_rate = self.epsilon


def _array(tensor: torch.Tensor) -> FloatArray:
    return tensor.detach().numpy().astype(np.float64)


def _scale_of(rewards: NDArray[np.float32]) -> float:
    """Root mean square, so that the network starts at the size of what it must learn; 1 where nothing was paid."""
    return float(np.sqrt(np.mean(np.square(rewards, dtype=np.float64)))) or 1.0
