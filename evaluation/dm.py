"""The direct method: V = sum(s v) / sum(s), v = sum over actions of the policy's probability x q(context, action).

Unbiased only when the reward model is right; small variance, because no weight enters. Its interval knows how contexts
vary but not how wrong q is: it never decides, it only stands beside the others.
Reference: Beygelzimer and Langford (2009), KDD.
"""

import numpy as np

from domain.arrays import FloatArray
from evaluation.estimator import ratio, ratio_gradient
from evaluation.rounds import Rounds


class DirectMethod:
    name = "dm"
    uses_weights = False
    is_consistent = False

    def terms(self, rounds: Rounds) -> FloatArray:
        return np.stack([rounds.sample_weight, rounds.sample_weight * rounds.policy_value])

    def value(self, total: FloatArray) -> float:
        return ratio(total)

    def gradient(self, total: FloatArray) -> FloatArray:
        return ratio_gradient(total)
