"""The policy behind a log, as far as the log shows it."""

from dataclasses import dataclass

import numpy as np

from analysis.features import FeatureEncoder
from analysis.support import SupportTree, action_counts, fit_support
from config.market import MarketConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.log import LoggedDecisions


@dataclass(frozen=True)
class LoggedBehavior:
    """Chooses as the log did for customers in the same leaf of a tree; ineligible actions leave their share."""

    actions: ActionSet
    encoder: FeatureEncoder
    tree: SupportTree
    shares: FloatArray  # (n_nodes, n_actions) of the rounds of a leaf: how the log chose there

    @property
    def name(self) -> str:
        return "logged"

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions); where nothing eligible was ever logged, every eligible action alike."""
        shares = self.shares[self.tree.leaf(self.encoder.transform(context))]
        if eligible is None:
            return shares
        allowed = shares * eligible
        allowed = np.where(allowed.sum(axis=1, keepdims=True) > 0, allowed, eligible.astype(np.float64))
        return np.asarray(allowed / allowed.sum(axis=1, keepdims=True), dtype=np.float64)


def fit_behavior(log: LoggedDecisions, encoder: FeatureEncoder, n_leaves: int) -> LoggedBehavior:
    """The behavior of `log` by a tree with at most `n_leaves` leaves."""
    config = MarketConfig(max_support_leaves=n_leaves)
    features = encoder.transform(log.context)
    tree = fit_support(features, log.action, log.n_actions, config)
    counts = action_counts(tree.leaf(features), log.action, tree.supported.shape)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return LoggedBehavior(log.actions, encoder, tree, shares)


def action_surprise(log: LoggedDecisions) -> float | None:
    """Log-probability of the logged actions under the logged distributions, minus its expectation, in its deviations.

    None where the log keeps no full distributions, or where they leave nothing to chance.
    """
    distribution = log.logged_distribution
    if distribution is None:
        return None
    information = np.log(np.maximum(distribution, 1e-12))
    expected = (distribution * information).sum(axis=1)
    variance = float(((distribution * information**2).sum(axis=1) - expected**2).sum())
    if variance <= 0:
        return None
    drawn = information[np.arange(len(log)), log.action]
    return float((drawn - expected).sum() / np.sqrt(variance))
