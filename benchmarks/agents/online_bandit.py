"""A contextual bandit learning online in a market, as the competition of an agent that plans."""

from dataclasses import dataclass, replace

import numpy as np

from agents.bandit import LinearBandit
from analysis.features import fit_encoder
from config.dqn import DqnConfig
from domain.arrays import FloatArray
from domain.policy import draw_actions
from env.market import MarketCore
from env.reference import exact
from env.reference.tabular import TabularMarket
from policies.exploration import Exploration
from policies.network import NetworkPolicy

N_CUSTOMERS = DqnConfig().n_customers  # as much as the agent lives through by default
N_PERIODS = DqnConfig().periods
RESTART_PERIODS = DqnConfig().restart_periods


@dataclass(frozen=True)
class BanditSetting:
    """What is tuned; `agents.bandit` says what the numbers mean."""

    interactions: bool  # products of features
    penalty: float
    gamma_scale: float
    is_greedy: bool = False  # what is delivered: the best guesses, or still exploring


GRID = tuple(
    BanditSetting(interactions, penalty, gamma_scale)
    for interactions in (False, True)
    for penalty in (1.0, 100.0)
    for gamma_scale in (1.0, 10.0)
)


def bandit_distribution(market: TabularMarket, setting: BanditSetting, seed: int) -> FloatArray:
    """(n_states, n_actions) what the bandit does once it has learned."""
    return delivered(market, learn_online(market, setting, seed), is_greedy=setting.is_greedy)


def delivered(market: TabularMarket, policy: NetworkPolicy, *, is_greedy: bool) -> FloatArray:
    """(n_states, n_actions) the bandit as it explores, or its best guesses."""
    return exact.distribution_of(market, replace(policy, exploration=Exploration()) if is_greedy else policy)


def learn_online(market: TabularMarket, setting: BanditSetting, seed: int) -> NetworkPolicy:
    """The bandit after its `N_PERIODS` with `N_CUSTOMERS` customers."""
    core = MarketCore(market, N_CUSTOMERS, horizon=RESTART_PERIODS, seed=seed)
    core.reset()
    rng = np.random.default_rng(seed)
    encoder = fit_encoder(market.visible, interactions=setting.interactions)
    bandit = LinearBandit(market.actions, encoder, penalty=setting.penalty, gamma_scale=setting.gamma_scale)
    features = encoder.transform(market.visible)
    for _ in range(N_PERIODS):
        state = market.index(core.state)
        action = draw_actions(exact.distribution_of(market, bandit.policy())[state], rng)
        bandit.update(features[state], action, core.step(action).reward, np.ones(N_CUSTOMERS))
    return bandit.policy()
