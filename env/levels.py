"""Regressions of what takes one of a few levels: leaving or staying, and the next level of a moving column.

The logged transition rates of an action enter as offset, the features bend them: once for all actions, then by action
as far as the log insists. How far is chosen on held-out customers, the strongest shrinkage within one standard error of
the best (Breiman et al. 1984): a planner seeks out every overfitted cell, so what is not evident is better left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from config.market import MarketConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from env.softmax import fit_softmax, softmax

PRIOR_ROUNDS = 5.0  # of all actions together, added to an action's own transition counts
UNSEEN_ROUNDS = 0.1  # spread over the levels that never followed
FREE = 0.1  # ridge on levels, in rounds: only so that the optimum is unique


@dataclass(frozen=True)
class Groups:
    """Logged rounds that share state and action, counted together."""

    features: FloatArray  # (n_groups, n_features + 1) the intercept last
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
    n_now: int
    n_after: int


@dataclass(frozen=True)
class Shrinkage:
    """How much a regression may say."""

    products: bool  # products of features beside the features
    shared: float  # ridge on the effects shared by all actions, in rounds
    action: float  # ridge on an action's departure from them; infinite = none


@dataclass(frozen=True)
class FittedLevels:
    offset: FloatArray  # (n_actions, n_now, n_after) logits
    shared: FloatArray | None  # effects alike for all actions, then each action's level; where a refit begins
    coefficients: FloatArray  # (n_actions, n_features + 1, n_after)


def fit_levels(
    groups: Groups, outcome: LevelOutcome, weight: FloatArray, shrinkage: Shrinkage, start: FittedLevels | None = None
) -> FittedLevels:
    """The regression of the rounds weighted by `weight` (n_rounds,); `start` is where the search begins."""
    counts, now = _counts(groups, outcome, weight), outcome.now[groups.first]
    offset = _transition_logits(groups, counts, now, outcome.n_now)
    if (counts.sum(axis=0) > 0).sum() < 2:  # the same always follows
        return FittedLevels(offset, *_nothing(groups, outcome.n_after))
    offsets, used = offset[groups.action, now], groups.used(products=shrinkage.products)
    features = groups.features[:, used]
    shared = _fit_shared(groups, features, offsets, counts, shrinkage.shared, None if start is None else start.shared)
    coefficients = np.zeros((groups.n_actions, groups.features.shape[1], outcome.n_after))
    coefficients[:, used[:-1]] = shared[: len(used) - 1]
    coefficients[:, -1] = shared[len(used) - 1 :]
    for a in range(groups.n_actions) if math.isfinite(shrinkage.action) else ():
        rows, center = groups.action == a, coefficients[a][used]
        begin = None if start is None else start.coefficients[a][used]
        pull = np.append(np.full(len(used) - 1, shrinkage.action), FREE)
        coefficients[a][used] = fit_softmax(features[rows], offsets[rows], counts[rows], center, begin, penalty=pull)
    return FittedLevels(offset, shared, coefficients)


def _fit_shared(
    groups: Groups,
    features: FloatArray,
    offsets: FloatArray,
    counts: FloatArray,
    penalty: float,
    start: FloatArray | None,
) -> FloatArray:
    """(n features used - 1 + n_actions, n_after): effects alike for all actions, then each action's own level.

    The levels are free: logged rates of an action mix what it does with whom it went to, and only the regression can
    tell the two apart.
    """
    design = np.column_stack([features[:, :-1], np.eye(groups.n_actions)[groups.action]])
    pull = np.append(np.full(features.shape[1] - 1, penalty), np.full(groups.n_actions, FREE))
    return fit_softmax(design, offsets, counts, np.zeros((design.shape[1], counts.shape[1])), start, penalty=pull)


def _nothing(groups: Groups, n_after: int) -> tuple[None, FloatArray]:
    return None, np.zeros((groups.n_actions, groups.features.shape[1], n_after))


def choose_shrinkage(
    groups: Groups,
    outcome: LevelOutcome,
    weight: FloatArray,
    heldout: BoolArray,
    config: MarketConfig,
    *,
    products: Sequence[bool],
) -> Shrinkage:
    """First what all actions share, then how far actions depart from it, each on the held-out rounds."""
    kept, judged = weight * ~heldout, weight * heldout

    def best(candidates: list[Shrinkage]) -> Shrinkage:
        fits = [_likelihoods(groups, outcome, fit_levels(groups, outcome, kept, c), judged) for c in candidates]
        top = fits[int(np.argmax([f.sum() for f in fits]))]
        behind = [float((top - f).sum()) for f in fits]
        error = [math.sqrt(float(((top - f) ** 2).sum())) for f in fits]
        return next(c for c, b, e in zip(candidates, behind, error, strict=True) if b <= config.choice_errors * e)

    shared = sorted(config.shared_penalties, reverse=True)
    chosen = best([Shrinkage(p, s, math.inf) for p, s in product(sorted(products), shared)])
    return best([chosen, Shrinkage(chosen.products, chosen.shared, config.action_penalty)])


def _likelihoods(groups: Groups, outcome: LevelOutcome, fitted: FittedLevels, weight: FloatArray) -> FloatArray:
    """(n_groups,) log-likelihood of the weighted rounds."""
    counts, now = _counts(groups, outcome, weight), outcome.now[groups.first]
    linear = np.empty(counts.shape)
    for a in range(groups.n_actions):
        rows = groups.action == a
        linear[rows] = groups.features[rows] @ fitted.coefficients[a]
    rates = softmax(linear + fitted.offset[groups.action, now])
    return np.asarray((counts * np.log(np.maximum(rates, 1e-12))).sum(axis=1), dtype=np.float64)


def _counts(groups: Groups, outcome: LevelOutcome, weight: FloatArray) -> FloatArray:
    """(n_groups, n_after) weighted rounds by what followed."""
    cell = groups.of_round * outcome.n_after + outcome.after
    shape = (len(groups.first), outcome.n_after)
    counts = np.bincount(cell, weights=weight * outcome.counts, minlength=shape[0] * shape[1])
    return np.asarray(counts, dtype=np.float64).reshape(shape)


def _transition_logits(groups: Groups, counts: FloatArray, now: IntArray, n_now: int) -> FloatArray:
    """(n_actions, n_now, n_after) logs of logged rates; where an action is rare it borrows from all actions."""
    n_after = counts.shape[1]
    by_cell = np.zeros((groups.n_actions, n_now, n_after))
    np.add.at(by_cell, (groups.action, now), counts)
    overall = by_cell.sum(axis=0) + UNSEEN_ROUNDS / n_after
    overall /= overall.sum(axis=1, keepdims=True)
    smoothed = by_cell + PRIOR_ROUNDS * overall
    logits: FloatArray = np.log(smoothed / smoothed.sum(axis=2, keepdims=True))
    return logits
