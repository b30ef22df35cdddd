"""Switch doubly robust: V = sum(s (v + w [w <= lambda] (r - q))) / sum(s).

Where a weight is above lambda the reward model alone speaks. Biased by what the model gets wrong there, and steadier
for it; lambda = infinity is DR, lambda = 0 is DM. Its interval leaves the bias out.
Reference: Wang, Agarwal, Dudik (2017), ICML.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray
from evaluation.estimator import ratio, ratio_gradient
from evaluation.rounds import Rounds


@dataclass(frozen=True)
class SwitchDoublyRobust:
    hyperparameter: float  # lambda, >= 0

    uses_weights = True

    @property
    def name(self) -> str:
        return f"switch_dr({self.hyperparameter:g})"

    @property
    def is_consistent(self) -> bool:
        return self.hyperparameter == np.inf

    def terms(self, rounds: Rounds) -> FloatArray:
        weight = rounds.importance_weight
        kept = weight * (weight <= self.hyperparameter)
        return np.stack([rounds.sample_weight, rounds.sample_weight * (rounds.policy_value + kept * rounds.residual)])

    def value(self, total: FloatArray) -> float:
        return ratio(total)

    def gradient(self, total: FloatArray) -> FloatArray:
        return ratio_gradient(total)
