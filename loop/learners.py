"""Which learner a log calls for: outcome models for one period, DQN in the fitted market for panels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from domain.errors import UsageError
from domain.log import LoggedDecisions
from domain.policy import Learner, Policy

if TYPE_CHECKING:
    from agents.training import TrainingProgress
    from env.model import MarketModel

ALGORITHMS = ("outcome", "bandit", "dqn")
DISCOUNT = 0.95  # a period, of what an agent plans for

Watch = Callable[["TrainingProgress"], None]


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
    if algo == "dqn" and log.panel is None:
        raise UsageError(
            "dqn plans over several periods, but this log has one row a decision and no episodes",
            "add episode_id, step and terminated columns, or leave --algo out",
        )
    return algo


def make_learner(algo: str, watch: Watch | None = None) -> Learner:
    """A learner by its name in ALGORITHMS; only `dqn` makes torch load."""
    if algo == "outcome":
        from agents.outcome_learner import OutcomeLearner

        return OutcomeLearner()
    if algo == "bandit":
        from agents.bandit import BanditLearner

        return BanditLearner()
    from agents.market_learner import MarketLearner

    return MarketLearner(discount=DISCOUNT, on_progress=watch)


def learn(learner: Learner, log: LoggedDecisions, rng: np.random.Generator) -> Lesson:
    """What a learner makes of all rows."""
    if hasattr(learner, "learn"):
        learned = learner.learn(log, rng)
        return Lesson(learned.policy, learned.curve, learned.market)
    return Lesson(learner.fit(log, rng))
