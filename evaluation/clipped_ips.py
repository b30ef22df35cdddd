"""Clipped inverse propensity scoring: V = sum(s min(w, c) r) / sum(s), c the weight clip.

Biased wherever a weight is clipped: rounds that speak most of what the policy does are heard less, so with rewards
above zero it is too low by the mean of (w - c)+ r. In exchange no round weighs more than c. Its interval leaves the
bias out. With c of the order of the root of the rounds the bias vanishes as they grow.
Reference: Ionides (2008), Journal of Computational and Graphical Statistics 17(2).
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray
from evaluation.estimator import ratio, ratio_gradient
from evaluation.rounds import Rounds


@dataclass(frozen=True)
class ClippedInversePropensityScoring:
    weight_clip: float = 10.0

    uses_weights = True
    is_consistent = False

    @property
    def name(self) -> str:
        return f"ips_clipped({self.weight_clip:g})"

    def terms(self, rounds: Rounds) -> FloatArray:
        clipped = np.minimum(rounds.importance_weight, self.weight_clip)
        return np.stack([rounds.sample_weight, rounds.sample_weight * clipped * rounds.reward])

    def value(self, total: FloatArray) -> float:
        return ratio(total)

    def gradient(self, total: FloatArray) -> FloatArray:
        return ratio_gradient(total)
