import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecCheckNan, VecEnv, VecMonitor, VecNormalize

from agents.replay import MaskedReplayBuffer
from agents.sb3_env import MarketVecEnv
from domain.errors import InvalidSnapshot, UnsupportedAction
from env.market import MarketCore
from env.reference.subscription import subscription_market
from env.single import MarketEnv
from tests.env.views import market

N_CUSTOMERS = 50


def make_core(horizon: int = 4) -> MarketCore:
    return MarketCore(subscription_market(), N_CUSTOMERS, horizon=horizon, seed=5)


def make_buffer() -> MaskedReplayBuffer:
    box = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    return MaskedReplayBuffer(20, box, spaces.Discrete(4), "cpu", n_envs=2)


def test_infos__tell_of_their_own_period_however_late_they_are_read() -> None:
    early, late = MarketVecEnv(make_core(horizon=2)), MarketVecEnv(make_core(horizon=2))
    early.reset()
    late.reset()
    actions = np.random.default_rng(0).integers(0, 5, (6, N_CUSTOMERS))
    read = [list(early.step(action)[3]) for action in actions]
    for expected, infos in zip(read, [late.step(action)[3] for action in actions], strict=True):
        assert [sorted(info) for info in infos] == [sorted(info) for info in expected]
        for row, info in enumerate(expected):
            assert infos[row].get("TimeLimit.truncated") == info.get("TimeLimit.truncated")
            np.testing.assert_array_equal(
                infos[row].get("terminal_observation", ()), info.get("terminal_observation", ())
            )


def test_infos__are_dicts_of_their_own_that_wrappers_write_into() -> None:
    env = MarketVecEnv(make_core())
    env.reset()
    infos = env.step(np.zeros(N_CUSTOMERS, np.int64))[3]
    infos[3]["seen"] = True
    assert infos[3]["seen"]
    assert ["seen" in info for info in infos].count(True) == 1
    assert len(infos) == N_CUSTOMERS == len(infos[:])
    assert not any("seen" in info for info in env.step(np.zeros(N_CUSTOMERS, np.int64))[3])


@pytest.mark.parametrize("wrapper", [VecMonitor, VecNormalize, VecCheckNan])
def test_wrappers_of_sb3__pass_the_last_observation_on(wrapper: Callable[[VecEnv], VecEnv]) -> None:
    env = wrapper(MarketVecEnv(make_core()))
    env.reset()
    for _ in range(6):
        _, _, done, infos = env.step(np.zeros(N_CUSTOMERS, np.int64))
        for row in np.flatnonzero(done):
            assert infos[row]["terminal_observation"].shape == env.observation_space.shape
            assert ("episode" in infos[row]) == (wrapper is VecMonitor)


@pytest.mark.parametrize(("algorithm", "options"), [(DQN, {"learning_starts": 100}), (PPO, {"n_steps": 8})])
def test_algorithms_of_sb3__learn_from_the_view(algorithm: type[DQN | PPO], options: dict[str, Any]) -> None:
    model = algorithm("MlpPolicy", MarketVecEnv(make_core()), device="cpu", seed=0, batch_size=50, **options)
    model.set_logger(Logger(None, []))
    model.learn(8 * N_CUSTOMERS)
    if isinstance(model, DQN):
        assert model.replay_buffer is not None
        ended, by_horizon = model.replay_buffer.dones[:8], model.replay_buffer.timeouts[:8]
        assert 0 < by_horizon.sum() < ended.sum()


def test_vec_env__a_seed_is_used_once() -> None:
    env = MarketVecEnv(make_core())
    env.seed(9)
    first, second = np.asarray(env.reset()), np.asarray(env.reset())
    env.seed(9)
    np.testing.assert_array_equal(np.asarray(env.reset()), first)
    assert not np.array_equal(second, first)


def test_vec_env__speaks_the_mask_convention_of_sb3() -> None:
    env = MarketVecEnv(make_core())
    env.reset()
    np.testing.assert_array_equal(get_action_masks(env), env.action_masks())
    with pytest.raises(NotImplementedError, match="not fly"):
        env.env_method("fly")


def test_vec_env__refuses_an_action_outside_the_set() -> None:
    env = MarketVecEnv(make_core())
    env.reset()
    with pytest.raises(UnsupportedAction, match="action index 5"):
        env.step(np.full(N_CUSTOMERS, 5))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("reward", np.array([1.0, np.nan]), "reward holds nan"),
        ("reward", np.array([1.0]), r"reward has shape \(1,\); expected \(2,\)"),
        ("action", np.array([0, 99]), r"action 99 is outside 0\.\.3"),
        ("action", np.array([-1, 0]), "action -1"),
        ("obs", np.zeros((1, 3), np.float32), r"observation has shape \(1, 3\); expected \(2, 3\)"),
        ("next_obs", np.full((2, 3), np.inf, np.float32), "next observation holds inf"),
        ("next_mask", np.zeros((2, 4), np.bool_), "no allowed action"),
    ],
)
def test_replay__refuses_what_would_poison_it(name: str, value: np.ndarray, message: str) -> None:
    transition = {
        "obs": np.zeros((2, 3), np.float32),
        "next_obs": np.zeros((2, 3), np.float32),
        "action": np.array([0, 3]),
        "reward": np.zeros(2),
        "done": np.zeros(2, np.bool_),
        "next_mask": np.ones((2, 4), np.bool_),
    }
    buffer = make_buffer()
    buffer.add(**transition, infos=[{}, {}])
    with pytest.raises(InvalidSnapshot, match=message):
        buffer.add(**(transition | {name: value}), infos=[{}, {}])
    assert buffer.pos == 1


def test_replay__only_who_left_has_no_next_value() -> None:
    buffer = make_buffer()
    infos = [{"TimeLimit.truncated": False}, {"TimeLimit.truncated": True}]
    observation = np.zeros((2, 3), np.float32)
    buffer.add(observation, observation, np.array([0, 1]), np.zeros(2), np.ones(2, np.bool_), infos)
    batch = buffer.sample_transitions(100, np.random.default_rng(0))
    np.testing.assert_array_equal(batch.continues.numpy(), batch.action[:, 0].numpy() == 1)


@pytest.mark.parametrize("horizon", [3, 60])
@pytest.mark.parametrize("name", ["reference", "fitted"])
def test_single_env__passes_the_checker_of_sb3(name: str, horizon: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(MarketEnv(market(name), horizon=horizon))
