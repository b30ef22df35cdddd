"""Regressions of what takes one of a few levels: leaving or staying, buying, and the next level of a moving column.

Logged transition rates enter as offset, the features bend them: once for all actions, then by action. Ordered levels
move down, stay or up, which features explain alike wherever the customer stands; of unordered ones, each level. How far
the features may bend is what the evidence says (MacKay 1992, Neural Computation 4(3), eq. 4.9, by Laplace's
approximation): one ridge for each column, and for each pair of columns, on what actions share and on where they depart.
Who plans seeks out every overfitted cell, and a posterior mean under a prior that fits is what such a choice does not
bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from env.softmax import fit_softmax, softmax

PRIOR_ROUNDS = 5.0  # of all actions together, added to an action's own transition counts
UNSEEN_ROUNDS = 0.1  # spread over the levels that never followed
FREE = 0.1  # ridge on levels, in rounds: only so that the optimum is unique
FIRST, LEAST, MOST = 100.0, 1.0, 1e5  # ridges in rounds: where the search begins, and its bounds
N_ROUNDS = 6  # of the search


@dataclass(frozen=True)
class Groups:
    """Logged rounds that share state and action, counted together."""

    features: FloatArray  # (n_groups, n_features + 1) the intercept last
    source: IntArray  # (n_features,) the context column, or the pair of columns, behind each feature
    n_plain: int  # features before the products
    action: IntArray  # (n_groups,)
    of_round: IntArray  # (n_rounds,) the group of each round
    first: IntArray  # (n_groups,) a round of each group
    n_actions: int

    def used(self, *, products: bool) -> IntArray:
        """Places of the features that a regression sees."""
        last = self.features.shape[1] - 1
        return np.arange(last + 1) if products else np.append(np.arange(self.n_plain), last)


@dataclass(frozen=True)
class LevelOutcome:
    """Something that takes one of a few levels after the period."""

    now: IntArray  # (n_rounds,)
    after: IntArray  # (n_rounds,)
    counts: BoolArray  # (n_rounds,) rounds that tell
    move: IntArray  # (n_now, n_after) the kind of step, which is what regressions explain
    pools: bool  # are logged transition rates taken over all actions?

    @property
    def n_now(self) -> int:
        return len(self.move)

    @property
    def n_moves(self) -> int:
        return int(self.move.max()) + 1


@dataclass(frozen=True)
class Shrinkage:
    """How much a regression may say: ridges a feature, in rounds."""

    products: bool  # products of features beside the features
    shared: tuple[float, ...]  # (n features used - 1,) on the effects shared by all actions
    action: tuple[float, ...]  # (n features used - 1,) on an action's departure from them


@dataclass(frozen=True)
class FittedLevels:
    offset: FloatArray  # (n_actions, n_now, n_after) logits
    shared: FloatArray | None  # effects alike for all actions, then each action's level; where a refit begins
    coefficients: FloatArray  # (n_actions, n_features + 1, n_after)


def fit_levels(
    groups: Groups, outcome: LevelOutcome, weight: FloatArray, shrinkage: Shrinkage, start: FittedLevels | None = None
) -> FittedLevels:
    """The regression of the rounds weighted by `weight` (n_rounds,); `start` is where the search begins."""
    offset = _transition_logits(groups, outcome, weight)
    problem = _Problem(groups, outcome, offset, weight, groups.used(products=shrinkage.products))
    if problem.is_trivial:
        return FittedLevels(offset, None, np.zeros((groups.n_actions, groups.features.shape[1], outcome.n_moves)))
    shared = problem.shared(shrinkage.shared, None if start is None else start.shared)
    coefficients = problem.departed(shared, shrinkage.action, start)
    return FittedLevels(offset, shared, coefficients)


class _Problem:
    """One outcome's counts with the two designs that explain them: of all actions, and of each."""

    def __init__(
        self, groups: Groups, outcome: LevelOutcome, offset: FloatArray, weight: FloatArray, used: IntArray
    ) -> None:
        self._groups, self._used = groups, used
        self._counts = count_rounds(groups, outcome, weight)
        self._offsets = _by_move(offset, outcome)[groups.action, outcome.now[groups.first]]
        self._features = groups.features[:, used]
        self._design = np.column_stack([self._features[:, :-1], np.eye(groups.n_actions)[groups.action]])

    @property
    def is_trivial(self) -> bool:
        """The same always follows, or there is nothing to explain it by."""
        return int((self._counts.sum(axis=0) > 0).sum()) < 2

    def shared(self, penalty: Sequence[float], start: FloatArray | None) -> FloatArray:
        """(n features used - 1 + n_actions, n_after): effects alike for all actions, then each action's own level.

        The levels are free: logged rates of an action mix what it does with whom it went to, and only the regression
        can tell the two apart.
        """
        pull = np.append(penalty, np.full(self._groups.n_actions, FREE))
        center = np.zeros((self._design.shape[1], self._counts.shape[1]))
        return fit_softmax(self._design, self._offsets, self._counts, center, start, penalty=pull)

    def departed(self, shared: FloatArray, penalty: Sequence[float], start: FittedLevels | None) -> FloatArray:
        """(n_actions, n_features + 1, n_after)."""
        groups, used = self._groups, self._used
        coefficients = np.zeros((groups.n_actions, groups.features.shape[1], self._counts.shape[1]))
        pull = np.append(penalty, FREE)
        for a in range(groups.n_actions):
            rows, center = groups.action == a, np.append(shared[: len(used) - 1], shared[[len(used) - 1 + a]], axis=0)
            begin = None if start is None else start.coefficients[a][used]
            coefficients[a, used] = fit_softmax(
                self._features[rows], self._offsets[rows], self._counts[rows], center, begin, penalty=pull
            )
        return coefficients

    def choose_shared(self, n_rounds: int) -> tuple[tuple[float, ...], FloatArray]:
        """Ridges on what all actions share, and the coefficients under them."""
        source = self._groups.source[self._used[:-1]]
        penalty, shared = np.full(len(source), FIRST), None
        for _ in range(n_rounds):
            shared = self.shared(penalty.tolist(), shared)
            pull = np.append(penalty, np.full(self._groups.n_actions, FREE))
            tally = _evidence(self._design, self._offsets, self._counts, shared, np.zeros_like(shared), pull, source)
            penalty = _ridges(tally, source)
        return tuple(penalty.tolist()), self.shared(penalty.tolist(), shared)

    def choose_departures(self, shared: FloatArray, n_rounds: int) -> tuple[float, ...]:
        """Ridges on how far actions depart from `shared`, one a source for all actions."""
        groups, used = self._groups, self._used
        source = groups.source[used[:-1]]
        penalty, fitted = np.full(len(source), FIRST), None
        for _ in range(n_rounds):
            coefficients = self.departed(shared, penalty.tolist(), fitted)
            fitted = FittedLevels(np.empty(0), None, coefficients)
            tally = np.zeros((2, int(groups.source.max(initial=-1)) + 1))
            for a in range(groups.n_actions):
                rows = groups.action == a
                center = np.append(shared[: len(used) - 1], shared[[len(used) - 1 + a]], axis=0)
                tally += _evidence(
                    self._features[rows],
                    self._offsets[rows],
                    self._counts[rows],
                    coefficients[a, used],
                    center,
                    np.append(penalty, FREE),
                    source,
                    n_sources=tally.shape[1],
                )
            penalty = _ridges(tally, source)
        return tuple(penalty.tolist())


