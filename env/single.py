"""One customer as a `gymnasium.Env`: a view of `MarketCore` with a batch of one."""

from typing import Any, ClassVar

import gymnasium
import numpy as np

from env.market import Dynamics, MarketCore, Observation
from env.reference.subscription import subscription_market
from env.spaces import action_space, observation_space

HORIZON = 60  # periods of an episode where nothing else is asked for


class MarketEnv(gymnasium.Env[Observation, np.int64]):
    """Follows the trajectory of `MarketCore(dynamics, 1, horizon=horizon, seed=seed)` exactly.

    >>> env = MarketEnv()
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step(np.int64(0))
    >>> info["action_mask"].tolist()
    [True, True, True, True, True]
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc] # Gymnasium's dict, Any its own

    def __init__(self, dynamics: Dynamics | None = None, *, horizon: int = HORIZON, seed: int = 0) -> None:
        dynamics = subscription_market() if dynamics is None else dynamics
        self.core = MarketCore(dynamics, 1, horizon=horizon, seed=seed)
        self.observation_space = observation_space(dynamics.encoder)
        self.action_space = action_space(dynamics.actions)
        self._fresh: Observation | None = None  # the next customer, drawn when the last one's episode ended

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A fresh customer; without a seed the one that the core has already put in the last one's place."""
        super().reset(seed=seed, options=options)
        fresh = self._fresh if seed is None else None
        self._fresh = None
        observation = self.core.reset(seed)[0] if fresh is None else fresh
        return observation, self._info()

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        moved = self.core.step(np.array([action], dtype=np.int64))
        observation, info = moved.observation[0], self._info()
        if len(moved.final_observation):
            self._fresh, observation = observation, moved.final_observation[0]
        return observation, float(moved.reward[0]), bool(moved.terminated[0]), bool(moved.truncated[0]), info

    def _info(self) -> dict[str, Any]:
        return {"action_mask": self.core.action_mask()[0]}
