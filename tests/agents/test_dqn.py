from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pytest
import torch
from gymnasium import spaces

from agents.dqn import MarketDQN
from agents.replay import MaskedReplayBuffer
from agents.sb3_env import MarketVecEnv
from agents.training import policy_of, train_in_market
from agents.watch import TrainingProgress
from analysis.features import FeatureEncoder, fit_encoder
from analysis.support import SupportTree
from config.dqn import DqnConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.policy import Policy
from env.market import MarketCore, Observation, Transition
from policies.exploration import Exploration, ExplorationRule
from policies.network import NetworkPolicy

QUICK = DqnConfig(
    n_customers=64,
    periods=160,
    warmup_periods=8,
    hidden=(32,),
    learning_rate=1e-2,
    batch_size=128,
    gradient_steps=4,
    average_rate=0.02,
    exploration_periods=60,
)


@dataclass(frozen=True)
class TinyMarket:
    """`n` kinds of customers; a kind and an action pay what the table says, times 1 / rate with probability rate."""

    pays: FloatArray  # (n_kinds, n_actions)
    rate: FloatArray  # (n_actions,)
    leaves: bool = True  # after one period
    allowed: BoolArray = field(default_factory=lambda: np.ones((1, 1), dtype=np.bool_))  # (n_kinds, n_actions)

    @property
    def actions(self) -> ActionSet:
        return ActionSet(tuple(f"a{i}" for i in range(self.pays.shape[1])))

    @property
    def kinds(self) -> Context:
        names = np.array([f"kind{i}" for i in range(len(self.pays))] * 20, dtype=object)
        return Context({"kind": names}, len(names))

    @cached_property
    def encoder(self) -> FeatureEncoder:
        return fit_encoder(self.kinds)

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.integers(len(self.pays), size=(n, 1)).astype(np.float64)

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition:
        paid = self.pays[state[:, 0].astype(np.int64), action] / self.rate[action]
        reward = np.where(rng.random(len(action)) < self.rate[action], paid, 0.0)
        return Transition(self.initial(len(state), rng), reward, np.full(len(state), self.leaves))

    def observe(self, state: FloatArray) -> Observation:
        return self.encoder.transform(self.context(state)).astype(np.float32)

    def context(self, state: FloatArray) -> Context:
        return self.kinds.take(state[:, 0].astype(np.int64))

    def supported(self, state: FloatArray) -> BoolArray:
        allowed = np.broadcast_to(self.allowed, self.pays.shape)
        return allowed[state[:, 0].astype(np.int64)]

    @property
    def everyone(self) -> Context:
        return self.kinds.take(np.arange(len(self.pays)))


def identity_market(n_actions: int = 4) -> TinyMarket:
    return TinyMarket(np.eye(n_actions), np.ones(n_actions))


def one_kind_market(*pays: float, leaves: bool = True, rate: tuple[float, ...] = ()) -> TinyMarket:
    # A second kind that behaves alike keeps the column from being constant.
    return TinyMarket(np.array([pays, pays]), np.array(rate or [1.0] * len(pays)), leaves)


def make_agent(market: TinyMarket, config: DqnConfig = QUICK, *, horizon: int = 8) -> MarketDQN:
    core = MarketCore(market, config.n_customers, horizon=horizon, seed=1)
    return MarketDQN(MarketVecEnv(core), config, discount=0.5, rng=np.random.default_rng(2))


def test_identity_market_is_solved() -> None:
    market = identity_market()
    policy = train_in_market(market, QUICK, discount=0.9, seed=0).policy
    np.testing.assert_array_equal(policy.distribution(market.everyone), np.eye(4))
    np.testing.assert_allclose(policy.scores(market.everyone), np.eye(4), atol=0.15)


@pytest.mark.parametrize("unit", [1000.0, 0.001])
def test_the_unit_of_the_reward_does_not_matter(unit: float) -> None:
    market = replace(identity_market(), rate=np.full(4, 0.3))
    plain = train_in_market(market, QUICK, discount=0.9, seed=0).policy
    scaled = train_in_market(replace(market, pays=market.pays * unit), QUICK, discount=0.9, seed=0).policy
    np.testing.assert_array_equal(scaled.distribution(market.everyone), plain.distribution(market.everyone))
    np.testing.assert_allclose(scaled.scores(market.everyone) / unit, plain.scores(market.everyone), atol=0.1)


