"""Inverse propensity scoring: V = sum(s w r) / sum(s), s the sample weight, w the importance weight, r the reward.

Unbiased when the propensities are right and the policy chooses nothing that the log never tried (common support).
Its variance grows with E[w^2 r^2]: weak overlap or rewards far from zero make it useless, and it moves when a constant
is added to every reward. Reference: Horvitz and Thompson (1952), JASA 47(260).
"""

import numpy as np

from domain.arrays import FloatArray
from evaluation.estimator import ratio, ratio_gradient
from evaluation.rounds import Rounds


class InversePropensityScoring:
    name = "ips"
    uses_weights = True
    is_consistent = True

    def terms(self, rounds: Rounds) -> FloatArray:
        return np.stack([rounds.sample_weight, rounds.weight * rounds.reward])

    def value(self, total: FloatArray) -> float:
        return ratio(total)

    def gradient(self, total: FloatArray) -> FloatArray:
        return ratio_gradient(total)
