"""The policies that need no learning: the honest competition of everything learned."""

from dataclasses import dataclass

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from policies.eligibility import eligible_or_all, uniform_over


@dataclass(frozen=True)
class ConstantPolicy:
    """One action for everyone. Where it is not eligible: `fallback` if that is, else uniform over the eligible ones.

    >>> policy = ConstantPolicy(ActionSet(("none", "promo")), "promo")
    >>> policy.distribution(Context({}, n_rounds=2))
    array([[0., 1.],
           [0., 1.]])

    Raises:
        UnsupportedAction: `action` or `fallback` is not one of `actions`.
    """

    actions: ActionSet
    action: str
    fallback: str | None = None

    def __post_init__(self) -> None:
        for action_id in (self.action, self.fallback):
            if action_id is not None:
                self.actions.index(action_id)

    @property
    def name(self) -> str:
        return f"constant:{self.action}"

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions); see `domain.policy.Policy`."""
        allowed = eligible_or_all(self.actions, context.n_rounds, eligible)
        distribution = uniform_over(allowed)
        for action_id in (self.fallback, self.action):
            if action_id is not None:
                index = self.actions.index(action_id)
                distribution[allowed[:, index]] = np.eye(len(self.actions))[index]
        return distribution

    def row_features(self, context: Context) -> FloatArray:  # noqa: ARG002 # it looks at nobody
        """(0,)."""
        return np.empty(0)

    def row_distribution(self, features: FloatArray, allowed: list[bool]) -> tuple[list[float], list[bool]]:  # noqa: ARG002
        """(n_actions,) of one round, and what could be chosen; see `policies.deciding.RowPolicy`."""
        for action_id in (self.action, self.fallback):
            if action_id is not None and allowed[self.actions.index(action_id)]:
                return [float(known == action_id) for known in self.actions.ids], allowed
        return _row_uniform(allowed), allowed


@dataclass(frozen=True)
class UniformPolicy:
    """Every eligible action with the same probability."""

    actions: ActionSet

    @property
    def name(self) -> str:
        return "uniform"

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions); see `domain.policy.Policy`."""
        return uniform_over(eligible_or_all(self.actions, context.n_rounds, eligible))

    def row_features(self, context: Context) -> FloatArray:  # noqa: ARG002 # it looks at nobody
        """(0,)."""
        return np.empty(0)

    def row_distribution(self, features: FloatArray, allowed: list[bool]) -> tuple[list[float], list[bool]]:  # noqa: ARG002
        """(n_actions,) of one round, and what could be chosen; see `policies.deciding.RowPolicy`."""
        return _row_uniform(allowed), allowed


def _row_uniform(allowed: list[bool]) -> list[float]:
    share = 1 / sum(allowed)
    return [share if ok else 0.0 for ok in allowed]