def choose_shrinkage(groups: Groups, outcome: LevelOutcome, weight: FloatArray, *, products: bool) -> Shrinkage:
    """First what all actions share, then how far actions depart from it, each by the evidence of the rounds."""
    used = groups.used(products=products)
    problem = _Problem(groups, outcome, _transition_logits(groups, outcome, weight), weight, used)
    if problem.is_trivial or len(used) < 2:
        return Shrinkage(products, (MOST,) * (len(used) - 1), (MOST,) * (len(used) - 1))
    penalty, shared = problem.choose_shared(N_ROUNDS)
    return Shrinkage(products, penalty, problem.choose_departures(shared, N_ROUNDS))


def _evidence(
    features: FloatArray,
    offsets: FloatArray,
    counts: FloatArray,
    coefficients: FloatArray,
    center: FloatArray,
    penalty: FloatArray,
    source: IntArray,
    n_sources: int | None = None,
) -> FloatArray:
    """(2, n_sources) by source: how many coefficients the data determine, and their squared distance from `center`.

    One class after the other against the rest (the Hessian's blocks); classes sum to zero, which C / (C - 1) restores.
    """
    n_sources = int(source.max(initial=-1)) + 1 if n_sources is None else n_sources
    n_rounds, n_classes = counts.sum(axis=1), counts.shape[1]
    rates = softmax(offsets + features @ coefficients)
    seen, n_ridged = counts.sum(axis=0) > 0, len(source)
    determined = np.zeros(n_ridged)
    for c in np.flatnonzero(seen):
        spread = n_rounds * rates[:, c] * (1 - rates[:, c]) * n_classes / (n_classes - 1)
        hessian = (features.T * spread) @ features + np.diag(penalty)
        determined += 1 - penalty[:n_ridged] * np.diag(np.linalg.inv(hessian))[:n_ridged]
    determined *= (n_classes - 1) / n_classes
    moved = ((coefficients - center)[:n_ridged] ** 2).sum(axis=1)
    return np.stack([np.bincount(source, weights=w, minlength=n_sources) for w in (determined, moved)])


