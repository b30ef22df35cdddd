"""stable-baselines3's view of a market: its VecEnv over our batched MarketCore. Same seed, same trajectories.

SB3 learns of an ended episode through `infos`, a dict a customer: the last observation and whether only the horizon
ended it. Thousands of dicts cost as much as the market's own step, so they are made when somebody reads one.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from domain.arrays import BoolArray, IntArray
from env.market import MarketCore, MarketStep


class StepInfos(Sequence[dict[str, Any]]):
    """One period's `infos`, made at the first reading; from then on a list that may be written into."""

    def __init__(self, step: MarketStep) -> None:
        self.step = step  # the same as arrays

    @cached_property
    def _infos(self) -> list[dict[str, Any]]:
        step = self.step
        ended = np.flatnonzero(step.terminated | step.truncated)
        infos: list[dict[str, Any]] = [{} for _ in range(len(step.reward))]
        for row, last, truncated in zip(
            ended.tolist(), step.final_observation, step.truncated[ended].tolist(), strict=True
        ):
            infos[row] = {"terminal_observation": last, "TimeLimit.truncated": truncated}
        return infos

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self._infos[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self.step.reward)


class MarketVecEnv(VecEnv):
    """`core.n_customers` environments, one a customer, stepped by one call.

    Understands `env_method("action_masks")`, the convention by which maskable SB3 algorithms ask for masks.
    """

    def __init__(self, core: MarketCore) -> None:
        self.core = core
        self._action: IntArray = np.zeros(core.n_customers, dtype=np.int64)
        space = spaces.Box(-np.inf, np.inf, (core.dynamics.encoder.n_features,), np.float32)
        super().__init__(core.n_customers, space, spaces.Discrete(len(core.dynamics.actions)))

    def reset(self) -> VecEnvObs:
        """(n_customers, n_features); a seed given by `seed` is used once."""
        seed = self._seeds[0]
        self._reset_seeds()
        return self.core.reset(seed)

    def step_async(self, actions: NDArray[Any]) -> None:  # SB3 hands over whatever integer type it likes
        self._action = np.asarray(actions, dtype=np.int64)

    def step_wait(self) -> VecEnvStepReturn:
        step = self.core.step(self._action)
        infos: Any = StepInfos(step)  # SB3 declares a list and reads a sequence
        return step.observation, step.reward.astype(np.float32), step.terminated | step.truncated, infos

    def action_masks(self) -> BoolArray:
        """(n_customers, n_actions) what may be chosen now."""
        return self.core.action_mask()

    def close(self) -> None:
        """Nothing is held."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        value = None if attr_name == "render_mode" else getattr(self.core, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:  # noqa: ANN401 # SB3's
        raise NotImplementedError("customers of one market share their attributes; set them on the core")

    def env_method(
        self,
        method_name: str,
        *method_args: Any,  # noqa: ANN401 # SB3's signature
        indices: VecEnvIndices = None,
        **method_kwargs: Any,  # noqa: ANN401 # SB3's signature
    ) -> list[Any]:
        if method_name != "action_masks" or method_args or method_kwargs:
            raise NotImplementedError(f"a market answers action_masks only, not {method_name}")
        masks = self.action_masks()
        return [masks[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:  # noqa: ARG002 # SB3's
        return [False for _ in self._get_indices(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """One generator moves all customers, so one seed serves them all."""
        self._seeds = [seed] * self.num_envs
        return self._seeds