def test_it_learns_the_mean_where_huber_learns_the_median() -> None:
    market = one_kind_market(60.0, 100.0, rate=(1.0, 0.1))  # 60 for sure, or 1000 one time in ten
    config = replace(QUICK, batch_size=512, average_rate=0.01)
    policy = train_in_market(market, config, discount=0.9, seed=0).policy
    np.testing.assert_array_equal(policy.distribution(market.everyone)[:, 1], 1.0)


@pytest.mark.parametrize(("leaves", "worth"), [(True, 1.0), (False, 2.0)])
def test_who_left_has_no_future_and_who_was_cut_off_has_one(leaves: bool, worth: float) -> None:
    market = one_kind_market(1.0, 0.0, leaves=leaves)
    config = replace(QUICK, restart_periods=1)  # every period ends an episode, one way or the other
    policy = train_in_market(market, config, discount=0.5, seed=0).policy
    np.testing.assert_allclose(policy.scores(market.everyone)[:, 0], worth, atol=0.1)


def test_a_masked_action_is_never_tried_and_carries_no_value() -> None:
    market = replace(one_kind_market(1.0, 0.0, 50.0, leaves=False), allowed=np.array([[True, True, False]]))
    agent = make_agent(market)
    agent.learn(QUICK.periods * QUICK.n_customers)
    assert agent.replay_buffer is not None
    assert set(np.unique(agent.replay_buffer.actions[: agent.replay_buffer.pos])) == {0, 1}
    policy = policy_of(agent, market, SupportTree.everywhere([True, True, False]))
    np.testing.assert_allclose(policy.scores(market.everyone)[:, 0], 2.0, atol=0.15)
    assert (policy.distribution(market.everyone)[:, 2] == 0).all()


def test_every_customer_explores_on_its_own_with_an_exact_propensity() -> None:
    config = replace(QUICK, n_customers=4000, epsilon_final=0.4, exploration_periods=1, gradient_steps=0)
    agent = make_agent(identity_market(), config)
    agent.learn((config.warmup_periods + 4) * config.n_customers)
    assert agent.replay_buffer is not None
    best = agent.last_propensity > 0.5
    np.testing.assert_allclose(np.unique(agent.last_propensity), [0.4 / 4, 0.6 + 0.4 / 4])
    assert abs(best.mean() - 0.7) < 4 * np.sqrt(0.7 * 0.3 / 4000)


def test_softmax_draws_every_customer_with_the_propensity_of_its_own_scores() -> None:
    config = replace(QUICK, n_customers=4000, exploration="softmax", temperature_final=0.5, exploration_periods=1)
    market = identity_market()
    agent = make_agent(market, replace(config, gradient_steps=1))
    agent.learn((config.warmup_periods + 4) * config.n_customers)
    assert agent.exploration == Exploration(ExplorationRule.SOFTMAX, 0.5)
    observation = market.observe(np.arange(4.0)[:, None])
    scores = agent.q_net(torch.from_numpy(observation)).detach().numpy().astype(np.float64)
    expected = np.exp(scores / 0.5) / np.exp(scores / 0.5).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(agent.distribution(observation, np.ones((4, 4), np.bool_)), expected, rtol=1e-9)
    assert agent.replay_buffer is not None
    drawn = agent.replay_buffer.actions[agent.replay_buffer.pos - 1, :, 0]
    shares = np.bincount(drawn, minlength=4) / config.n_customers
    np.testing.assert_allclose(shares, expected.mean(axis=0), atol=4 * np.sqrt(0.25 / config.n_customers))


def test_several_steps_add_discounted_rewards_until_the_episode_ends() -> None:
    ring = MaskedReplayBuffer(
        5,
        spaces.Box(-9, 9, (1,), np.float32),
        spaces.Discrete(2),
        device="cpu",
        n_envs=1,
        handle_timeout_termination=True,
    )
    everything = np.zeros((1, 1), np.float32)
    for period, (terminated, truncated) in enumerate([(False, False), (False, True), (False, False), (True, False)]):
        ring.store(
            everything + period, everything + period + 1, np.zeros(1, np.int64), np.array([10.0**period]),
            np.array([terminated]), np.array([truncated]),
        )  # fmt: skip
    batch = ring.sample_transitions(400, np.random.default_rng(0), n_steps=3, discount=0.5)
    first = batch.observation[:, 0].numpy()
    by_first = {k: np.flatnonzero(first == k)[0] for k in range(4)}
    # rewards 1, 10, 100, 1000; the horizon ends the first episode after the second period, the customer the other
    np.testing.assert_allclose([float(batch.reward[i]) for i in by_first.values()], [6.0, 10.0, 600.0, 1000.0])
    np.testing.assert_allclose([float(batch.next_observation[i, 0]) for i in by_first.values()], [2.0, 2.0, 4.0, 4.0])
    np.testing.assert_allclose([float(batch.continues[i]) for i in by_first.values()], [0.5, 1.0, 0.0, 0.0])


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_the_unit_of_rewards_changes_no_choice(factor: float) -> None:
    market = identity_market()
    config = replace(QUICK, periods=60)
    plain, scaled = (
        train_in_market(replace(market, pays=market.pays * f), config, discount=0.9, seed=0).policy
        for f in (1.0, factor)
    )
    np.testing.assert_allclose(scaled.scores(market.everyone) / factor, plain.scores(market.everyone), rtol=0.05)
    np.testing.assert_array_equal(scaled.distribution(market.everyone), plain.distribution(market.everyone))


