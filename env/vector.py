"""Many customers as a `gymnasium.vector.VectorEnv`: a view of `MarketCore`, with its same-step autoreset."""

from typing import Any, ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from domain.arrays import BoolArray, FloatArray, IntArray
from env.market import Dynamics, MarketCore, MarketStep, Observation
from env.reference.subscription import subscription_market
from env.single import HORIZON
from env.spaces import action_space, observation_space


class MarketVectorEnv(VectorEnv[Observation, IntArray, FloatArray]):
    """Follows the trajectories of `MarketCore(dynamics, num_envs, horizon=horizon, seed=seed)` exactly.

    >>> envs = MarketVectorEnv(num_envs=4)
    >>> observations, info = envs.reset(seed=0)
    >>> observations.shape == envs.observation_space.shape
    True
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc] # Gymnasium's dict, Any its own
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self, num_envs: int = 1, dynamics: Dynamics | None = None, *, horizon: int = HORIZON, seed: int = 0
    ) -> None:
        dynamics = subscription_market() if dynamics is None else dynamics
        self.num_envs = num_envs
        self.core = MarketCore(dynamics, num_envs, horizon=horizon, seed=seed)
        self.single_observation_space = observation_space(dynamics.encoder)
        self.single_action_space = action_space(dynamics.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """All customers anew."""
        super().reset(seed=seed, options=options)
        return self.core.reset(seed), {}

    def step(self, actions: IntArray) -> tuple[Observation, FloatArray, BoolArray, BoolArray, dict[str, Any]]:  # type: ignore[override] # Gymnasium types rewards and ends alike
        moved = self.core.step(np.asarray(actions, dtype=np.int64))
        return moved.observation, moved.reward, moved.terminated, moved.truncated, self._infos(moved)

    def action_mask(self) -> BoolArray:
        """(num_envs, n_actions) what may be chosen now."""
        return self.core.action_mask()

    def _infos(self, moved: MarketStep) -> dict[str, Any]:
        """Gymnasium's form of last observations: an object array beside the mask of those that ended."""
        ended = moved.terminated | moved.truncated
        if not ended.any():
            return {}
        final = np.full(self.num_envs, None, dtype=object)
        for place, observation in zip(np.flatnonzero(ended), moved.final_observation, strict=True):
            final[place] = observation
        return {"final_obs": final, "_final_obs": ended, "final_info": {}, "_final_info": ended.copy()}
