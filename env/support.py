"""Where which action was tried: a shallow tree over the features, and what its leaves have seen.

A fitted market extrapolates; an action that the log hardly holds for customers like these is masked, so that nothing is
learned from what the model merely imagines there.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from config.market import MarketConfig
from domain.arrays import BoolArray, FloatArray, IntArray

MIN_LEAF_ROUNDS = 100


@dataclass(frozen=True)
class SupportTree:
    """Goes left where feature <= threshold; a leaf points to itself."""

    feature: IntArray  # (n_nodes,)
    threshold: FloatArray  # (n_nodes,)
    left: IntArray  # (n_nodes,)
    right: IntArray  # (n_nodes,)
    supported: BoolArray  # (n_nodes, n_actions)
    shares: FloatArray  # (n_nodes, n_actions) of the rounds of a leaf: how the log's behavior chose there
    depth: int

    @property
    def masks_nothing(self) -> bool:
        return bool(self.supported.all())

    def mask(self, features: FloatArray) -> BoolArray:
        """(n, n_actions) what was tried on customers with these features (n, n_features)."""
        if self.masks_nothing:
            return np.ones((len(features), self.supported.shape[1]), dtype=np.bool_)
        return self.supported[self._leaf(features)]

    def leaf_shares(self, features: FloatArray) -> FloatArray:
        """(n, n_actions) logged action shares among customers like these."""
        return self.shares[self._leaf(features)]

    def _leaf(self, features: FloatArray) -> IntArray:
        rows, node = np.arange(len(features)), np.zeros(len(features), dtype=np.int64)
        for _ in range(self.depth):
            goes_left = features[rows, self.feature[node]] <= self.threshold[node]
            node = np.where(goes_left, self.left[node], self.right[node])
        return node


def fit_support(features: FloatArray, action: IntArray, n_actions: int, config: MarketConfig) -> SupportTree:
    """The tree that separates customers by what was tried on them; every leaf keeps its most frequent action."""
    if not features.shape[1]:
        features = np.zeros((len(action), 1))
    features = features.astype(np.float32).astype(np.float64)  # the tree compares in float32
    tree = DecisionTreeClassifier(
        max_leaf_nodes=config.max_support_leaves, min_samples_leaf=min(MIN_LEAF_ROUNDS, len(action)), random_state=0
    ).fit(features, action)
    nodes = tree.tree_
    own = np.arange(nodes.node_count)
    is_leaf = nodes.children_left < 0
    counts = np.zeros((nodes.node_count, n_actions))
    np.add.at(counts, (tree.apply(features), action), 1.0)
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
        shares=counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0),
        depth=int(nodes.max_depth),
    )
