"""Bernoulli Thompson sampling, frozen: every arm draws theta ~ Beta(alpha, beta), the largest draws are shown in order.

What is at position k is the arm with the k-th largest draw, so a decision's distribution is the probability of every
arm to be ranked k-th (`policies/beta_ranks.py`): exact, where such policies are often logged with frequencies from a
simulation. Restricted to some actions, only those draw: the ranking is among the eligible ones.
References: Thompson (1933), Biometrika 25(3/4); Saito, Aihara, Matsutani, Narita (2021), NeurIPS Datasets and
Benchmarks, whose logging policy this is.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.errors import InvalidSnapshot, UsageError
from policies.beta_ranks import check_parameters, rank_probabilities
from policies.eligibility import eligible_or_all


@dataclass(frozen=True)
class ThompsonPolicy:
    """Thompson sampling with the parameters that it has now.

    >>> policy = ThompsonPolicy(ActionSet(("a", "b")), (2.0, 1.0), (1.0, 1.0), position="slot")
    >>> policy.distribution(Context({"slot": np.array([1.0, 2.0])}, n_rounds=2)).round(6)
    array([[0.666667, 0.333333],
           [0.333333, 0.666667]])

    Raises:
        UsageError: an action twice, or parameters that `rank_probabilities` refuses.
    """

    actions: ActionSet
    alpha: tuple[float, ...]  # an action: the prior's plus successes
    beta: tuple[float, ...]  # an action: the prior's plus failures
    position: str | None = None  # context column that counts positions from 1; None = there is one only

    def __post_init__(self) -> None:
        twice = [action for action, n in Counter(self.actions.ids).items() if n > 1]
        if twice:
            raise UsageError(f"action {twice[0]} is named more than once", "one pair of parameters an action")
        if len(self.alpha) != len(self.actions):
            raise UsageError(f"{len(self.alpha)} alpha for {len(self.actions)} actions", "give one an action")
        check_parameters(np.array(self.alpha), np.array(self.beta))

    @property
    def name(self) -> str:
        return "thompson"

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions); see `domain.policy.Policy`. Costs one table of ranks a distinct set of actions.

        Raises:
            MissingColumn: the context lacks the position's column.
            InvalidSnapshot: a position that is no whole number from 1 to the number of eligible actions.
        """
        allowed = eligible_or_all(self.actions, context.n_rounds, eligible)
        place = self._places(context, allowed.sum(axis=1))
        if not context.n_rounds:
            return np.zeros(allowed.shape)
        distribution = np.zeros(allowed.shape)
        if eligible is None:
            sets, group = allowed[:1], np.zeros(len(allowed), dtype=np.int64)
        else:
            sets, group = np.unique(allowed, axis=0, return_inverse=True)
        by_group = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
        for arms, rows in zip(sets, by_group, strict=True):
            distribution[np.ix_(rows, arms)] = self._table(arms, int(place[rows].max()) + 1)[place[rows]]
        return distribution

    def _table(self, arms: BoolArray, n_positions: int) -> FloatArray:
        """(n_positions, arms.sum()) of the arms that may be shown."""
        alpha, beta = np.array(self.alpha)[arms], np.array(self.beta)[arms]
        return _rank_table(tuple(alpha.tolist()), tuple(beta.tolist()), n_positions)

    def _places(self, context: Context, n_eligible: IntArray) -> IntArray:
        """(n_rounds,) positions from 0."""
        if self.position is None:
            return np.zeros(context.n_rounds, dtype=np.int64)
        column = context.column(self.position)
        try:
            position = column.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidSnapshot(f"{self.position} holds text: {error}", "number the positions from 1") from error
        bad = np.flatnonzero(~((position >= 1) & (position <= n_eligible) & (position % 1 == 0)))
        if len(bad):
            raise InvalidSnapshot(
                f"{self.position} is {position[bad[0]]:g} in row {bad[0]} and unusable in {len(bad)} rows; expected "
                f"1 to the number of eligible actions, {n_eligible[bad[0]]} there",
                "number the positions from 1, and show no more of them than there are eligible actions",
            )
        return np.asarray(position, dtype=np.int64) - 1


@lru_cache(maxsize=1024)
def _rank_table(alpha: tuple[float, ...], beta: tuple[float, ...], n_positions: int) -> FloatArray:
    """A log asks for the same few tables again and again, batch by batch."""
    table = rank_probabilities(np.array(alpha), np.array(beta), n_positions)
    table.flags.writeable = False
    return table
