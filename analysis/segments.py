"""Segments found in a log: the leaves of a shallow tree that splits where the effects of the actions differ.

    target of row i, action a:  m_a(x_i) + 1[A_i = a] (R_i - m_a(x_i)) / pi_a(x_i)  -  the mean of that over actions

The doubly robust score is an unbiased, noisy reading of what each action would have earned from the row; without its
row mean it tells effects, not levels, so a split on it separates units that need *different* actions. The tree grows
on one half of the units; a split stays only where the other half confirms it, or one below it (one-sided tests of the
contrasts that the first half found, at 5 % for all of them together, with errors clustered by unit). Subsampling
weights count in the tree and in the tests. With one action there is no effect, and the
tree splits on the reward. References: Athey and Imbens (2016), PNAS 113(27), for honest splitting; Athey and Wager
(2021), Econometrica 89(1), for the scores.

Segments are found on the log's own rows: what they are worth is for evaluation's intervals to say.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from analysis.outcome_model import fit_outcome_model
from analysis.splits import Split, SplitFeature, complement_conditions, readable_cut, split_features
from domain.arrays import BoolArray, FloatArray
from domain.log import LoggedDecisions
from domain.segments import ALL, Predicate, Segment

MIN_LEAF_SHARE = 0.05
MIN_LEAF_ROUNDS = 100
CONFIRMATION_ERROR_RATE = 0.05  # over all splits of a tree
MIN_PROPENSITY = 0.01  # floor inside the scores: a bias that moves a split, not a value anyone reports


@dataclass(frozen=True)
class _Leaf:
    pass


@dataclass(frozen=True)
class _Branch:
    split: Split
    inside: "_Branch | _Leaf"  # rows that satisfy the split's condition
    outside: "_Branch | _Leaf"


def find_segments(
    log: LoggedDecisions, max_leaves: int = 4, *, min_leaf_rounds: int | None = None
) -> tuple[Segment, ...]:
    """Segments that partition every row of the log; only `all` where no split is confirmed.

    Args:
        log: one row a decision, or a panel's steps.
        max_leaves: segments at most.
        min_leaf_rounds: rows a segment must hold in the whole log, whatever their weight, and either half of the
            units without any split; None = 5 % of the log, at least 100.

    >>> rng = np.random.default_rng(0)
    >>> from domain.actions import ActionSet
    >>> from domain.context import Context
    >>> tenure, action = rng.uniform(0, 100, 4000), rng.integers(0, 2, 4000)
    >>> reward = action * np.where(tenure < 40, 1.0, -1.0) + rng.normal(size=4000)
    >>> context = Context({"tenure_days": tenure}, 4000)
    >>> log = LoggedDecisions(ActionSet(("no", "yes")), action, reward, "reward", context, np.arange(4000))
    >>> [segment.name for segment in find_segments(log, max_leaves=2)]
    ['tenure_days < 40', 'tenure_days >= 40']
    """
    floor = max(MIN_LEAF_ROUNDS, int(MIN_LEAF_SHARE * len(log))) if min_leaf_rounds is None else min_leaf_rounds
    features = split_features(log.context, floor)
    if max_leaves < 2 or not features or len(log) < 2 * floor:
        return (ALL,)
    targets = _targets(log)
    first = _is_first_half(log)
    if min(first.sum(), (~first).sum()) < floor:
        return (ALL,)
    X = np.column_stack([f.values for f in features])
    weight = np.where(first, log.sample_weight, 0.0)
    tree = _grow(X, targets, weight, max_leaves, max(1, floor // 2), features)
    z = NormalDist().inv_cdf(1 - CONFIRMATION_ERROR_RATE / (max_leaves - 1))
    tree = _confirm(tree, np.ones(len(log), dtype=np.bool_), _Evidence(log, targets, first, z, floor))
    return tuple(_segment(predicate) for predicate in _leaves(tree, Predicate()))


def _targets(log: LoggedDecisions) -> FloatArray:
    """(n_rounds, n_actions) doubly robust scores without their row mean; with one action (n_rounds, 1) rewards."""
    if log.n_actions == 1:
        return log.reward[:, None]
    scores = fit_outcome_model(log).expected_reward(log.context)
    rows = np.arange(len(log))
    residual = log.reward - scores[rows, log.action]
    scores[rows, log.action] += residual / np.maximum(_propensity(log), MIN_PROPENSITY)
    return np.asarray(scores - scores.mean(axis=1, keepdims=True))


def _propensity(log: LoggedDecisions) -> FloatArray:
    """As logged, else the action's share of its cell."""
    if log.propensity is not None:
        return log.propensity
    cell = np.zeros(len(log), dtype=np.int64) if log.cell is None else log.cell
    pair = cell * log.n_actions + log.action
    weight = log.sample_weight
    share = np.bincount(pair, weights=weight)[pair] / np.bincount(cell, weights=weight)[cell]
    return np.asarray(share)


def _is_first_half(log: LoggedDecisions) -> BoolArray:
    """Units by a hash of their code, so that a unit's rows stay together and order does not matter."""
    with np.errstate(over="ignore"):
        mixed = (log.unit.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray((mixed >> np.uint64(63)) == 0)


def _grow(
    X: FloatArray,
    targets: FloatArray,
    weight: FloatArray,
    max_leaves: int,
    min_leaf: int,
    features: tuple[SplitFeature, ...],
) -> _Branch | _Leaf:
    """The tree on rows with a weight > 0; a leaf holds `min_leaf` of them, half the floor on half the units."""
    used = weight > 0
    scale = targets[used].std() or 1.0
    model = DecisionTreeRegressor(max_leaf_nodes=max_leaves, min_samples_leaf=min_leaf, random_state=0)
    tree = model.fit(X[used], targets[used] / scale, sample_weight=weight[used]).tree_

    def branch(node: int) -> _Branch | _Leaf:
        if tree.children_left[node] < 0:
            return _Leaf()
        feature = features[tree.feature[node]]
        cut = readable_cut(feature.values, float(tree.threshold[node]))
        split = Split(feature, cut, bool(tree.missing_go_to_left[node]))
        return _Branch(split, branch(tree.children_left[node]), branch(tree.children_right[node]))

    return branch(0)


@dataclass(frozen=True)
class _Evidence:
    log: LoggedDecisions
    targets: FloatArray
    is_first: BoolArray  # the half that grew the tree
    z: float
    min_leaf_rounds: int

    def confirms(self, inside: BoolArray, outside: BoolArray) -> bool:
        """Whether the second half shows the contrast that the first half found."""
        contrast = self._mean(inside & self.is_first) - self._mean(outside & self.is_first)
        inside, outside = inside & ~self.is_first, outside & ~self.is_first
        if min(len(np.unique(self.log.unit[side])) for side in (inside, outside)) < 2:
            return False
        score, weight = self.targets @ contrast, self.log.sample_weight
        influence, difference = np.zeros(len(score)), 0.0
        for side, sign in ((inside, 1.0), (outside, -1.0)):
            mean = np.average(score[side], weights=weight[side])
            influence[side] = sign * weight[side] * (score[side] - mean) / weight[side].sum()
            difference += sign * mean
        tested = inside | outside  # a unit may have rows on both sides
        by_unit = np.bincount(np.unique(self.log.unit[tested], return_inverse=True)[1], weights=influence[tested])
        variance = (by_unit**2).sum() * len(by_unit) / (len(by_unit) - 1)
        return bool(difference > self.z * np.sqrt(variance))

    def _mean(self, rows: BoolArray) -> FloatArray:
        """(n_actions,) weighted."""
        return np.asarray(np.average(self.targets[rows], axis=0, weights=self.log.sample_weight[rows]))


def _confirm(tree: _Branch | _Leaf, rows: BoolArray, evidence: _Evidence) -> _Branch | _Leaf:
    """The tree without the splits that are not borne out, or that leave too few rows on a side."""
    if isinstance(tree, _Leaf):
        return tree
    inside = rows & tree.split.condition.mask(evidence.log.context)
    outside = rows & ~inside
    if min(inside.sum(), outside.sum()) < evidence.min_leaf_rounds:
        return _Leaf()
    kept = _Branch(tree.split, _confirm(tree.inside, inside, evidence), _confirm(tree.outside, outside, evidence))
    has_kept_below = isinstance(kept.inside, _Branch) or isinstance(kept.outside, _Branch)
    return kept if has_kept_below or evidence.confirms(inside, outside) else _Leaf()


def _leaves(tree: _Branch | _Leaf, path: Predicate) -> list[Predicate]:
    if isinstance(tree, _Leaf):
        return [path]
    inside, outside = complement_conditions(path, tree.split)
    return [*_leaves(tree.inside, inside), *_leaves(tree.outside, outside)]


def _segment(predicate: Predicate) -> Segment:
    return Segment(str(predicate), predicate) if predicate.conditions else ALL
