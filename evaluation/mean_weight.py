"""Importance weights average one, over the log and in every part of it, if the propensities are right.

E[policy(a|x) / propensity | x] = 1 wherever the policy's actions had a chance, so also within a window of time or a
segment: a fault in a tenth of the log hides in the mean and shows there. Reference: Li et al. (2015), "Counterfactual
Estimation and Optimization of Click Metrics", section 4.2.
"""

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.estimates import Diagnostics, Finding, FindingKind
from evaluation.deviation import Spread, limit_of, lower_z, spread_of, upper_z
from evaluation.parts import Parts, Place, place_of
from evaluation.rounds import Rounds


def mean_weight_findings(rounds: Rounds, d: Diagnostics, parts: Parts, config: EvaluationConfig) -> tuple[Finding, ...]:
    """The part of the log where weights do not average one; the whole log, if that is off and no part explains it."""
    excess = rounds.sample_weight * (rounds.importance_weight - 1.0)
    if not excess.any():
        return ()
    spread = spread_of(excess, _known_variance(rounds.sample_weight, d))
    effect = _design_effect(excess, rounds.sample_weight, d)
    place = _worst_part(excess, rounds.sample_weight, spread, effect, parts, config)
    if _is_off(excess, spread, effect, d, config):
        n_rounds = len(rounds) if place is None else place.n_rounds
        most = "" if place is None else f", most of all where {place.where} ({place.n_rounds:,} rounds)"
        return (Finding(FindingKind.MEAN_WEIGHT, n_rounds, True, _sentence(d, most)),)
    if place is None:
        return ()
    is_logged = d.propensities == "logged"
    blame = "those propensities are wrong" if is_logged else "the estimated propensities do not fit there"
    text = f"importance weights do not average 1 where {place.where} ({place.n_rounds:,} rounds): {blame}"
    return (Finding(FindingKind.MEAN_WEIGHT, place.n_rounds, is_logged, text),)


def whole_mean_weight_findings(d: Diagnostics, n_rounds: int, config: EvaluationConfig) -> tuple[Finding, ...]:
    """The whole log alone, by the standard error: where its parts cannot be looked at."""
    distance = abs(d.mean_weight - 1.0)
    if distance <= max(config.mean_weight_slack, config.mean_weight_z * d.mean_weight_stderr):
        return ()
    return (Finding(FindingKind.MEAN_WEIGHT, n_rounds, True, _sentence(d, "")),)


def _sentence(d: Diagnostics, most: str) -> str:
    return (
        f"the mean importance weight is {d.mean_weight:.3f} (standard error {d.mean_weight_stderr:.3f}) "
        f"where 1 is expected{most}: the propensities are wrong"
    )


def _known_variance(weight: FloatArray, d: Diagnostics) -> float:
    """Of a round's excess, from all propensities; zero where they are not known."""
    return float((weight**2).mean()) * (1 / d.expected_ess_share - 1) if d.expected_ess_share else 0.0


def _is_off(excess: FloatArray, spread: Spread, effect: float, d: Diagnostics, config: EvaluationConfig) -> bool:
    """Further from one than chance and rounding allow."""
    sums = np.array([[excess.sum(), (excess**2).sum()]])
    z = float(_z(sums, np.array([len(excess)]), spread)[0]) / effect
    return abs(d.mean_weight - 1.0) > config.mean_weight_slack and z > config.mean_weight_z


def _worst_part(
    excess: FloatArray, weight: FloatArray, spread: Spread, effect: float, parts: Parts, config: EvaluationConfig
) -> Place | None:
    sums = parts.sums(np.column_stack([excess, excess**2, weight]))
    is_far = np.abs(sums[:, 0]) > config.mean_weight_slack * sums[:, 2]
    z = np.where(is_far, _z(sums, parts.n_rounds, spread) / effect, 0.0)
    limit = limit_of(config.min_part_p_value, len(parts))
    if not (z > limit).any():
        return None
    return place_of(parts, z, limit, excess, np.maximum(excess**2, spread.variance) * effect**2)


def _z(sums: FloatArray, n: FloatArray | IntArray, spread: Spread) -> FloatArray:
    total, squares = sums[:, 0], sums[:, 1]
    return np.maximum(upper_z(total, squares, n), lower_z(total, squares, n, spread))


def _design_effect(excess: FloatArray, weight: FloatArray, d: Diagnostics) -> float:
    """Clustered over independent standard error of the mean weight; at least one."""
    centered = excess - weight * (excess.sum() / weight.sum())
    independent = float(np.sqrt((centered**2).sum()) / weight.sum())
    return max(d.mean_weight_stderr / independent, 1.0) if independent > 0 else 1.0
