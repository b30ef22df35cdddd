"""Per-decision importance sampling: psi = sum_t d^t rho_{0:t} r_t, rho_{0:t} the product of weights up to step t.

Unbiased when the propensities are right and every choice has support; needs no model and no Markov property. Its
variance grows exponentially with the horizon: so few episodes carry the weight that the interval falls short long
before it looks it, which is why it is never trusted. Reference: Precup, Sutton, Singh (2000), ICML, section 3.
"""

from domain.arrays import FloatArray
from evaluation.trajectories import Trajectories


class PerDecisionImportanceSampling:
    name = "pdis"

    def scores(self, trajectories: Trajectories) -> FloatArray:
        t = trajectories
        return t.sum_by_episode(t.present * t.products * t.reward)

    def has_answer(self, trajectories: Trajectories) -> bool:
        return trajectories.has_weight

    def is_trusted(self, trajectories: Trajectories, confidence: float) -> bool:  # noqa: ARG002 # the contract's
        return False
