"""What DQN replays: stable-baselines3's buffer, made to refuse poison and keep masks, and what real customers did.

A gradient batch draws real_share = n_real / (n_real + prior_transitions) of its transitions from the real ones, capped
at max_real_share (config/dqn.py), and the rest from the ring of simulated ones.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer

from analysis.features import FeatureEncoder
from analysis.support import SupportTree
from config.dqn import DqnConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions


class TransitionBatch(NamedTuple):
    """A sample of transitions as tensors; every one (batch_size, ...)."""

    observation: torch.Tensor  # (batch_size, n_features)
    action: torch.Tensor  # (batch_size, 1)
    reward: torch.Tensor  # (batch_size,) as the market paid it; of several periods: discounted to the first
    next_observation: torch.Tensor  # (batch_size, n_features)
    continues: torch.Tensor  # (batch_size,) 0 where the customer left, else discount^(periods - 1), 1 of a single one
    next_mask: torch.Tensor  # (batch_size, n_actions) what may be chosen next

    def joined(self, other: "TransitionBatch") -> "TransitionBatch":
        """Both samples in one."""
        return TransitionBatch(*(torch.cat(pair) for pair in zip(self, other, strict=True)))


class MaskedReplayBuffer(ReplayBuffer):
    """A ring of (periods, customers) transitions for a discrete action space.

    Stock SB3 takes NaN rewards, action 99 of 8 and observations that only fit by broadcasting; this one does not.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 # SB3's constructor, unchanged
        super().__init__(*args, **kwargs)
        assert isinstance(self.action_space, spaces.Discrete)
        self.n_actions = int(self.action_space.n)
        self.next_masks = np.ones((self.buffer_size, self.n_envs, self.n_actions), dtype=np.bool_)

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
        *,
        next_mask: BoolArray | None = None,
    ) -> None:
        """One period of every customer.

        Args:
            next_mask: (n_customers, n_actions) what may be chosen in `next_obs`; None = everything.

        Raises:
            InvalidSnapshot: a wrong shape, an action outside the set, a number that is not finite, or an empty mask.
        """
        ended_by_horizon = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos])
        self.store(
            obs, next_obs, action, reward, done & ~ended_by_horizon, done & ended_by_horizon, next_mask=next_mask
        )

    def store(
        self,
        observation: NDArray[np.float32],
        next_observation: NDArray[np.float32],
        action: IntArray,
        reward: FloatArray,
        terminated: BoolArray,
        truncated: BoolArray,
        *,
        next_mask: BoolArray | None = None,
    ) -> None:
        """`add` without infos; (n_customers, ...) each. The same is refused."""
        mask = np.ones((self.n_envs, self.n_actions), dtype=np.bool_) if next_mask is None else next_mask
        self._check(observation, next_observation, action, reward, mask)
        at = self.pos
        self.observations[at], self.next_observations[at], self.next_masks[at] = observation, next_observation, mask
        self.actions[at, :, 0], self.rewards[at] = action, reward
        self.dones[at], self.timeouts[at] = terminated | truncated, truncated
        self.pos = (at + 1) % self.buffer_size
        self.full |= self.pos == 0

    def sample_transitions(
        self, batch_size: int, rng: np.random.Generator, *, n_steps: int = 1, discount: float = 1.0
    ) -> TransitionBatch:
        """A uniform sample with replacement, each over `n_steps` periods or as many as its episode has in the ring."""
        n_periods = self.buffer_size if self.full else self.pos
        first = rng.integers(0, n_periods * self.n_envs, batch_size)
        last, reward, reach = self._walk(first, n_periods, n_steps, discount)
        left = self.dones.take(last) * (1 - self.timeouts.take(last))
        return TransitionBatch(
            observation=_rows(self.observations, first),
            action=_rows(self.actions, first),
            reward=torch.from_numpy(reward),
            next_observation=_rows(self.next_observations, last),
            continues=torch.from_numpy((1 - left) * reach),
            next_mask=_rows(self.next_masks, last),
        )

    def _walk(
        self, first: IntArray, n_periods: int, n_steps: int, discount: float
    ) -> tuple[IntArray, NDArray[np.float32], NDArray[np.float32]]:
        """(batch_size,) each: the last row of the way, what was paid on it, and discount^(periods walked - 1)."""
        n_rows = n_periods * self.n_envs
        age = (self.pos - 1 - first // self.n_envs) % n_periods  # periods stored after this one
        last, reward = first, self.rewards.take(first)
        reach = np.ones(len(first), np.float32)
        goes_on = np.ones(len(first), np.bool_)
        for k in range(1, n_steps):
            goes_on &= (age >= k) & (self.dones.take(last) == 0)
            last = np.where(goes_on, (first + k * self.n_envs) % n_rows, last)
            reward += np.where(goes_on, np.float32(discount**k) * self.rewards.take(last), np.float32(0))
            reach = np.where(goes_on, np.float32(discount**k), reach)
        return last, reward, reach

    def _check(
        self, obs: NDArray[Any], next_obs: NDArray[Any], action: NDArray[Any], reward: NDArray[Any], mask: BoolArray
    ) -> None:
        n, hint = self.n_envs, "the market that produced this transition is broken: nothing was stored"
        shapes = {"observation": (n, *self.obs_shape), "next observation": (n, *self.obs_shape)}
        shapes |= {"action": (n,), "reward": (n,), "mask": (n, self.n_actions)}
        for (name, shape), found in zip(shapes.items(), (obs, next_obs, action, reward, mask), strict=True):
            if found.shape != shape:
                raise InvalidSnapshot(f"{name} has shape {found.shape}; expected {shape}", hint)
        for name, values in (("observation", obs), ("next observation", next_obs), ("reward", reward)):
            if not np.isfinite(values).all():
                raise InvalidSnapshot(f"{name} holds {_first_bad(values)}; expected finite numbers", hint)
        if action.min() < 0 or action.max() >= self.n_actions:
            bad = action[(action < 0) | (action >= self.n_actions)][0]
            raise InvalidSnapshot(f"action {bad} is outside 0..{self.n_actions - 1}", hint)
        if not mask.any(axis=1).all():
            raise InvalidSnapshot("a customer has no allowed action; expected at least one", hint)


@dataclass(frozen=True, eq=False)
class RealTransitions:
    """What real customers went through, drawn in proportion to its weight."""

    transitions: TransitionBatch  # all of them
    edges: FloatArray  # (n_transitions,) cumulated weights, the last one 1
    n_real: float  # what they count for: older ones may count less than one

    def real_share(self, config: DqnConfig) -> float:
        """Of a gradient batch."""
        return min(self.n_real / (self.n_real + config.prior_transitions), config.max_real_share)

    def sample_transitions(self, batch_size: int, rng: np.random.Generator) -> TransitionBatch:
        """A sample with replacement."""
        drawn = torch.from_numpy(np.searchsorted(self.edges, rng.random(batch_size), side="right"))
        return TransitionBatch(*(values[drawn] for values in self.transitions))


def real_transitions(
    panel: LoggedDecisions,
    *,
    actions: ActionSet,
    encoder: FeatureEncoder,
    support: SupportTree | None,
    age_factor: FloatArray | None = None,
) -> RealTransitions | None:
    """The transitions of a panel as an agent of a market sees them; None of an empty one.

    Args:
        panel: real customers. Who was truncated is alive, so the next observation must be there.
        actions: the market's.
        encoder: the market's.
        support: the market's; None = everything may be chosen next.
        age_factor: (n_rounds,) what a transition counts for; None = one each.

    Raises:
        InvalidSnapshot: a log without time.
        MissingColumn: the panel lacks a column of the market.
        UnsupportedAction: an action that the market does not know.
    """
    if panel.panel is None:
        raise InvalidSnapshot("the real log has one row a decision, expected a panel", "give it episodes and steps")
    if not len(panel):
        return None
    places = np.array([actions.index(action_id) for action_id in panel.actions.ids])
    following = encoder.transform(panel.panel.next_context)
    mask = np.ones((len(panel), len(actions)), np.bool_) if support is None else support.mask(following)
    factor = np.ones(len(panel)) if age_factor is None else age_factor
    edges = np.cumsum(panel.sample_weight * factor)
    transitions = TransitionBatch(
        observation=_as_float32(encoder.transform(panel.context)),
        action=torch.from_numpy(places[panel.action])[:, None],
        reward=_as_float32(panel.reward),
        next_observation=_as_float32(following),
        continues=_as_float32(1.0 - panel.panel.terminated),
        next_mask=torch.from_numpy(mask),
    )
    return RealTransitions(transitions, edges / edges[-1], float(factor.sum()))


def _rows(ring: NDArray[Any], at: IntArray) -> torch.Tensor:
    return torch.from_numpy(ring.reshape(-1, ring.shape[2]).take(at, axis=0))


def _as_float32(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _first_bad(values: NDArray[Any]) -> float:
    return float(values[~np.isfinite(values)][0])