def _ridges(tally: FloatArray, source: IntArray) -> FloatArray:
    """(n_ridged,) MacKay's update: determined coefficients over their squared distance."""
    determined, moved = tally
    ridge = np.clip(determined / np.maximum(moved, 1e-12), LEAST, MOST)
    return np.asarray(ridge[source], dtype=np.float64)


def count_rounds(groups: Groups, outcome: LevelOutcome, weight: FloatArray) -> FloatArray:
    """(n_groups, n_moves) weighted rounds by what followed."""
    cell = groups.of_round * outcome.n_moves + outcome.move[outcome.now, outcome.after]
    shape = (len(groups.first), outcome.n_moves)
    counts = np.bincount(cell, weights=weight * outcome.counts, minlength=shape[0] * shape[1])
    return np.asarray(counts, dtype=np.float64).reshape(shape)


def _transition_logits(groups: Groups, outcome: LevelOutcome, weight: FloatArray) -> FloatArray:
    """(n_actions, n_now, n_after) logs of logged rates; where an action is rare it borrows from all actions."""
    shape = (groups.n_actions, *outcome.move.shape)
    cell = np.ravel_multi_index((groups.action[groups.of_round], outcome.now, outcome.after), shape)
    counted = np.bincount(cell, weights=weight * outcome.counts, minlength=int(np.prod(shape)))
    by_cell = np.asarray(counted, dtype=np.float64).reshape(shape)
    overall = by_cell.sum(axis=0) + UNSEEN_ROUNDS / shape[2]
    overall /= overall.sum(axis=1, keepdims=True)
    smoothed = (0.0 if outcome.pools else 1.0) * by_cell + PRIOR_ROUNDS * overall
    logits: FloatArray = np.log(smoothed / smoothed.sum(axis=2, keepdims=True))
    return logits


def _by_move(offset: FloatArray, outcome: LevelOutcome) -> FloatArray:
    """(n_actions, n_now, n_moves) the same rates by kind of step; levels of one kind keep their ratio."""
    rates = np.zeros((*offset.shape[:2], outcome.n_moves))
    for now, move in enumerate(outcome.move):
        for after, kind in enumerate(move):
            rates[:, now, kind] += np.exp(offset[:, now, after])
    return np.log(np.maximum(rates, 1e-12))
