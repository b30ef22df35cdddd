"""What is evaluated: a policy, a fixed distribution over the log's rows, or the policy that logged the data."""

from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.errors import InvalidSnapshot, MissingColumn
from domain.log import LoggedDecisions
from domain.policy import Policy

SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Target:
    """A question to the log. Without policy and distribution it is the policy that logged the data.

    >>> logged_target().is_logged
    True
    """

    name: str
    policy: Policy | None = None
    distribution: FloatArray | None = None  # (n_rounds, n_actions) on the log's rows and actions

    @property
    def is_logged(self) -> bool:
        return self.policy is None and self.distribution is None

    def on(self, log: LoggedDecisions) -> FloatArray | None:
        """(n_rounds, n_actions) over the log's actions, restricted to `eligible`; None for the logged policy.

        Raises:
            UnsupportedAction: the policy chooses an action that the log does not know.
            InvalidSnapshot: rows that are no distribution.
        """
        if self.policy is not None:
            return _valid(policy_distribution(self.policy, log.context, log, log.eligible), self.name)
        if self.distribution is None:
            return None
        return _restrict(_valid(self.distribution, self.name), log.eligible, self.name)


def target_of_policy(policy: Policy, name: str | None = None) -> Target:
    return Target(policy.name if name is None else name, policy=policy)


def logged_target() -> Target:
    return Target("logged")


def probabilities_target(log: LoggedDecisions, prefix: str) -> Target:
    """The distribution that the log's columns `PREFIX*` hold.

    Raises:
        MissingColumn: the log was read without them.
    """
    if prefix not in log.probabilities:
        found = ", ".join(sorted(log.probabilities)) or "none"
        raise MissingColumn(
            f"the log holds no probability columns with prefix {prefix!r}; found {found}",
            "name the columns PREFIX + action, one for every action",
        )
    return Target(f"probabilities:{prefix}", distribution=log.probabilities[prefix])


def policy_distribution(
    policy: Policy, context: Context, log: LoggedDecisions, eligible: BoolArray | None
) -> FloatArray:
    """(n_rounds, n_actions) of a policy in the order of the log's actions."""
    mask = None if eligible is None else log.actions.align_mask(eligible, policy.actions)
    return policy.actions.align(policy.distribution(context, mask), log.actions)


def _valid(distribution: FloatArray, name: str) -> FloatArray:
    is_bad = ~np.isfinite(distribution).all(axis=1) | (distribution < 0).any(axis=1)
    is_bad |= np.abs(distribution.sum(axis=1) - 1.0) > SUM_TOLERANCE
    if is_bad.any():
        first = int(np.flatnonzero(is_bad)[0])
        raise InvalidSnapshot(
            f"{name}: {int(is_bad.sum())} rows are no distribution (row {first} sums to {distribution[first].sum():g})",
            "probabilities must be at least 0 and sum to 1 in every row",
        )
    return distribution


def _restrict(distribution: FloatArray, eligible: BoolArray | None, name: str) -> FloatArray:
    if eligible is None:
        return distribution
    kept = np.where(eligible, distribution, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    if (total <= 0).any():
        raise InvalidSnapshot(
            f"{name}: in {int((total <= 0).sum())} rows all its probability lies on actions that were not eligible",
            "give every row at least one eligible action with probability above 0",
        )
    return np.asarray(kept / total)
