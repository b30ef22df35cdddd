"""The one function behind every logged decision and every replay of it: one row in, one action and its propensity out.

    p = (1 - exploration_share) * policy(context | allowed) + exploration_share * uniform(allowed and supported)

and the action is where `draw` falls in the cumulated p. No clock, no generator: what is kept with a decision (features,
allowed actions, share, draw, policy version) gives the same bytes again under the same NumPy version. A batch
(`Policy.distribution`) may differ in the last bits; nothing that is logged or replayed goes through it.
"""

from typing import NamedTuple, Protocol

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, Column, FloatArray
from domain.context import Context
from domain.errors import InvalidSnapshot, UsageError
from domain.events import Features, Scalar


class RowPolicy(Protocol):
    """A policy that can answer one customer."""

    @property
    def actions(self) -> ActionSet: ...

    def row_features(self, context: Context) -> FloatArray:
        """(n_features,) what it reads of a context of one row.

        Raises:
            MissingColumn: the context lacks a column.
        """
        ...

    def row_distribution(self, features: FloatArray, allowed: list[bool]) -> tuple[list[float], list[bool]]:
        """(n_actions,) probabilities, and (n_actions,) what could be chosen: allowed, and supported where anything is.

        Args:
            features: (n_features,) of `row_features`.
            allowed: (n_actions,) at least one True.
        """
        ...


class Drawn(NamedTuple):
    """One decision. A plain tuple: it is made while a customer waits."""

    action: int  # index into the policy's actions
    propensity: float  # distribution[action], exact
    distribution: tuple[float, ...]  # (n_actions,)


def decide(
    policy: RowPolicy, given: Context | FloatArray, allowed: BoolArray, *, exploration_share: float, draw: float
) -> Drawn:
    """Draws one action for one customer.

    >>> from policies.baselines import ConstantPolicy
    >>> policy = ConstantPolicy(ActionSet(("none", "promo")), "promo")
    >>> decide(policy, np.empty(0), np.array([True, True]), exploration_share=0.5, draw=0.2)
    Drawn(action=0, propensity=0.25, distribution=(0.25, 0.75))

    Args:
        policy: whose distribution.
        given: a context of one row, or its features (n_features,) as the policy encodes them.
        allowed: (n_actions,) over the policy's actions, after restriction.
        exploration_share: of decisions spread evenly over what could be chosen, in [0, 1].
        draw: in [0, 1).

    Raises:
        MissingColumn: the context lacks a column that the policy needs.
        InvalidSnapshot: nothing is allowed, more than one row, or numbers that are not finite.
        UsageError: a share, a draw or a mask outside its range.
    """
    may: list[bool] = allowed.tolist()
    if not (0.0 <= exploration_share <= 1.0 and 0.0 <= draw < 1.0 and len(may) == len(policy.actions.ids)):
        raise _out_of_range(policy, may, exploration_share, draw)
    if True not in may:
        raise InvalidSnapshot("no action is allowed, expected at least one", "the baseline is always allowed")
    features = _row_features(policy, given) if isinstance(given, Context) else given
    chosen, choosable = policy.row_distribution(features, may)
    keep, spread = 1.0 - exploration_share, exploration_share / sum(choosable)
    distribution = tuple([keep * p + spread if ok else 0.0 for p, ok in zip(chosen, choosable, strict=True)])
    action = _fall(distribution, draw)
    return Drawn(action, distribution[action], distribution)


def row_context(features: Features) -> Context:
    """A context of one row from what a product sent: flags count as 1 and 0, as in a log."""
    return Context({name: _column(value) for name, value in features.items()}, n_rounds=1)


def _fall(distribution: tuple[float, ...], draw: float) -> int:
    """Where `draw` falls. Probabilities that add up to a little under one leave the rest to the last positive one."""
    edge, last = 0.0, 0
    for action, p in enumerate(distribution):
        if p > 0.0:
            edge, last = edge + p, action
            if draw < edge:
                return action
    return last


def _row_features(policy: RowPolicy, context: Context) -> FloatArray:
    if context.n_rounds != 1:
        raise InvalidSnapshot(f"the context has {context.n_rounds} rows, expected one", "decide them one by one")
    return policy.row_features(context)


def _column(value: Scalar) -> Column:
    if isinstance(value, (bool, int, float)):
        return np.array([float(value)])
    return np.array([value], dtype=np.object_)


def _out_of_range(policy: RowPolicy, allowed: list[bool], share: float, draw: float) -> UsageError:
    return UsageError(
        f"found exploration share {share}, draw {draw} and {len(allowed)} allowed flags",
        f"give a share in [0, 1], a draw in [0, 1) and one flag for each of the {len(policy.actions)} actions",
    )
