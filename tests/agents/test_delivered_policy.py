"""What is delivered decides as the network that was trained: the same probabilities to 1e-6, by every rule."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.dqn import MarketDQN
from agents.sb3_env import MarketVecEnv
from agents.training import policy_of
from config.dqn import DqnConfig
from domain.arrays import BoolArray, FloatArray
from env.market import MarketCore
from env.reference.subscription import subscription_market
from policies.deciding import decide
from policies.exploration import GREEDY, Exploration, ExplorationRule

SHARE = 0.05
CONFIG = DqnConfig(n_customers=128, periods=30, warmup_periods=4, gradient_steps=2, exploration_periods=20)
MARKET = subscription_market()


@pytest.fixture(scope="module")
def agent() -> MarketDQN:
    core = MarketCore(MARKET, CONFIG.n_customers, horizon=CONFIG.restart_periods, seed=0)
    torch.manual_seed(0)
    made = MarketDQN(MarketVecEnv(core), CONFIG, discount=0.95, rng=np.random.default_rng(0))
    made.learn(CONFIG.periods * CONFIG.n_customers)
    return made


def torch_distribution(scores: torch.Tensor, allowed: BoolArray, exploration: Exploration) -> FloatArray:
    """Greedy, epsilon-greedy and softmax in torch, the share of exploration on top."""
    may = torch.as_tensor(allowed)
    masked = scores.masked_fill(~may, -torch.inf)
    best = torch.nn.functional.one_hot(masked.argmax(dim=1), scores.shape[1]).double()
    spread = may.double() / may.sum(dim=1, keepdim=True)
    chosen = (1 - exploration.amount) * best + exploration.amount * spread
    if exploration.rule is ExplorationRule.SOFTMAX:
        chosen = torch.softmax(masked.double() / exploration.amount, dim=1)
    return np.asarray(((1 - SHARE) * chosen + SHARE * spread).numpy())


@pytest.mark.parametrize("rule", [GREEDY, Exploration(ExplorationRule.EPSILON_GREEDY, 0.2), ExplorationRule.SOFTMAX])
def test_the_delivered_policy_has_the_probabilities_of_the_trained_network(
    agent: MarketDQN, rule: Exploration | ExplorationRule
) -> None:
    assert agent.reward_scale is not None
    tenth = 0.1 * agent.reward_scale  # softmax counts in units of the reward
    exploration = rule if isinstance(rule, Exploration) else Exploration(rule, tenth)
    policy = replace(policy_of(agent, MARKET), exploration=exploration)
    features = MARKET.encoder.transform(MARKET.states)
    allowed = np.random.default_rng(0).random((MARKET.n_states, len(MARKET.actions))) < 0.7
    allowed[:, 0] = True
    with torch.no_grad():
        scores = agent.average_net.q_net(torch.as_tensor(features, dtype=torch.float32)) * agent.reward_scale
    expected = torch_distribution(scores, allowed, exploration)
    decided = np.array(
        [
            decide(policy, row, mask, exploration_share=SHARE, draw=0.5).distribution
            for row, mask in zip(features, allowed, strict=True)
        ]
    )
    np.testing.assert_allclose(decided, expected, atol=1e-6, rtol=0)
    spoilt = replace(
        policy, layers=(*policy.layers[:-1], replace(policy.layers[-1], bias=-policy.layers[-1].weight[0]))
    )
    assert np.abs(spoilt.distribution(MARKET.states, allowed) - policy.distribution(MARKET.states, allowed)).max() > 0.1
