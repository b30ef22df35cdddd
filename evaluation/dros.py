"""Doubly robust with optimistic shrinkage: V = sum(s (v + w' (r - q))) / sum(s), w' = lambda w / (w^2 + lambda).

Small weights stay what they are, large ones shrink towards lambda / w: the shrinkage that minimises a bound on the mean
squared error. lambda = infinity is DR, lambda = 0 is DM. Its interval leaves the bias out.
Reference: Su, Dimakopoulou, Krishnamurthy, Dudik (2020), ICML, section 4.1.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray
from evaluation.estimator import ratio, ratio_gradient
from evaluation.rounds import Rounds


@dataclass(frozen=True)
class ShrunkDoublyRobust:
    hyperparameter: float  # lambda, > 0

    uses_weights = True

    @property
    def name(self) -> str:
        return f"dros({self.hyperparameter:g})"

    @property
    def is_consistent(self) -> bool:
        return self.hyperparameter == np.inf

    def terms(self, rounds: Rounds) -> FloatArray:
        shrunk = rounds.importance_weight
        if not self.is_consistent:
            shrunk = shrunk / (shrunk**2 / self.hyperparameter + 1.0)
        return np.stack([rounds.sample_weight, rounds.sample_weight * (rounds.policy_value + shrunk * rounds.residual)])

    def value(self, total: FloatArray) -> float:
        return ratio(total)

    def gradient(self, total: FloatArray) -> FloatArray:
        return ratio_gradient(total)
