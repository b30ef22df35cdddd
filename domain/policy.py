"""The three roles: a policy acts, a reward model predicts, a learner turns a log into a policy."""

from typing import Protocol

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.log import LoggedDecisions


class Policy(Protocol):
    """Context in, action distribution out."""

    @property
    def name(self) -> str: ...

    @property
    def actions(self) -> ActionSet: ...

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions) rows that sum to one and give ineligible actions zero.

        Args:
            context: (n_rounds,) decisions.
            eligible: (n_rounds, n_actions) over this policy's actions; None = all.
        """
        ...


class RewardModel(Protocol):
    """q(context, action): the expected reward of every action."""

    @property
    def actions(self) -> ActionSet: ...

    def expected_reward(self, context: Context) -> FloatArray:
        """(n_rounds, n_actions)."""
        ...


class Learner(Protocol):
    """Owns experience, produces policies."""

    @property
    def name(self) -> str: ...

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> Policy: ...


def draw_actions(distribution: FloatArray, rng: np.random.Generator) -> IntArray:
    """(n_rounds,) one action a row by inverse transform; an action of probability zero is never drawn.

    Args:
        distribution: (n_rounds, n_actions).
        rng: one number a row is drawn from it.
    """
    edges = np.cumsum(distribution, axis=1)
    draws = rng.random(len(distribution)) * edges[:, -1]
    return np.asarray((draws[:, None] >= edges[:, :-1]).sum(axis=1), dtype=np.int64)
