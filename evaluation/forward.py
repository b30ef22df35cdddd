"""Reward models for logs of an adapting policy: a round's prediction comes from earlier rounds only.

Where the policy that logged the data learned from it, later actions depend on earlier rewards, and a model that saw
later rounds is no longer independent of this one: cross-fitting is not allowed. What is left is to go forward: with
predictions and propensities fixed before the round, doubly robust scores minus their conditional means are martingale
differences (Bibaut, Chambaz, Dimakopoulou, Kallus, van der Laan 2021, NeurIPS 34; Waudby-Smith et al. 2024).

Blocks double: the first round is predicted as zero, the second by a model of the first, the next two by a model of
those, the next four by a model of all before. Bounds count rounds from the start, so a score stays what it was when the
log grows. Customers may come again on both sides of a bound: what is learned of them earlier is known when they come
again. The interval still is clustered by unit, because the next customers, not these, are asked about.
"""

import numpy as np
from sklearn.base import BaseEstimator

from analysis.features import fit_encoder
from config.evaluation import EvaluationConfig
from domain.arrays import IntArray
from domain.errors import MissingColumn
from domain.log import LoggedDecisions
from evaluation.nuisance import Nuisance, fit_reward_model
from evaluation.propensity import find_propensities


def fit_forward(log: LoggedDecisions, config: EvaluationConfig, reward_model: BaseEstimator | None = None) -> Nuisance:
    """What doubly robust evaluation needs, each round's from the blocks before it.

    Raises:
        MissingColumn: the log has no propensities; those of a policy that adapts cannot be estimated.
    """
    order = time_order(log)
    block = np.empty(len(log), dtype=np.int64)
    block[order] = blocks(len(log))
    propensities = find_propensities(log, block, config) if _has_propensities(log) else None
    if propensities is None or propensities.source != "logged":
        raise MissingColumn(
            "the log has no propensities; looking at any time needs them, as those of a policy that adapts cannot be "
            "estimated",
            "log `propensity`, or plan the looks (--look K/N) where the policy was fixed",
        )
    expected = np.zeros((len(log), log.n_actions))
    for b in range(1, int(block.max()) + 1):
        earlier, now = order[block[order] < b], block == b
        train = log.take(earlier)
        model = fit_reward_model(train, fit_encoder(train.context), reward_model)
        expected[now] = model.expected_reward(log.context.take(now))
    return Nuisance(block, expected, propensities)


def time_order(log: LoggedDecisions) -> IntArray:
    """(n_rounds,) rows by `decided_at`, those of one moment as they stand; without it all as they stand."""
    if log.decided_at is None:
        return np.arange(len(log))
    return np.argsort(log.decided_at, kind="stable")


def blocks(n: int) -> IntArray:
    """(n,) block of each round in time order.

    >>> blocks(9).tolist()
    [0, 1, 2, 2, 3, 3, 3, 3, 4]
    """
    return np.frexp(np.arange(n))[1].astype(np.int64)  # the binary digits of the rounds before


def _has_propensities(log: LoggedDecisions) -> bool:
    return log.propensity is not None or log.logged_distribution is not None
