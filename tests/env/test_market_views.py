"""One core, three views: the same trajectories, the right last observations, Gymnasium's own checker."""

from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from analysis.features import FeatureEncoder, fit_encoder
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.errors import UnsupportedAction
from env.market import Dynamics, MarketCore, Observation, Transition
from env.reference.subscription import subscription_market
from env.registration import ENV_ID, register_envs
from env.single import MarketEnv
from env.vector import MarketVectorEnv
from tests.env.views import VIEWS, LateCore, View, Watched, assert_same, market

MARKETS = ("reference", "fitted")


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


def some_actions(dynamics: Dynamics, n: int, n_periods: int = 40) -> list[IntArray]:
    """Each (n,)."""
    return list(np.random.default_rng(1).integers(len(dynamics.actions), size=(n_periods, n)))


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


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize(("view", "n"), [("vector", 40), ("vector", 1), ("sb3", 40), ("sb3", 1), ("single", 1)])
def test_every_view__follows_the_core(view: str, n: int, name: str) -> None:
    plain, viewed = (VIEWS[v](market(name), n, horizon=4, seed=3) for v in ("core", view))
    np.testing.assert_array_equal(plain.first, viewed.first)
    terminated = truncated = 0
    for action in some_actions(market(name), n):
        expected = plain.step(action)
        assert_same(expected, viewed.step(action))
        terminated, truncated = terminated + expected.terminated.sum(), truncated + expected.truncated.sum()
    assert min(terminated, truncated) > 2


def test_single_view__resets_in_mid_episode_too() -> None:
    """To a fresh customer, whose state is the core's; also right after a customer had ended."""
    env = MarketEnv(market("reference"), horizon=4)
    env.reset(seed=3)
    for period, action in enumerate(some_actions(market("reference"), 1)):
        observation, _, terminated, truncated, _ = env.step(action[0])
        if terminated or truncated or period % 3 == 0:
            observation, _ = env.reset()
        np.testing.assert_array_equal(observation, env.core.dynamics.observe(env.core.state)[0])


def check_last_observations(view: View, watched: Watched, actions: list[IntArray]) -> None:
    """They are of the states that the market led to, of who left as of who was truncated, and of nobody's successor."""
    kinds = np.zeros(2)
    for action in actions:
        moved = view.step(action)
        ended = np.flatnonzero(moved.terminated | moved.truncated)
        np.testing.assert_array_equal(moved.final_observation, watched.observe(watched.reached[ended]))
        np.testing.assert_array_equal(moved.observation, watched.observe(view.core.state))
        kinds += moved.terminated.sum(), moved.truncated.sum()
    assert kinds.min() > 2


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("view", VIEWS)
def test_last_observation__is_of_the_customer_who_ended(view: str, name: str) -> None:
    watched, n = Watched(market(name)), 1 if view == "single" else 40
    check_last_observations(VIEWS[view](watched, n, horizon=4, seed=3), watched, some_actions(watched, n))


@pytest.mark.parametrize("view", VIEWS)
def test_last_observation__taken_after_the_replacement_is_noticed(view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tests.env.views", "env.vector", "env.single"):
        monkeypatch.setattr(f"{module}.MarketCore", LateCore)
    watched, n = Watched(market("reference")), 1 if view == "single" else 40
    with pytest.raises(AssertionError, match="not equal"):
        check_last_observations(VIEWS[view](watched, n, horizon=4, seed=3), watched, some_actions(watched, n))


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.filterwarnings("error")
def test_gymnasium__accepts_one_customer(name: str) -> None:
    register_envs()
    register_envs()
    for horizon in (3, 60):
        check_env(gymnasium.make(ENV_ID, dynamics=market(name), horizon=horizon).unwrapped)


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.filterwarnings("error")
def test_gymnasium__accepts_many_customers(name: str) -> None:
    """Spaces, and the wrappers that refuse a vector environment whose autoreset they do not understand."""
    register_envs()
    envs = RecordEpisodeStatistics(gymnasium.make_vec(ENV_ID, num_envs=7, dynamics=market(name), horizon=5))
    assert envs.observation_space == batch_space(envs.single_observation_space, 7)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observation, _ = envs.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(20):
        assert envs.observation_space.contains(observation)
        observation, reward, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert reward.shape == (7,)
        assert terminated.dtype == truncated.dtype == np.bool_


@pytest.mark.parametrize("name", MARKETS)
def test_vector_view__of_one_is_what_gymnasium_makes_of_the_single_view(name: str) -> None:
    """Its own vectorization, with the same autoreset: `final_obs` in the same form."""
    theirs = SyncVectorEnv([lambda: MarketEnv(market(name), horizon=4)], autoreset_mode=AutoresetMode.SAME_STEP)
    ours = MarketVectorEnv(1, market(name), horizon=4)
    np.testing.assert_array_equal(theirs.reset(seed=3)[0], ours.reset(seed=3)[0])
    for action in some_actions(market(name), 1):
        (*expected, info), (*found, our_info) = theirs.step(action), ours.step(action)
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)
        assert ("final_obs" in info) == ("final_obs" in our_info)
        if "final_obs" in info:
            np.testing.assert_array_equal(info["_final_obs"], our_info["_final_obs"])
            np.testing.assert_array_equal(info["final_obs"][0], our_info["final_obs"][0])
