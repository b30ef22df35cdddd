"""Self-normalised per-decision importance sampling: V = sum_t d^t [sum_i rho_{0:t} r_t / sum_i rho_{0:t}].

Consistent where PDIS is unbiased; every step's mean stays within the rewards of that step, and a constant added to the
rewards of a step adds itself. Episodes of different lengths: one that ended stays in the denominators of all later
steps with the weight it had and earns 0 there, as if it rested in an absorbing state where both policies do the same;
each denominator is then n in expectation. One that was cut off leaves its weight to those still observed.
The scores are the delta method's: value + sum_t d^t (n / sum_i rho) rho (r - mean of the step), normalisers included.
It suffers from the horizon like PDIS and is never trusted.
References: Precup, Sutton, Singh (2000), ICML, section 3; Thomas (2015), Safe reinforcement learning, PhD thesis,
University of Massachusetts Amherst (CWPDIS; absorbing states for finite horizons).
"""

import numpy as np

from domain.arrays import FloatArray
from evaluation.trajectories import Trajectories


class SelfNormalizedPerDecisionImportanceSampling:
    name = "snpdis"

    def scores(self, trajectories: Trajectories) -> FloatArray:
        t = trajectories
        weight = t.products / t.kept
        earned = np.bincount(t.step, weights=t.spread(t.sample_weight) * weight * t.reward, minlength=t.horizon)
        mean = earned / t.weight_by_step
        discount = t.discount ** np.arange(t.horizon)
        rate = discount * t.sample_weight.sum() / t.weight_by_step
        after = np.r_[np.cumsum((rate * mean)[::-1])[::-1][1:], 0.0]  # what later steps mean to one who ended
        present = rate[t.step] * (t.reward - mean[t.step])
        absent = np.where(t.terminated, after[t.step], 0.0)
        return np.asarray(discount @ mean + t.sum_by_episode(weight * (present - absent)))

    def has_answer(self, trajectories: Trajectories) -> bool:
        return trajectories.has_weight

    def is_trusted(self, trajectories: Trajectories, confidence: float) -> bool:  # noqa: ARG002 # the contract's
        return False
