"""Importance weights average one, over the log and in every part of it, if the propensities are right.

E[policy(a|x) / propensity | x] = 1 wherever the policy's actions had a chance, so also within a window of time or a
segment: a fault in a tenth of the log hides in the mean and shows there. Reference: Li et al. (2015), "Counterfactual
Estimation and Optimization of Click Metrics", section 4.2.
"""

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.estimates import Diagnostics, Finding, FindingKind
from evaluation.deviation import limit_of, skewed_z
from evaluation.parts import Parts, Place, place_of
from evaluation.rounds import Rounds


def mean_weight_findings(rounds: Rounds, d: Diagnostics, parts: Parts, config: EvaluationConfig) -> tuple[Finding, ...]:
    """The part of the log where weights do not average one; the whole log, if that is off and no part explains it."""
    excess = rounds.sample_weight * (rounds.importance_weight - 1.0)
    place = _worst_part(excess, rounds.sample_weight, d, parts, config)
    if is_mean_weight_off(d, config):
        n_rounds = len(rounds) if place is None else place.n_rounds
        most = "" if place is None else f", most of all where {place.where} ({place.n_rounds:,} rounds)"
        text = (
            f"the mean importance weight is {d.mean_weight:.3f} (standard error {d.mean_weight_stderr:.3f}) "
            f"where 1 is expected{most}: the propensities are wrong"
        )
        return (Finding(FindingKind.MEAN_WEIGHT, n_rounds, True, text),)
    if place is None:
        return ()
    is_logged = d.propensities == "logged"
    blame = "those propensities are wrong" if is_logged else "the estimated propensities do not fit there"
    text = f"importance weights do not average 1 where {place.where} ({place.n_rounds:,} rounds): {blame}"
    return (Finding(FindingKind.MEAN_WEIGHT, place.n_rounds, is_logged, text),)


def is_mean_weight_off(d: Diagnostics, config: EvaluationConfig) -> bool:
    """Further from one than chance and rounding allow."""
    distance = abs(d.mean_weight - 1.0)
    return distance > config.mean_weight_slack and distance > config.mean_weight_z * d.mean_weight_stderr


def _worst_part(
    excess: FloatArray, weight: FloatArray, d: Diagnostics, parts: Parts, config: EvaluationConfig
) -> Place | None:
    if not len(parts) or not excess.any():
        return None
    sums = parts.sums(np.column_stack([excess, excess**2, excess**3, weight]))
    z = np.abs(skewed_z(sums[:, :3], parts.n_rounds))
    is_far = np.abs(sums[:, 0]) > config.mean_weight_slack * sums[:, 3]
    effect = _design_effect(excess, weight, d)
    z, limit = np.where(is_far, z / effect, 0.0), limit_of(config.min_part_p_value, len(parts))
    return place_of(parts, z, limit, excess, (effect * excess) ** 2) if (z > limit).any() else None


def _design_effect(excess: FloatArray, weight: FloatArray, d: Diagnostics) -> float:
    """Clustered over independent standard error of the mean weight; at least one."""
    centered = excess - weight * (excess.sum() / weight.sum())
    independent = float(np.sqrt((centered**2).sum()) / weight.sum())
    return max(d.mean_weight_stderr / independent, 1.0) if independent > 0 else 1.0
