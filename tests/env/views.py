"""Every view of a market in one form, so that one test compares them all; and markets to view."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from agents.sb3_env import MarketVecEnv
from analysis.features import FeatureEncoder
from config.market import MarketConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.fit import fit_market
from env.market import Dynamics, MarketCore, MarketStep, Observation, Transition
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from env.single import MarketEnv
from env.vector import MarketVectorEnv

Step = Callable[[IntArray], MarketStep]


@dataclass(frozen=True)
class View:
    """Some view as the core steps: what it says, put into the core's words."""

    core: MarketCore  # behind it
    first: Observation  # (n_customers, n_features)
    step: Step


@cache
def market(name: str) -> Dynamics:
    """The "reference" market, or one "fitted" to a small log of it."""
    if name == "reference":
        return subscription_market()
    log = panel_log(subscription_market(), 300, rng=np.random.default_rng(0))
    return fit_market(log, MarketConfig(n_members=2), rng=np.random.default_rng(1))


def core_view(dynamics: Dynamics, n: int, horizon: int, seed: int) -> View:
    core = MarketCore(dynamics, n, horizon=horizon, seed=seed)
    return View(core, core.reset(), core.step)


def vector_view(dynamics: Dynamics, n: int, horizon: int, seed: int) -> View:
    """Gymnasium's VectorEnv; seeded by `reset`."""
    envs = MarketVectorEnv(n, dynamics, horizon=horizon)

    def step(action: IntArray) -> MarketStep:
        observation, reward, terminated, truncated, info = envs.step(action)
        ended = info.get("_final_obs", np.zeros(n, np.bool_))
        np.testing.assert_array_equal(ended, terminated | truncated)
        final = np.stack(info["final_obs"][ended]) if ended.any() else observation[:0]
        return MarketStep(observation, reward, terminated, truncated, final)

    return View(envs.core, envs.reset(seed=seed)[0], step)


def sb3_view(dynamics: Dynamics, n: int, horizon: int, seed: int) -> View:
    """stable-baselines3's VecEnv, whose rewards are single precision; seeded by `seed`."""
    envs = MarketVecEnv(MarketCore(dynamics, n, horizon=horizon, seed=0))
    envs.seed(seed)

    def step(action: IntArray) -> MarketStep:
        observation, reward, done, infos = envs.step(action)
        assert [i for i, info in enumerate(infos) if info] == np.flatnonzero(done).tolist()
        truncated = np.array([info.get("TimeLimit.truncated", False) for info in infos])
        final = [infos[row]["terminal_observation"] for row in np.flatnonzero(done)]
        seen = np.asarray(observation)
        return MarketStep(seen, reward, done & ~truncated, truncated, np.stack(final) if final else seen[:0])

    return View(envs.core, np.asarray(envs.reset()), step)


def single_view(dynamics: Dynamics, n: int, horizon: int, seed: int) -> View:
    """Gymnasium's Env of one customer, reset as its user must."""
    assert n == 1
    env = MarketEnv(dynamics, horizon=horizon)

    def step(action: IntArray) -> MarketStep:
        observation, reward, terminated, truncated, _ = env.step(action[0])
        ended = terminated or truncated
        final = observation[None] if ended else observation[None][:0]
        following = env.reset()[0] if ended else observation
        ends = np.array([terminated]), np.array([truncated])
        return MarketStep(following[None], np.array([reward]), *ends, final)

    return View(env.core, env.reset(seed=seed)[0][None], step)


VIEWS = {"core": core_view, "vector": vector_view, "sb3": sb3_view, "single": single_view}


def assert_same(one: MarketStep, other: MarketStep) -> None:
    """To the last bit, but for rewards, which one of them may have rounded to single precision."""
    np.testing.assert_array_equal(one.observation, other.observation)
    np.testing.assert_array_equal(one.reward.astype(np.float32), other.reward.astype(np.float32))
    np.testing.assert_array_equal(one.terminated, other.terminated)
    np.testing.assert_array_equal(one.truncated, other.truncated)
    np.testing.assert_array_equal(one.final_observation, other.final_observation)


class Watched:
    """Dynamics that remember the states to which the last period led, before anybody was replaced."""

    def __init__(self, dynamics: Dynamics) -> None:
        self._dynamics = dynamics
        self.reached: FloatArray = np.empty((0, 0))

    @property
    def actions(self) -> ActionSet:
        return self._dynamics.actions

    @property
    def encoder(self) -> FeatureEncoder:
        return self._dynamics.encoder

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:
        return self._dynamics.initial(n, rng)

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition:
        moved = self._dynamics.advance(state, action, rng)
        self.reached = moved.next_state.copy()
        return moved

    def observe(self, state: FloatArray) -> Observation:
        return self._dynamics.observe(state)

    def context(self, state: FloatArray) -> Context:
        return self._dynamics.context(state)

    def supported(self, state: FloatArray) -> BoolArray:
        return self._dynamics.supported(state)


class LateCore(MarketCore):
    """The defect that autoreset invites: the last observation is taken after the replacement."""

    def step(self, action: IntArray) -> MarketStep:
        moved = super().step(action)
        return replace(moved, final_observation=moved.observation[moved.terminated | moved.truncated])
