"""Deep Q-learning on stable-baselines3, for many customers at once (Mnih et al. 2015; van Hasselt et al. 2016).

    loss = mean (Q(s, a) - r / scale - discount * continues * Q_target(s', argmax_b Q(s', b)))^2,  b over what s' allows

Where we leave stable-baselines3, and why:
- squared error instead of Huber: Huber on revenue-sized rewards learns something like a median, and with churn in the
  data that is another policy. The scale is that of returns, seen in the warm-up, and the network starts at their mean:
  what it must learn is then of size one whatever the currency and the horizon;
- a dueling network (agents/dueling.py), whose two heads are delivered as one layer;
- the double estimator, and masks in it as in acting: an action the data never tried must not carry value;
- every customer draws for itself, epsilon-greedily or by softmax, so each action has an exact propensity;
- exploration and learning rate are functions of the periods lived, not of the call: learning on restarts neither;
- periods pass from array to array: a dict a customer, as SB3's loop makes them, takes longer than the market;
- the delivered network is the running average of the online one, whose greedy policy jumps from step to step.
With n_step > 1 the rewards on the way are those of the exploring policy: the target is biased by as much.
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from agents.dueling import DuelingPolicy, head_of
from agents.layers import layers_of
from agents.replay import MaskedReplayBuffer, RealTransitions, TransitionBatch
from agents.sb3_env import MarketVecEnv
from config.dqn import DqnConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.policy import draw_actions
from env.market import MarketStep
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer

LAST_RATE = 0.05  # share of the learning rate that is left in the last period
AVERAGED_SHARE = 0.25  # the running average covers at most this share of the steps so far


class MarketDQN(DQN):
    """SB3's DQN with the mends above; `learn(total_timesteps)` counts customer-periods, as SB3 does.

    Its whole state: q_net, q_net_target, average_net, policy.optimizer, the replay buffer's arrays, rng, counters
    (_n_calls, num_timesteps, _n_updates) and reward_scale; agents/agent_state.py keeps and restores it.
    """

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
        self.reward_scale: float | None = None  # of returns; known after the warm-up
        self.last_propensity: FloatArray = np.ones(env.num_envs)  # (n_customers,) of the last actions
        super().__init__(
            DuelingPolicy,
            env,
            learning_rate=config.learning_rate,
            buffer_size=config.buffer_transitions,
            learning_starts=config.warmup_periods * env.num_envs,
            batch_size=config.batch_size,
            gamma=discount,
            train_freq=1,
            gradient_steps=config.gradient_steps,
            replay_buffer_class=MaskedReplayBuffer,
            target_update_interval=env.num_envs,  # unused: the target moves with every gradient step
            max_grad_norm=config.max_grad_norm,
            policy_kwargs={"net_arch": list(config.hidden), "optimizer_kwargs": {"fused": True}},
            device="cpu",
        )
        self.average_net = self.policy.make_q_net()
        self.average_net.load_state_dict(self.q_net.state_dict())

    @property
    def exploration(self) -> Exploration:
        """Uniform during the warm-up; from there the amount falls linearly from one to its final value."""
        c = self.config
        is_softmax = c.exploration == "softmax" and self._n_calls >= c.warmup_periods
        final = c.temperature_final if is_softmax else c.epsilon_final
        amount = 1 - (1 - final) * self._lived(c.exploration_periods)
        if is_softmax:
            return Exploration(ExplorationRule.SOFTMAX, amount)
        return Exploration(ExplorationRule.EPSILON_GREEDY, amount)

    def distribution(self, observation: NDArray[np.float32], allowed: BoolArray) -> FloatArray:
        """(n_customers, n_actions) the distribution from which actions are drawn now."""
        with torch.no_grad():
            scores = _scores(self.q_net, torch.from_numpy(observation)).numpy().astype(np.float64)
        return self.exploration.distribution(scores, allowed)

    def layers(self) -> tuple[Layer, ...]:
        """The averaged network, in units of the market's reward."""
        layers = layers_of(self.average_net.q_net)
        scale = 1.0 if self.reward_scale is None else self.reward_scale
        return (*layers[:-1], Layer(layers[-1].weight * scale, layers[-1].bias * scale))

    def learn(self, total_timesteps: int, **kwargs: Any) -> Self:  # type: ignore[override] # noqa: ANN401 # passed on
        """SB3's loop; it goes on where the last call stopped unless told otherwise."""
        kwargs.setdefault("reset_num_timesteps", False)
        return super().learn(total_timesteps, **kwargs)

    def collect_rollouts(
        self,
        env: VecEnv,  # noqa: ARG002 # SB3's; ours is self.market
        callback: BaseCallback,
        train_freq: TrainFreq,  # noqa: ARG002 # SB3's; one period
        replay_buffer: ReplayBuffer,
        action_noise: object = None,  # noqa: ARG002 # SB3's, for continuous actions
        learning_starts: int = 0,  # noqa: ARG002 # SB3's; the warm-up is in the exploration
        log_interval: int | None = None,  # noqa: ARG002 # SB3's; the callback reports
    ) -> RolloutReturn:
        """One period of every customer."""
        assert isinstance(replay_buffer, MaskedReplayBuffer)
        callback.on_rollout_start()
        core, observation = self.market.core, np.asarray(self._last_obs)
        allowed = core.action_mask()
        distribution = self.distribution(observation, allowed)
        action = draw_actions(distribution, self.rng)
        self.last_propensity = distribution[np.arange(self.n_envs), action]
        step = core.step(action)
        self._keep(replay_buffer, observation, allowed, action, step)
        self._last_obs = step.observation
        self.num_timesteps += self.n_envs
        self._n_calls += 1
        callback.update_locals({"rewards": step.reward})
        goes_on = callback.on_step()
        callback.on_rollout_end()
        return RolloutReturn(self.n_envs, 0, continue_training=goes_on)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """`gradient_steps` steps of Adam on samples of `batch_size` transitions."""
        assert isinstance(self.replay_buffer, MaskedReplayBuffer)
        scale = self._start_from(self.replay_buffer) if self.reward_scale is None else self.reward_scale
        c, optimizer = self.config, self.policy.optimizer
        online, target, average = (_parameters(n) for n in (self.q_net, self.q_net_target, self.average_net))
        for group in optimizer.param_groups:
            group["lr"] = c.learning_rate * (1 - (1 - LAST_RATE) * self._lived(c.periods - c.warmup_periods))
        for _ in range(gradient_steps):
            loss = self._loss(self._sample_batch(self.replay_buffer, batch_size), scale)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch's
            nn.utils.clip_grad_norm_(online, self.max_grad_norm, foreach=True)
            optimizer.step()
            self._n_updates += 1
            with torch.no_grad():
                torch._foreach_lerp_(target, online, c.target_rate)
                torch._foreach_lerp_(average, online, max(c.average_rate, 1 / (1 + AVERAGED_SHARE * self._n_updates)))

    def _lived(self, n_periods: int) -> float:
        """Share of the first `n_periods` after the warm-up that lies behind."""
        return min(max((self._n_calls - self.config.warmup_periods) / max(n_periods, 1), 0.0), 1.0)

    def _keep(
        self,
        replay_buffer: MaskedReplayBuffer,
        observation: NDArray[np.float32],
        allowed: BoolArray,
        action: IntArray,
        step: MarketStep,
    ) -> None:
        """Stores the true last observation of whom the market replaced.

        The market tells no mask for that last observation; the customer's mask of the period before stands in. It
        matters only where the horizon ended the episode: who left has no next value.
        """
        following, mask, ended = step.observation, self.market.core.action_mask(), step.terminated | step.truncated
        if ended.any():
            following, mask = following.copy(), mask.copy()
            following[ended] = step.final_observation
            mask[ended] = allowed[ended]
        replay_buffer.store(
            observation, following, action, step.reward, step.terminated, step.truncated, next_mask=mask
        )

    def _start_from(self, seen: MaskedReplayBuffer) -> float:
        """The scale of returns under random actions, by which rewards are divided; the networks start at their mean."""
        n_periods = seen.buffer_size if seen.full else seen.pos
        rewards = seen.rewards[:n_periods]
        left = float((seen.dones[:n_periods] * (1 - seen.timeouts[:n_periods])).mean())
        n_ahead = 1 / (1 - self.gamma * (1 - left))  # periods, discounted, that a customer brings
        self.reward_scale = _size_of(rewards) * n_ahead
        with torch.no_grad():
            for net in (self.q_net, self.q_net_target, self.average_net):
                head_of(net).value.bias.add_(float(np.mean(rewards, dtype=np.float64)) * n_ahead / self.reward_scale)
        return self.reward_scale

    def _sample_batch(self, simulated: MaskedReplayBuffer, batch_size: int) -> TransitionBatch:
        n_real = 0 if self.real is None else round(batch_size * self.real.real_share(self.config))
        batch = simulated.sample_transitions(
            batch_size - n_real, self.rng, n_steps=self.config.n_step, discount=self.gamma
        )
        return batch if self.real is None else batch.joined(self.real.sample_transitions(n_real, self.rng))

    def _loss(self, batch: TransitionBatch, scale: float) -> torch.Tensor:
        with torch.no_grad():
            preferred = _scores(self.q_net, batch.next_observation).masked_fill(~batch.next_mask, -torch.inf)
            next_action = preferred.argmax(dim=1, keepdim=True)
            next_value = _scores(self.q_net_target, batch.next_observation).gather(1, next_action).squeeze(1)
            target = batch.reward / scale + self.gamma * batch.continues * next_value
        value = _scores(self.q_net, batch.observation).gather(1, batch.action).squeeze(1)
        return nn.functional.mse_loss(value, target)


def _parameters(net: nn.Module) -> list[torch.Tensor]:
    return list(net.parameters())


def _scores(net: nn.Module, observation: torch.Tensor) -> torch.Tensor:
    """(n, n_actions), past SB3's preprocessing: the observations are features already."""
    scores: torch.Tensor = net.q_net(observation)  # type: ignore[operator] # SB3's Sequential
    return scores


def _size_of(rewards: NDArray[np.float32]) -> float:
    """Root mean square, so that the network starts at the size of what it must learn; 1 where nothing was paid."""
    return float(np.sqrt(np.mean(np.square(rewards, dtype=np.float64)))) or 1.0
