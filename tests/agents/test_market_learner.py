from dataclasses import dataclass

import numpy as np
import pytest

from agents.market_learner import MarketLearner
from agents.training import TrainingProgress, train_in_market
from config.dqn import DqnConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from env.reference.exact import score
from env.reference.log import panel_log
from env.reference.subscription import ACTIONS, subscription_market

QUICK = DqnConfig(n_customers=256, periods=40, gradient_steps=4, epsilon_periods=20)


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
    learner = MarketLearner(dqn=QUICK, on_progress=told.append)
    first, second = (learner.learn(log, np.random.default_rng(7)) for _ in range(2))
    assert [x.weight.tobytes() for x in first.policy.layers] == [x.weight.tobytes() for x in second.policy.layers]
    assert (*first.curve, *second.curve) == tuple(told)
    assert first.market.actions == ACTIONS


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
