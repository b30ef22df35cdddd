import warnings

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.env_checker import check_env as check_sb3_env

from agents.replay import MaskedReplayBuffer
from agents.sb3_env import MarketVecEnv
from domain.errors import InvalidSnapshot, UnsupportedAction
from env.market import MarketCore
from env.reference.subscription import subscription_market
from env.single import MarketEnv

N_CUSTOMERS = 50


def make_core(horizon: int = 4) -> MarketCore:
    return MarketCore(subscription_market(), N_CUSTOMERS, horizon=horizon, seed=5)


def make_buffer() -> MaskedReplayBuffer:
    box = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    return MaskedReplayBuffer(20, box, spaces.Discrete(4), "cpu", n_envs=2)


def test_vec_env__walks_the_same_trajectories_as_its_core() -> None:
    core, env = make_core(), MarketVecEnv(make_core())
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(np.asarray(env.reset()), core.reset())
    for _ in range(10):
        action = rng.integers(0, 5, N_CUSTOMERS)
        step, (observation, reward, done, infos) = core.step(action), env.step(action)
        ended = np.flatnonzero(step.terminated | step.truncated)
        np.testing.assert_array_equal(observation, step.observation)
        np.testing.assert_allclose(reward, step.reward, rtol=1e-6)
        np.testing.assert_array_equal(np.flatnonzero(done), ended)
        assert [i for i, info in enumerate(infos) if info] == ended.tolist()
        for row, last in zip(ended, step.final_observation, strict=True):
            np.testing.assert_array_equal(infos[row]["terminal_observation"], last)
            assert infos[row]["TimeLimit.truncated"] == step.truncated[row]


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
def test_single_env__passes_the_checkers_of_sb3_and_gymnasium(horizon: int) -> None:
    env = MarketEnv(subscription_market(), horizon=horizon)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sb3_env(env)
        check_gymnasium_env(env, skip_render_check=True)  # it draws nothing
