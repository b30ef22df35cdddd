"""Fitted-Q evaluation: V = mean of V_0(s_0), Q by evaluation/fitted_q.py.

The scores add what each episode taught: psi = V_0(s_0) + sum over its rounds of the weight of the round's error in V
(evaluation/occupancy.py) x the error, centered, so that the interval knows how wrong an estimated Q may be. It does
not know how wrong the features are: the value is consistent only if Q is linear in them for every action.

Trusted where Q is the linear regression whose influence is known, and marginalised weights find no error of it: the
mean correction of drl lies within its own interval around zero (a Hausman test of the features, as drl needs either Q
or weights, this one Q). Not trusted with an estimator in place of the ridge.
References: Le, Voloshin, Yue (2019), ICML; Hao, Ji, Duan, Lu, Szepesvari, Wang (2021), ICML; Hausman (1978),
Econometrica 46(6).
"""

import numpy as np

from domain.arrays import FloatArray
from evaluation.drl import correction
from evaluation.scores import mean_interval
from evaluation.trajectories import Trajectories


class FittedQEvaluation:
    name = "fqe"

    def scores(self, trajectories: Trajectories) -> FloatArray:
        t = trajectories
        return np.asarray(t.first_value + t.influence - np.average(t.influence, weights=t.sample_weight))

    def has_answer(self, trajectories: Trajectories) -> bool:  # noqa: ARG002 # it needs no weights
        return True

    def is_trusted(self, trajectories: Trajectories, confidence: float) -> bool:
        t = trajectories
        found = mean_interval(correction(t), t.sample_weight, t.cluster, confidence)
        return t.is_influence_known and found.low <= 0 <= found.high
