from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from agents.market_learner import MarketLearner
from agents.sb3_algorithms import POLICY_GRADIENTS, train_policy_gradient
from agents.training import TrainedAgent
from agents.watch import TrainingProgress, TrainingWatch
from analysis.features import FeatureEncoder, fit_encoder
from analysis.support import SupportTree
from config.dqn import DqnConfig
from config.market import MarketConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.errors import ConfigError, UsageError
from env.market import Observation, Transition
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from loop.learners import choose_algorithm

QUICK = DqnConfig(n_customers=1024, periods=40, hidden=(32,))
NAMES = sorted(POLICY_GRADIENTS)


def kinds(state: FloatArray) -> Context:
    return Context({"kind": state[:, 0]}, len(state))


@dataclass(frozen=True)
class OwnActionPays:
    """Two kinds of customers, each with the action that pays `amount`; everybody leaves after one period."""

    amount: float = 1.0
    actions: ActionSet = field(default_factory=lambda: ActionSet(("a", "b")))
    encoder: FeatureEncoder = field(default_factory=lambda: fit_encoder(kinds(np.arange(40.0)[:, None] % 2)))

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.integers(2, size=(n, 1)).astype(np.float64)

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition:
        pays = (state[:, 0] == action) * self.amount
        return Transition(self.initial(len(state), rng), pays, np.ones(len(state), np.bool_))

    def observe(self, state: FloatArray) -> Observation:
        return self.encoder.transform(kinds(state)).astype(np.float32)

    def context(self, state: FloatArray) -> Context:
        return kinds(state)

    def supported(self, state: FloatArray) -> BoolArray:
        return np.ones((len(state), 2), dtype=np.bool_)


BOTH = kinds(np.array([[0.0], [1.0]]))


def trained(name: str, amount: float = 1.0, seed: int = 0, watch: TrainingWatch | None = None) -> TrainedAgent:
    return train_policy_gradient(name, OwnActionPays(amount), QUICK, discount=0.9, seed=seed, watch=watch)


def weights(agent: TrainedAgent) -> list[bytes]:
    return [layer.weight.tobytes() for layer in agent.policy.layers]


@pytest.mark.parametrize("amount", [1000.0, 1.0, 0.001])
@pytest.mark.parametrize("name", NAMES)
def test_it_finds_what_pays_for_whom_in_any_unit(name: str, amount: float) -> None:
    np.testing.assert_array_equal(trained(name, amount).policy.distribution(BOTH), np.eye(2))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes_and_leaves_no_trace(name: str) -> None:
    before = str(np.random.get_state(legacy=False)), torch.get_rng_state()  # noqa: NPY002 # to see that it is restored
    first, second, other = (weights(trained(name, seed=seed)) for seed in (3, 3, 4))
    assert first == second != other
    assert str(np.random.get_state(legacy=False)) == before[0]  # noqa: NPY002 # see above
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("name", NAMES)
def test_its_curve_is_told_in_periods_of_the_budget(name: str) -> None:
    told: list[TrainingProgress] = []
    agent = trained(name, watch=TrainingWatch(on_progress=told.append, evaluate=lambda _: 0.5, simulate=lambda _: 7.0))
    assert tuple(told) == agent.curve
    assert agent.is_finished(QUICK)
    assert (told[-1].period, told[-1].periods, told[-1].score, told[-1].value) == (40, 40, 0.5, 7.0)
    assert [point.period for point in told] == sorted(point.period for point in told)
    assert told[-1].mean_reward > told[0].mean_reward


def test_the_support_binds_what_is_delivered() -> None:
    support = SupportTree.everywhere([True, False])
    policy = train_policy_gradient("ppo", OwnActionPays(), QUICK, discount=0.9, seed=0, support=support).policy
    np.testing.assert_array_equal(policy.distribution(BOTH), [[1, 0], [1, 0]])


def test_market_learner__learns_by_any_of_them_but_replays_nothing_real() -> None:
    log = panel_log(subscription_market(), 200, 3, rng=np.random.default_rng(0))
    quick = replace(QUICK, n_customers=256, periods=20)
    learner = MarketLearner(algorithm="ppo", dqn=quick, market=MarketConfig(n_members=2))
    assert learner.name == learner.fit(log, np.random.default_rng(0)).name == "ppo"
    with pytest.raises(ConfigError, match="own actions only"):
        replace(learner, real=log)


def test_who_stops_a_policy_gradient_is_told_how_far_it_came() -> None:
    asked = iter([False, False, True])
    agent = trained("a2c", watch=TrainingWatch(stop=lambda: next(asked)))
    assert agent.n_periods < QUICK.periods
    assert not agent.is_finished(QUICK)


@pytest.mark.parametrize("name", NAMES)
def test_a_log_without_time_cannot_feed_it(name: str) -> None:
    log = replace(panel_log(subscription_market(), 50, 2, rng=np.random.default_rng(0)), panel=None)
    with pytest.raises(UsageError, match=f"{name} plans over several periods"):
        choose_algorithm(name, log)
