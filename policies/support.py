"""Where a learned policy knows what it is doing: which actions the log tried often enough, on which customers.

A policy that maximises predictions is drawn to whatever was predicted without data, so the mask is part of the policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray


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

    def mask(self, features: FloatArray) -> BoolArray:
        """(n_rounds, n_actions) what was tried often enough on customers with these features."""
        rows, node = np.arange(len(features)), np.zeros(len(features), dtype=np.int64)
        while True:
            goes_left = features[rows, self.feature[node]] <= self.threshold[node] if len(self.feature) > 1 else True
            following = np.where(goes_left, self.left[node], self.right[node])
            if (following == node).all():
                return np.asarray(self.supported[node])
            node = following
