"""Which learner a log calls for: outcome models for one period, DQN in the fitted market for panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from config.dqn import DqnConfig
from domain.actions import Action, relative_prices
from domain.errors import UsageError
from domain.log import LoggedDecisions
from domain.policy import Learner, Policy

if TYPE_CHECKING:
    from agents.market_learner import WatchMarket
    from agents.watch import TrainingProgress
    from env.model import MarketModel

LEARN_IN_MARKET = ("dqn", "ppo", "a2c")  # plan over several periods, in a market fitted to the log
ALGORITHMS = ("outcome", "bandit", *LEARN_IN_MARKET)
DISCOUNT = 0.95  # a period, of what an agent plans for


@dataclass(frozen=True)
class Lesson:
    """A policy learned from all rows, with the learning curve and the fitted market where there was one."""

    policy: Policy
    curve: tuple["TrainingProgress", ...] = ()
    market: "MarketModel | None" = None


def choose_algorithm(algo: str | None, log: LoggedDecisions) -> str:
    """`algo`, or what the kind of log calls for.

    Raises:
        UsageError: no such algorithm, or one that this kind of log cannot feed.
    """
    if algo is None:
        return "outcome" if log.panel is None else "dqn"
    if algo not in ALGORITHMS:
        raise UsageError(f"unknown algorithm {algo!r}; expected one of {', '.join(ALGORITHMS)}")
    if algo in LEARN_IN_MARKET and log.panel is None:
        raise UsageError(
            f"{algo} plans over several periods, but this log has one row a decision and no episodes",
            "add episode_id, step and terminated columns, or leave --algo out",
        )
    return algo


def prices_of(log: LoggedDecisions, catalogue: Sequence[Action]) -> dict[str, float]:
    """Relative prices, as `env.fit.fit_market` takes them, of the catalogue's actions that the log has tried."""
    return relative_prices([a for a in catalogue if a.action_id in log.actions])


def make_learner(
    algo: str,
    *,
    budget: DqnConfig | None = None,
    watch: "WatchMarket | None" = None,
    prices: Mapping[str, float] | None = None,
) -> Learner:
    """A learner by its name in ALGORITHMS; what learns in a market makes torch load, and heeds what else is given.

    Args:
        algo: the name.
        budget: of training.
        watch: told how it goes.
        prices: relative to the list price, as `env.fit.fit_market` takes them.
    """
    if algo == "outcome":
        from agents.outcome_learner import OutcomeLearner

        return OutcomeLearner()
    if algo == "bandit":
        from agents.bandit import BanditLearner

        return BanditLearner()
    from agents.market_learner import MarketLearner

    return MarketLearner(algorithm=algo, discount=DISCOUNT, dqn=budget or DqnConfig(), watch=watch, prices=prices or {})


def learn(learner: Learner, log: LoggedDecisions, rng: np.random.Generator) -> Lesson:
    """What a learner makes of all rows."""
    if hasattr(learner, "learn"):
        learned = learner.learn(log, rng)
        return Lesson(learned.policy, learned.curve, learned.market)
    return Lesson(learner.fit(log, rng))
