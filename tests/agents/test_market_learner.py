from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import pytest

from agents.market_learner import MarketLearner
from agents.training import train_in_market
from agents.watch import TrainingProgress, TrainingWatch
from agents.yardsticks import Simulation, yardsticks
from config.dqn import DqnConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.errors import Interrupted
from domain.log import LoggedDecisions
from env.fit import fit_market
from env.model import MarketModel
from env.reference.exact import score
from env.reference.log import panel_log
from env.reference.subscription import ACTIONS, subscription_market
from policies.baselines import ConstantPolicy

QUICK = DqnConfig(n_customers=256, periods=40, gradient_steps=4, exploration_periods=20)


@dataclass(frozen=True)
class NoDiscountForPremium:
    """Uniform, but premium customers were never given a discount."""

    name: str = "no_discount_for_premium"

    @property
    def actions(self) -> ActionSet:
        return ACTIONS

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:  # noqa: ARG002 # the log names none
        allowed = np.ones((context.n_rounds, len(ACTIONS)))
        allowed[context.column("plan") == "premium", ACTIONS.index("discount")] = 0.0
        return np.asarray(allowed / allowed.sum(axis=1, keepdims=True))


def test_what_the_log_never_tried_is_masked_in_the_delivered_policy_too() -> None:
    market = subscription_market()
    log = panel_log(market, 2000, 6, NoDiscountForPremium(), rng=np.random.default_rng(0))
    policy = MarketLearner(dqn=QUICK).fit(log, np.random.default_rng(0))
    premium = market.states.column("plan") == "premium"
    discount = policy.distribution(market.states)[:, ACTIONS.index("discount")]
    assert (discount[premium] == 0).all()
    only_discount = np.zeros((market.n_states, len(ACTIONS)), dtype=np.bool_)
    only_discount[:, ACTIONS.index("discount")] = True
    assert (policy.distribution(market.states, only_discount)[:, ACTIONS.index("discount")] == 1).all()


def test_the_same_seed_learns_the_same_policy_and_the_curve_comes_along() -> None:
    log = panel_log(subscription_market(), 500, 4, rng=np.random.default_rng(0))
    told: list[TrainingProgress] = []

    @contextmanager
    def watch(_market: MarketModel, seen: LoggedDecisions) -> Iterator[TrainingWatch]:
        assert seen is log
        yield TrainingWatch(on_progress=told.append)

    learner = MarketLearner(dqn=QUICK, watch=watch)
    first, second = (learner.learn(log, np.random.default_rng(7)) for _ in range(2))
    assert [x.weight.tobytes() for x in first.policy.layers] == [x.weight.tobytes() for x in second.policy.layers]
    assert (*first.curve, *second.curve) == tuple(told)
    assert first.market.actions == ACTIONS


def test_who_stops_it_is_handed_what_was_learned_so_far() -> None:
    log = panel_log(subscription_market(), 500, 4, rng=np.random.default_rng(0))
    watching = MarketLearner(dqn=QUICK, watch=lambda _market, _log: nullcontext(TrainingWatch(stop=lambda: True)))
    with pytest.raises(Interrupted, match="stopped after 1 of 40 periods") as stopped:
        watching.fit(log, np.random.default_rng(7))
    assert stopped.value.policy is not None
    assert stopped.value.policy.actions == ACTIONS


def test_yardsticks_are_what_the_obvious_policies_earn_in_the_fitted_market() -> None:
    log = panel_log(subscription_market(), 500, 4, rng=np.random.default_rng(0))
    simulation = Simulation(fit_market(log, rng=np.random.default_rng(0)), horizon=6, discount=0.9)
    levels = yardsticks(simulation, log)
    (best,) = [name for name in levels if name.startswith("best constant: ")]
    assert set(levels) == {"logged", best, "myopic"}
    values = {action: simulation.value(ConstantPolicy(ACTIONS, action)) for action in ACTIONS.ids}
    assert levels[best] == max(values.values()) == values[best.removeprefix("best constant: ")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_policy_learned_from_a_panel_earns_most_of_what_can_be_earned(seed: int) -> None:
    market = subscription_market()
    log = panel_log(market, rng=np.random.default_rng(seed))
    policy = MarketLearner(discount=market.discount).fit(log, np.random.default_rng(seed))
    assert score(market, policy) >= 0.80


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_an_agent_that_is_given_the_true_market_all_but_solves_it(seed: int) -> None:
    market = subscription_market()
    policy = train_in_market(market, DqnConfig(), discount=market.discount, seed=seed).policy
    assert score(market, policy) >= 0.93
