"""Self-normalised doubly robust: V = sum(s v) / sum(s) + sum(s w (r - q)) / sum(s w).

Consistent where DR is unbiased (bias of order 1/n). Where weights vary a lot, dividing the correction by the weights
that came rather than by those expected takes out the part of its noise that they share. The interval is the delta
method's: the influence of a round is s (v - V_dm) + s w (r - q - D) n / sum(s w), D the mean weighted residual.
References: Thomas and Brunskill (2016), ICML; Swaminathan and Joachims (2015), NIPS.
"""

import numpy as np

from domain.arrays import FloatArray
from evaluation.rounds import Rounds


class SelfNormalizedDoublyRobust:
    name = "sndr"
    uses_weights = True
    is_consistent = True

    def terms(self, rounds: Rounds) -> FloatArray:
        s = rounds.sample_weight
        return np.stack([s, s * rounds.policy_value, rounds.weight, rounds.weight * rounds.residual])

    def value(self, total: FloatArray) -> float:
        n, direct, weight, residual = total
        return float(direct / n + residual / weight)

    def gradient(self, total: FloatArray) -> FloatArray:
        n, direct, weight, residual = total
        return np.array([-direct / n**2, 1.0 / n, -residual / weight**2, 1.0 / weight])
