"""Sequential doubly robust: psi = V_0(s_0) + sum_t d^t rho_{0:t} (r_t + d V_{t+1}(s_{t+1}) - Q_t(s_t, a_t)).

Consistent when either the propensities or Q are right, and without the Markov property. Products of weights explode
with the horizon as those of PDIS do, only on smaller quantities: not trusted either.
References: Jiang and Li (2016), ICML; Thomas and Brunskill (2016), ICML.
"""

from domain.arrays import FloatArray
from evaluation.trajectories import Trajectories


class SequentialDoublyRobust:
    name = "dr"

    def scores(self, trajectories: Trajectories) -> FloatArray:
        t = trajectories
        return t.first_value + t.sum_by_episode(t.products * t.surprise)

    def has_answer(self, trajectories: Trajectories) -> bool:  # noqa: ARG002 # without weights Q remains
        return True

    def is_trusted(self, trajectories: Trajectories, confidence: float) -> bool:  # noqa: ARG002 # the contract's
        return False