def test_learning_on_does_not_restart_exploration() -> None:
    agent = make_agent(identity_market())
    assert agent.exploration.amount == 1.0
    agent.learn(100 * QUICK.n_customers)
    assert agent.exploration.amount == pytest.approx(QUICK.epsilon_final)
    agent.learn(10 * QUICK.n_customers)
    assert agent.exploration.amount == pytest.approx(QUICK.epsilon_final)
    assert agent.num_timesteps == 110 * QUICK.n_customers


def test_the_exported_policy_computes_what_torch_computes() -> None:
    market = identity_market()
    agent = make_agent(market, replace(QUICK, hidden=(16, 16)))
    agent.learn(20 * QUICK.n_customers)
    with torch.no_grad():
        scaled = agent.average_net(torch.from_numpy(market.observe(np.arange(4.0)[:, None])))
    assert agent.reward_scale is not None
    exported = policy_of(agent, market).scores(market.everyone)
    np.testing.assert_allclose(exported, scaled.numpy() * agent.reward_scale, rtol=1e-6, atol=1e-6)


def global_numpy_state() -> str:
    return str(np.random.get_state(legacy=False))  # noqa: NPY002 # to see that nobody used it


def test_the_same_seed_gives_the_same_bytes_and_leaves_no_trace() -> None:
    config = replace(QUICK, periods=20)
    n_threads, torch_state, numpy_state = torch.get_num_threads(), torch.get_rng_state(), global_numpy_state()
    first, second, other = (
        train_in_market(identity_market(), config, discount=0.9, seed=seed).policy for seed in (3, 3, 4)
    )
    assert [a.weight.tobytes() for a in first.layers] == [b.weight.tobytes() for b in second.layers]
    assert first.layers[0].weight.tobytes() != other.layers[0].weight.tobytes()
    assert torch.get_num_threads() == n_threads
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert global_numpy_state() == numpy_state


def test_progress_is_told_with_the_score_of_what_would_be_delivered() -> None:
    told: list[TrainingProgress] = []
    config = replace(QUICK, periods=40)
    trained = train_in_market(
        identity_market(), config, discount=0.9, seed=0, on_progress=told.append, evaluate=lambda _: 0.5
    )
    assert tuple(told) == trained.curve
    assert len(told) == 20
    assert (told[-1].period, told[-1].periods, told[-1].score) == (40, 40, 0.5)
    assert told[-1].mean_reward > told[0].mean_reward


def test_the_last_point_is_what_is_delivered_and_every_second_one_is_simulated() -> None:
    seen: list[bytes] = []

    def simulate(policy: Policy) -> float:
        assert isinstance(policy, NetworkPolicy)
        seen.append(policy.layers[0].weight.tobytes())
        return 1.0

    trained = train_in_market(identity_market(), replace(QUICK, periods=45), discount=0.9, seed=0, simulate=simulate)
    assert [p.period for p in trained.curve] == [*range(2, 45, 2), 45]
    assert [p.value is not None for p in trained.curve] == [False, True] * 11 + [True]
    assert seen[-1] == trained.policy.layers[0].weight.tobytes()


def test_the_scale_is_seen_in_the_whole_ring__also_where_it_has_just_wrapped() -> None:
    ring = QUICK.warmup_periods + 1  # full, with nothing before its position, when the first gradient step is due
    agent = make_agent(identity_market(), replace(QUICK, buffer_transitions=ring * QUICK.n_customers))
    agent.learn(2 * ring * QUICK.n_customers)
    assert agent.reward_scale is not None
    assert agent.reward_scale > 0
    assert all(np.isfinite(layer.weight).all() for layer in agent.layers())
