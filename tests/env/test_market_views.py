"""One core, three views: the same trajectories, the right last observations, Gymnasium's own checker."""

import warnings
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from analysis.features import FeatureEncoder, fit_encoder
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.errors import UnsupportedAction
from env.market import MarketCore, Observation, Transition
from env.reference.subscription import subscription_market
from env.registration import ENV_ID, register_envs
from env.single import MarketEnv
from env.vector import MarketVectorEnv


@dataclass(frozen=True)
class Countdown:
    """Customers start at 1, 2, 3, ...; `stay` counts down, `leave` ends the episode; the reward is the count."""

    actions: ActionSet
    encoder: FeatureEncoder

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:  # noqa: ARG002 # nothing is left to chance
        return np.arange(1.0, n + 1)[:, None]

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition:  # noqa: ARG002
        return Transition(state - 1, state[:, 0].copy(), action == 1)

    def observe(self, state: FloatArray) -> Observation:
        return self.encoder.transform(self.context(state)).astype(np.float32)

    def context(self, state: FloatArray) -> Context:
        return Context({"count": state[:, 0]}, len(state))

    def supported(self, state: FloatArray) -> BoolArray:
        return np.ones((len(state), 2), dtype=np.bool_)


def make_countdown() -> Countdown:
    return Countdown(ActionSet(("stay", "leave")), fit_encoder(Context({"count": np.arange(-5.0, 20.0)}, 25)))


def test_core__leaving_and_horizon_end_episodes_with_their_own_last_observation() -> None:
    dynamics = make_countdown()
    core = MarketCore(dynamics, 3, horizon=2, seed=0)
    core.reset()
    moved = core.step(np.array([0, 1, 0]))
    np.testing.assert_array_equal(moved.terminated, [False, True, False])
    assert not moved.truncated.any()
    np.testing.assert_array_equal(moved.final_observation, dynamics.observe(np.array([[1.0]])))
    np.testing.assert_array_equal(moved.observation, dynamics.observe(np.array([[0.0], [1.0], [2.0]])))
    moved = core.step(np.array([0, 0, 1]))
    np.testing.assert_array_equal(moved.terminated, [False, False, True])
    np.testing.assert_array_equal(moved.truncated, [True, False, False])
    np.testing.assert_array_equal(moved.final_observation, dynamics.observe(np.array([[-1.0], [1.0]])))
    np.testing.assert_array_equal(moved.reward, [0.0, 1.0, 2.0])


@pytest.mark.parametrize("action", [np.array([0, 5]), np.array([-1, 0]), np.array([0])])
def test_core__refuses_actions_outside_the_set(action: IntArray) -> None:
    core = MarketCore(subscription_market(), 2, horizon=3, seed=0)
    core.reset()
    with pytest.raises(UnsupportedAction):
        core.step(action)


def test_core__same_seed_same_bytes() -> None:
    def play() -> bytes:
        core = MarketCore(subscription_market(), 50, horizon=5, seed=9)
        parts = [core.reset().tobytes()]
        actions = np.random.default_rng(0)
        for _ in range(12):
            moved = core.step(actions.integers(5, size=50))
            parts += [moved.observation.tobytes(), moved.reward.tobytes(), moved.final_observation.tobytes()]
        return b"".join(parts)

    assert play() == play()


def test_vector_view__follows_the_core() -> None:
    core = MarketCore(subscription_market(), 20, horizon=4, seed=0)
    envs = MarketVectorEnv(20, horizon=4)
    np.testing.assert_array_equal(core.reset(3), envs.reset(seed=3)[0])
    actions = np.random.default_rng(1)
    for _ in range(10):
        action = actions.integers(5, size=20)
        moved, (observation, reward, terminated, truncated, info) = core.step(action), envs.step(action)
        np.testing.assert_array_equal(moved.observation, observation)
        np.testing.assert_array_equal(moved.reward, reward)
        np.testing.assert_array_equal(moved.terminated, terminated)
        np.testing.assert_array_equal(moved.truncated, truncated)
        if "final_obs" in info:
            np.testing.assert_array_equal(np.stack(info["final_obs"][info["_final_obs"]]), moved.final_observation)


def test_single_view__follows_the_core() -> None:
    core, env = MarketCore(subscription_market(), 1, horizon=4, seed=0), MarketEnv(horizon=4)
    np.testing.assert_array_equal(core.reset(3)[0], env.reset(seed=3)[0])
    actions = np.random.default_rng(1)
    for _ in range(30):
        action = actions.integers(5, size=1)
        moved, (observation, reward, terminated, truncated, _) = core.step(action), env.step(action[0])
        assert (moved.reward[0], moved.terminated[0], moved.truncated[0]) == (reward, terminated, truncated)
        if terminated or truncated:
            np.testing.assert_array_equal(moved.final_observation[0], observation)
            observation = env.reset()[0]
        np.testing.assert_array_equal(moved.observation[0], observation)


def test_gymnasium__accepts_the_views() -> None:
    register_envs()
    register_envs()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(ENV_ID).unwrapped)
        check_env(gymnasium.make(ENV_ID, dynamics=subscription_market(), horizon=3).unwrapped)
        envs = gymnasium.make_vec(ENV_ID, num_envs=7, horizon=5)
    observations, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    assert envs.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP
