"""Where which action was tried: a shallow tree over the features, and the actions that its leaves saw often enough.

Whoever maximises predictions is drawn to what was predicted without data. A fitted market masks such actions while an
agent learns in it, and a policy carries the same mask. Walking the tree needs NumPy only; fitting it, scikit-learn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from config.market import MarketConfig
from domain.arrays import BoolArray, FloatArray, IntArray

MIN_LEAF_ROUNDS = 100
MIN_EXPECTED_ROUNDS = 30
MAX_TREE_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class SupportTree:
    """Row by row through the tree: left where feature <= threshold; a leaf points to itself on both sides.

    >>> SupportTree.everywhere([True, False]).mask(np.zeros((1, 3)))
    array([[ True, False]])

    Raises:
        ValueError: arrays of different lengths, children that do not lie behind their parent, or an empty leaf.
    """

    feature: IntArray  # (n_nodes,) index into the encoded features
    threshold: FloatArray  # (n_nodes,)
    left: IntArray  # (n_nodes,)
    right: IntArray  # (n_nodes,)
    supported: BoolArray  # (n_nodes, n_actions); only leaves answer

    def __post_init__(self) -> None:
        own = np.arange(len(self.feature))
        lengths = {len(a) for a in (self.feature, self.threshold, self.left, self.right, self.supported)}
        if lengths != {len(own)} or not len(own) or self.supported.ndim != 2:
            raise ValueError(f"the support tree's arrays have lengths {sorted(lengths)}; expected one, above zero")
        is_leaf = (self.left == own) & (self.right == own)
        moves_on = (np.minimum(self.left, self.right) > own) & (np.maximum(self.left, self.right) < len(own))
        if not (is_leaf | moves_on).all():
            raise ValueError("a node of the support tree has children that do not lie behind it")
        if not self.supported[is_leaf].any(axis=1).all():
            raise ValueError("a leaf of the support tree supports no action")

    @staticmethod
    def everywhere(supported: Sequence[bool]) -> "SupportTree":
        """The same actions (n_actions,) for everyone."""
        node = np.zeros(1, dtype=np.int64)
        return SupportTree(node, np.zeros(1), node, node, np.array([supported], dtype=np.bool_))

    @property
    def masks_nothing(self) -> bool:
        return bool(self.supported.all())

    def mask(self, features: FloatArray) -> BoolArray:
        """(n_rounds, n_actions) what was tried often enough on customers with these features."""
        if self.masks_nothing:
            return np.ones((len(features), self.supported.shape[1]), dtype=np.bool_)
        return np.asarray(self.supported[self.leaf(features)])

    def row_mask(self, features: FloatArray) -> list[bool]:
        """(n_actions,) the same for one customer's features (n_features,), without arrays on the way."""
        node, nodes = 0, self._nodes
        while True:
            feature, threshold, left, right, supported = nodes[node]
            if left == node:
                return supported
            node = left if features[feature] <= threshold else right

    @cached_property
    def _nodes(self) -> list[tuple[int, float, int, int, list[bool]]]:
        arrays = (self.feature, self.threshold, self.left, self.right, self.supported)
        return list(zip(*(a.tolist() for a in arrays), strict=True))

    def leaf(self, features: FloatArray) -> IntArray:
        """(n_rounds,) the leaf that each row of features (n_rounds, n_features) ends in."""
        rows, node = np.arange(len(features)), np.zeros(len(features), dtype=np.int64)
        while True:
            goes_left = features[rows, self.feature[node]] <= self.threshold[node] if len(self.feature) > 1 else True
            following = np.where(goes_left, self.left[node], self.right[node])
            if (following == node).all():
                return node
            node = following


def fit_support(
    features: FloatArray,
    action: IntArray,
    n_actions: int,
    config: MarketConfig,
    *,
    leaf_rounds: int = MIN_LEAF_ROUNDS,
    max_rows: int | None = None,
) -> SupportTree:
    """The tree that separates customers by what was tried on them; every leaf keeps its most frequent action.

    It is grown on about `max_rows` rows, evenly spaced; what its leaves support is counted on all.
    """
    from sklearn.tree import DecisionTreeClassifier  # whoever only walks a tree does without

    if not features.shape[1]:
        features = np.zeros((len(action), 1))
    features = features.astype(np.float32).astype(np.float64)  # the tree compares in float32
    step = 1 if max_rows is None else max(1, len(action) // max_rows)
    least = min(math.ceil(leaf_rounds / step), len(action[::step]))
    fitted = DecisionTreeClassifier(
        max_leaf_nodes=config.max_support_leaves, min_samples_leaf=least, random_state=0
    ).fit(features[::step], action[::step])
    nodes = fitted.tree_
    own = np.arange(nodes.node_count)
    is_leaf = nodes.children_left < 0
    counts = action_counts(fitted.apply(features), action, (nodes.node_count, n_actions))
    enough = counts >= config.min_support_rounds
    enough &= counts >= config.min_support_share * counts.sum(axis=1, keepdims=True)
    enough[own, counts.argmax(axis=1)] = True
    enough[~is_leaf] = True  # never an answer
    return SupportTree(
        feature=np.where(is_leaf, 0, nodes.feature),
        threshold=np.asarray(nodes.threshold, dtype=np.float64),
        left=np.where(is_leaf, own, nodes.children_left),
        right=np.where(is_leaf, own, nodes.children_right),
        supported=enough,
    )


def fit_common_support(features: FloatArray, action: IntArray, supported: Sequence[bool]) -> SupportTree:
    """The same for a learner that takes any action of `supported` (n_actions,) as tried, wherever nothing denies it.

    Leaves are so large that each of these actions would have MIN_EXPECTED_ROUNDS there, were it drawn alike for
    everyone: one with fewer than the least (`min_support_rounds`) was then kept from these customers, not rare by
    chance (a Poisson count of mean 30 stays below 10 once in 140,000). Many actions make large leaves.
    """
    of_all = np.asarray(supported, dtype=np.bool_)
    counts = np.bincount(action, minlength=len(of_all))
    rarest = counts[of_all & (counts > 0)].min(initial=len(action)) / len(action)
    leaf_rounds = max(MIN_LEAF_ROUNDS, math.ceil(MIN_EXPECTED_ROUNDS / rarest))
    config = MarketConfig(min_support_share=0.0)
    tree = fit_support(features, action, len(of_all), config, leaf_rounds=leaf_rounds, max_rows=MAX_TREE_ROWS)
    both = tree.supported & of_all
    tree = replace(tree, supported=np.where(both.any(axis=1, keepdims=True), both, tree.supported))
    of_leaves = tree.supported[tree.left == np.arange(len(tree.left))]
    is_alike = bool((of_leaves == of_leaves[0]).all())  # splits that change nothing: actions were drawn alike
    return SupportTree.everywhere(of_leaves[0].tolist()) if is_alike else tree


def action_counts(leaf: IntArray, action: IntArray, shape: tuple[int, int]) -> FloatArray:
    """(n_nodes, n_actions) = `shape`: rounds by the leaf they end in and the action they were given."""
    counts = np.zeros(shape)
    np.add.at(counts, (leaf, action), 1.0)
    return counts
