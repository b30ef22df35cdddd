"""Double reinforcement learning: psi = V_0(s_0) + sum_t d^t w_t(s_t) rho_t (r_t + d V_{t+1}(s_{t+1}) - Q_t(s_t, a_t)).

The efficient estimator of Markov data: rho_t is one period's weight, w_t the marginalised weight of
evaluation/visitation.py, in place of the product of all periods. Consistent when either Q or the weights are right. It
decides. Reference: Kallus and Uehara (2020), JMLR 21(167).
"""

from domain.arrays import FloatArray
from evaluation.trajectories import Trajectories


class DoubleReinforcementLearning:
    name = "drl"

    def scores(self, trajectories: Trajectories) -> FloatArray:
        return trajectories.first_value + correction(trajectories)

    def has_answer(self, trajectories: Trajectories) -> bool:  # noqa: ARG002 # without weights Q remains
        return True

    def is_trusted(self, trajectories: Trajectories, confidence: float) -> bool:  # noqa: ARG002 # the contract's
        return True


def correction(trajectories: Trajectories) -> FloatArray:
    """(n_episodes,) error of V_0(s_0) that the weights find; zero on average where Q is right."""
    t = trajectories
    return t.sum_by_episode(t.visitation * t.importance_weight * t.surprise)
