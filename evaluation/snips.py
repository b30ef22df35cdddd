"""Self-normalised inverse propensity scoring: V = sum(s w r) / sum(s w).

Consistent where IPS is unbiased (bias of order 1/n); a constant added to every reward adds exactly that constant, and
the value never leaves the range of the rewards. The interval is the delta method's, in which the normaliser varies
too: its variance is that of w (r - V). Reference: Swaminathan and Joachims (2015), NIPS.
"""

import numpy as np

from domain.arrays import FloatArray
from evaluation.estimator import ratio, ratio_gradient
from evaluation.rounds import Rounds


class SelfNormalizedInversePropensityScoring:
    name = "snips"
    uses_weights = True
    is_consistent = True

    def terms(self, rounds: Rounds) -> FloatArray:
        return np.stack([rounds.weight, rounds.weight * rounds.reward])

    def value(self, total: FloatArray) -> float:
        return ratio(total)

    def gradient(self, total: FloatArray) -> FloatArray:
        return ratio_gradient(total)
