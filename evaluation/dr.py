"""Doubly robust: V = sum(s phi) / sum(s), phi = v + w (r - q).

Unbiased when the propensities are right, whatever q is, as q comes from folds without the unit; consistent also when
only q is right. Its variance is that of v plus that of w times the residual: the better q, the smaller. phi is the
influence of a round, so the difference of two policies is the mean of the difference of their phi on the same rounds.
References: Dudik, Langford, Li (2011), ICML; Chernozhukov et al. (2018), Econometrics Journal 21(1).
"""

import numpy as np

from domain.arrays import FloatArray
from evaluation.estimator import ratio, ratio_gradient
from evaluation.rounds import Rounds


class DoublyRobust:
    name = "dr"
    uses_weights = True
    is_consistent = True

    def terms(self, rounds: Rounds) -> FloatArray:
        return np.stack([rounds.sample_weight, rounds.sample_weight * influence_scores(rounds)])

    def value(self, total: FloatArray) -> float:
        return ratio(total)

    def gradient(self, total: FloatArray) -> FloatArray:
        return ratio_gradient(total)


def influence_scores(rounds: Rounds) -> FloatArray:
    """(n_rounds,) phi, whose weighted mean is the value."""
    return np.asarray(rounds.policy_value + rounds.importance_weight * rounds.residual)
