from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from agents.market_learner import MarketLearner
from agents.replay import RealTransitions, real_transitions
from agents.training import train_in_market
from analysis.features import FeatureEncoder, fit_encoder
from analysis.support import SupportTree
from config.dqn import DqnConfig
from config.market import MarketConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.errors import InvalidSnapshot, MissingColumn, UnsupportedAction
from domain.log import LoggedDecisions, Panel
from env.market import Observation, Transition
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from policies.network import NetworkPolicy

ACTIONS = ActionSet(("none", "promo"))
QUICK = DqnConfig(
    n_customers=64,
    periods=80,
    warmup_periods=8,
    hidden=(32,),
    learning_rate=1e-2,
    batch_size=128,
    gradient_steps=4,
    average_rate=0.02,
    exploration_periods=30,
    prior_transitions=100.0,
)


class PromoPays:
    """Everybody leaves after one period, in which a promotion pays 1 and nothing pays 0."""

    actions = ACTIONS

    def __init__(self) -> None:
        self.encoder: FeatureEncoder = fit_encoder(self.context(np.arange(40.0)[:, None] % 2))

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.integers(2, size=(n, 1)).astype(np.float64)

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition:
        return Transition(self.initial(len(state), rng), action.astype(np.float64), np.ones(len(state), np.bool_))

    def observe(self, state: FloatArray) -> Observation:
        return self.encoder.transform(self.context(state)).astype(np.float32)

    def context(self, state: FloatArray) -> Context:
        return Context({"kind": state[:, 0]}, len(state))

    def supported(self, state: FloatArray) -> BoolArray:
        return np.ones((len(state), 2), dtype=np.bool_)


def make_panel(n: int, *, terminated: bool = True, seed: int = 0) -> LoggedDecisions:
    """Real customers, of whom a promotion costs 1."""
    rng = np.random.default_rng(seed)
    action, ends = rng.integers(2, size=n), np.full(n, terminated)
    kinds, next_kinds = rng.integers(2, size=(2, n)).astype(np.float64)
    panel = Panel(np.arange(n), np.zeros(n, np.int64), Context({"kind": next_kinds}, n), ends, ~ends)
    context = Context({"kind": kinds}, n)
    return LoggedDecisions(ACTIONS, action, -action.astype(np.float64), "margin", context, np.arange(n), panel=panel)


def make_real(panel: LoggedDecisions, factor: FloatArray | None = None) -> RealTransitions:
    market = PromoPays()
    real = real_transitions(panel, actions=ACTIONS, encoder=market.encoder, support=None, age_factor=factor)
    assert real is not None
    return real


def learned(real: RealTransitions | None, config: DqnConfig = QUICK) -> NetworkPolicy:
    return train_in_market(PromoPays(), config, discount=0.9, seed=0, real=real).policy


def promo_share(policy: NetworkPolicy) -> float:
    return float(policy.distribution(Context({"kind": np.array([0.0, 1.0])}, 2))[:, 1].mean())


@pytest.mark.parametrize(("n", "share"), [(25, 0.2), (100, 0.5), (10_000, 0.9)])
def test_the_real_share_of_a_batch_grows_with_real_experience_up_to_its_cap(n: int, share: float) -> None:
    assert make_real(make_panel(n)).real_share(QUICK) == pytest.approx(share)


def test_old_transitions_count_less_and_are_drawn_less() -> None:
    factor = np.where(np.arange(400) < 200, 0.25, 1.0)
    panel = make_panel(400)
    panel = replace(panel, reward=np.arange(400.0))
    real = make_real(panel, factor)
    assert real.n_real == pytest.approx(250.0)
    drawn = real.sample_transitions(20_000, np.random.default_rng(0)).reward.numpy()
    assert abs((drawn < 200).mean() - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 20_000)


def test_transitions_are_what_the_market_would_have_shown() -> None:
    market, panel = PromoPays(), make_panel(50, terminated=False)
    assert panel.panel is not None
    tree = SupportTree.everywhere([True, False])
    mixed_up = replace(panel, actions=ActionSet(("promo", "none")), action=1 - panel.action)
    real = real_transitions(mixed_up, actions=ACTIONS, encoder=market.encoder, support=tree)
    assert real is not None
    found, kinds = real.transitions, panel.context.column("kind").astype(np.float64)[:, None]
    np.testing.assert_array_equal(found.observation.numpy(), market.observe(kinds))
    np.testing.assert_array_equal(found.action.numpy()[:, 0], panel.action)
    np.testing.assert_array_equal(found.reward.numpy(), panel.reward)
    after = panel.panel.next_context.column("kind").astype(np.float64)[:, None]
    np.testing.assert_array_equal(found.next_observation.numpy(), market.observe(after))
    assert (found.continues.numpy() == 1).all()  # the observation ended, the customer did not
    assert (make_real(make_panel(50)).transitions.continues.numpy() == 0).all()
    np.testing.assert_array_equal(found.next_mask.numpy(), np.tile([True, False], (50, 1)))


def test_little_contradiction_leaves_the_market_in_charge_and_much_of_it_reality() -> None:
    assert promo_share(learned(make_real(make_panel(10)))) == 1.0
    assert promo_share(learned(make_real(make_panel(5000)))) == 0.0


def test_the_same_seed_gives_the_same_bytes_with_real_experience_too() -> None:
    real, config = make_real(make_panel(100)), replace(QUICK, periods=20)
    first, second, without = (learned(r, config).layers[0].weight.tobytes() for r in (real, real, None))
    assert first == second != without


def test_market_learner__without_real_experience_is_what_it_was() -> None:
    market = subscription_market()
    log, real = (panel_log(market, 200, 3, rng=np.random.default_rng(seed)) for seed in (0, 1))
    quick = DqnConfig(n_customers=64, periods=20, gradient_steps=2, exploration_periods=10, prior_transitions=300.0)
    small = MarketLearner(dqn=quick, market=MarketConfig(n_members=2))

    def weights(learner: MarketLearner) -> bytes:
        return learner.fit(log, np.random.default_rng(7)).layers[0].weight.tobytes()

    plain, mixed = weights(small), replace(small, real=real)
    assert weights(replace(small, real=real.take(np.arange(0)))) == plain
    first = weights(mixed)
    assert first == weights(mixed) != plain
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert weights(replace(mixed, half_life_days=30.0, now=now)) != first
    with pytest.raises(MissingColumn, match="no time was given"):
        weights(replace(mixed, half_life_days=30.0))


def test_what_is_no_panel_of_this_market_is_refused() -> None:
    panel, encoder = make_panel(10), PromoPays().encoder
    with pytest.raises(InvalidSnapshot, match="expected a panel"):
        real_transitions(replace(panel, panel=None), actions=ACTIONS, encoder=encoder, support=None)
    with pytest.raises(UnsupportedAction, match="unknown action 'promo'"):
        real_transitions(panel, actions=ActionSet(("none", "gift")), encoder=encoder, support=None)
    with pytest.raises(MissingColumn, match="lacks kind"):
        real_transitions(replace(panel, context=Context({}, 10)), actions=ACTIONS, encoder=encoder, support=None)
