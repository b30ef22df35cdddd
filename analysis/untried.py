"""Segments that were never offered anything: where one action alone was logged, though others were tried elsewhere.

A shallow tree splits the log by what was tried (Gini impurity; Breiman et al. 1984, Classification and Regression
Trees); a leaf counts where its size would make MIN_EXPECTED rounds of the other actions, had they been as frequent
there as they are in the whole log, and hardly any is found. Chance leaves none of 20 expected rounds with probability
e^-20, so that a tree's choice among thousands of leaves does not make such a leaf by luck.
"""

from collections.abc import Callable

import numpy as np

from analysis.splits import Split, SplitFeature, complement_conditions, readable_cut, split_features
from domain.arrays import FloatArray
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions
from domain.segments import Predicate

MIN_LEAF_ROUNDS = 100
MAX_LEAVES = 16
MAX_CELLS = 1_000_000  # rows x features that the tree is grown on
MIN_EXPECTED = 20.0  # rounds of the other actions
MAX_SHARE_FOUND = 0.05  # of the expected ones
MAX_STRAY_SHARE = 0.005  # of the segment's rounds; a boundary in round numbers may take a few along

Cut = Callable[[FloatArray, float], float]


def untried_segments(log: LoggedDecisions) -> tuple[Finding, ...]:
    """A note for every segment in which only one action was logged; rows that allow no other one do not count."""
    if log.eligible is not None:
        log = log.take(log.eligible.sum(axis=1) > 1)
    features = split_features(log.context, MIN_LEAF_ROUNDS)
    if not features or len(log) < 2 * MIN_LEAF_ROUNDS or len(np.unique(log.action)) < 2:
        return ()
    found: dict[str, Finding] = {}
    for readable, exact in zip(*_leaves(log, features), strict=True):
        finding = _finding(log, readable) or _finding(log, exact)
        if finding is not None:
            found[finding.text] = finding
    return tuple(found.values())


def _leaves(log: LoggedDecisions, features: tuple[SplitFeature, ...]) -> tuple[list[Predicate], list[Predicate]]:
    """The leaves of a tree that tells actions apart, cut at round numbers and at its own ones."""
    from sklearn.tree import DecisionTreeClassifier

    step = max(1, -(-len(log) * len(features) // MAX_CELLS))
    X = np.column_stack([f.values[::step] for f in features])
    tree = (
        DecisionTreeClassifier(
            max_leaf_nodes=MAX_LEAVES, min_samples_leaf=max(MIN_LEAF_ROUNDS // step, 10), random_state=0
        )
        .fit(X, log.action[::step])
        .tree_
    )

    def leaves(node: int, path: Predicate, cut: Cut) -> list[Predicate]:
        if tree.children_left[node] < 0:
            return [path]
        feature = features[tree.feature[node]]
        at = cut(feature.values, float(tree.threshold[node]))
        inside, outside = complement_conditions(path, Split(feature, at, bool(tree.missing_go_to_left[node])))
        return [
            *leaves(tree.children_left[node], inside, cut),
            *leaves(tree.children_right[node], outside, cut),
        ]

    return leaves(0, Predicate(), readable_cut), leaves(0, Predicate(), _exact_cut)


def _exact_cut(_: FloatArray, threshold: float) -> float:
    return float(np.nextafter(threshold, np.inf))


def _finding(log: LoggedDecisions, segment: Predicate) -> Finding | None:
    inside = segment.mask(log.context)
    counts = np.bincount(log.action[inside], minlength=log.n_actions)
    n, only = int(counts.sum()), int(counts.argmax())
    n_others = n - int(counts[only])
    expected = n * float((log.action != only).mean())
    if expected < MIN_EXPECTED or n_others > min(MAX_SHARE_FOUND * expected, MAX_STRAY_SHARE * n):
        return None
    strays = f" but for {n_others} rows" if n_others else ""
    text = (
        f"where {segment}, only {log.actions.ids[only]} was ever logged ({n:,} rows{strays}): what another action "
        "would earn there is not known, and a learned policy chooses none; needed are rows of others there, best drawn "
        "at random (`amso recommend` designs the experiment)"
    )
    return Finding(FindingKind.UNTRIED_SEGMENT, n, False, text)
