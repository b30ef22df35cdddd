"""The three roles: a policy acts, a reward model predicts, a learner turns a log into a policy."""

from typing import Protocol

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
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
