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
from domain.arrays import BoolArray, FloatArray
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions


class TransitionBatch(NamedTuple):
    """A sample of transitions as tensors; every one (batch_size, ...)."""

    observation: torch.Tensor  # (batch_size, n_features)
    action: torch.Tensor  # (batch_size, 1)
    reward: torch.Tensor  # (batch_size,) as the market paid it
    next_observation: torch.Tensor  # (batch_size, n_features)
    continues: torch.Tensor  # (batch_size,) 0 where the customer left, 1 elsewhere, also where the horizon ended
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
        mask = np.ones((self.n_envs, self.n_actions), dtype=np.bool_) if next_mask is None else next_mask
        self._check(obs, next_obs, action, reward, mask)
        self.next_masks[self.pos] = mask
        super().add(obs, next_obs, action, reward, done, infos)

    def sample_transitions(self, batch_size: int, rng: np.random.Generator) -> TransitionBatch:
        """A uniform sample with replacement."""
        period = rng.integers(0, self.buffer_size if self.full else self.pos, batch_size)
        customer = rng.integers(0, self.n_envs, batch_size)
        left = self.dones[period, customer] * (1 - self.timeouts[period, customer])
        return TransitionBatch(
            observation=torch.from_numpy(self.observations[period, customer]),
            action=torch.from_numpy(self.actions[period, customer]).long(),
            reward=torch.from_numpy(self.rewards[period, customer]),
            next_observation=torch.from_numpy(self.next_observations[period, customer]),
            continues=torch.from_numpy(1 - left),
            next_mask=torch.from_numpy(self.next_masks[period, customer]),
        )

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


def _as_float32(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _first_bad(values: NDArray[Any]) -> float:
    return float(values[~np.isfinite(values)][0])
