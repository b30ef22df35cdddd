"""Do the logged actions occur with their logged propensities, everywhere in the log?

Where the whole distribution is known, every action's count is held against the sum of its propensities: in ten bins of
the propensity, and in every part of the log (evaluation/parts.py). Where only the chosen action's propensity p is
known, E[1 / p] is the number of actions that had a chance: more than were eligible means that propensities are too
small (fewer may be honest: an action that had none). By action as well, where 1{a} / p averages at most one.
Reference: Hosmer and Lemeshow (1980), Communications in Statistics 9(10), for bins; Li et al. (2015), "Counterfactual
Estimation and Optimization of Click Metrics", section 4.2, for mean inverse propensities.
"""

from dataclasses import dataclass

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions
from evaluation.deviation import binomial_z, limit_of, skewed_z
from evaluation.estimator import sum_by_cluster
from evaluation.parts import Parts, place_of

N_BINS = 10  # of the square root of the propensity, which spreads small ones out


@dataclass(frozen=True)
class Counts:
    """Observed and expected counts by place and action, each (n_places, n_actions)."""

    observed: FloatArray
    expected: FloatArray
    variance: FloatArray
    total: FloatArray

    def z(self, design_effect: float) -> FloatArray:
        return binomial_z(self.observed, self.expected, self.variance * design_effect, self.total)


def calibration_findings(
    log: LoggedDecisions, behavior: FloatArray, parts: Parts, config: EvaluationConfig
) -> tuple[Finding, ...]:
    """Counts against the distribution (n_rounds, n_actions) that the log claims; the worst place is named."""
    binned, by_part = _count_bins(log, behavior), _count_parts(log, behavior, parts)
    effect = design_effect(log, behavior)
    z_bin, z_part = binned.z(effect), by_part.z(effect)
    limit = limit_of(config.min_part_p_value, int((z_bin != 0).sum() + (z_part != 0).sum()))
    if max(np.abs(z_bin).max(initial=0.0), np.abs(z_part).max(initial=0.0)) <= limit:
        return ()
    if np.abs(z_part).max(initial=0.0) >= np.abs(z_bin).max(initial=0.0):
        part, a = np.unravel_index(np.argmax(np.abs(z_part)), z_part.shape)
        flagged = np.abs(z_part).max(axis=1) > limit
        chosen = (log.action == a).astype(np.float64)
        variance = log.sample_weight**2 * behavior[:, a] * (1 - behavior[:, a])
        place = place_of(parts, flagged, int(part), log.sample_weight * (chosen - behavior[:, a]), variance)
        return (_miscounted(log, by_part, (int(part), int(a)), place.n_rounds, place.where),)
    bin_, a = np.unravel_index(np.argmax(np.abs(z_bin)), z_bin.shape)
    bad = np.abs(z_bin[:, a]) > limit
    rows = bad[_bin_of(behavior[:, a])]
    low, high = (bin_ / N_BINS) ** 2, ((bin_ + 1) / N_BINS) ** 2
    where = f"propensity {low:.2f} to {high:.2f}"
    return (_miscounted(log, binned, (int(bin_), int(a)), int(rows.sum()), where),)


def inverse_propensity_findings(
    log: LoggedDecisions, propensity: FloatArray, parts: Parts, config: EvaluationConfig
) -> tuple[Finding, ...]:
    """Mean inverse propensities above the number of eligible actions: of all rounds, of a part, of one action."""
    eligible = np.ones((len(log), log.n_actions)) if log.eligible is None else log.eligible.astype(np.float64)
    inverse, n_eligible = 1.0 / propensity, eligible.sum(axis=1)
    excess = log.sample_weight * (inverse - n_eligible)
    powers = np.column_stack([excess, excess**2, excess**3])
    every = np.array([len(log)], dtype=np.float64)
    z_all, z_part = skewed_z(powers.sum(axis=0)[None], every), skewed_z(parts.sums(powers), parts.n_rounds)
    z_action = skewed_z(_moments_by_action(log, inverse, eligible), np.full(log.n_actions, len(log)))
    shrink = np.sqrt(_repeats(log, excess))
    limit = shrink * limit_of(config.min_part_p_value, 1 + len(parts) + log.n_actions)
    if z_part.max(initial=0.0) > max(limit, float(z_all[0])):
        place = place_of(parts, z_part > limit, int(z_part.argmax()), excess, excess**2)
        n, where = place.n_rounds, f" where {place.where}"
    elif z_all[0] > limit:
        n, where = len(log), ""
    elif z_action.max() > limit:
        worst = int(z_action.argmax())
        n, where = int((log.action == worst).sum()), f" of action {log.actions.ids[worst]}"
    else:
        return ()
    text = (
        f"inverse propensities{where} add up to more actions than were eligible (mean {inverse.mean():.3f} over the "
        f"log, at most {n_eligible.mean():.3f} expected; {n:,} rounds concerned): those propensities are too small"
    )
    return (Finding(FindingKind.INVERSE_PROPENSITY, n, True, text),)


def calibration_error(behavior: FloatArray, action: IntArray, weight: FloatArray) -> float:
    """Expected calibration error: how far, on average over bins and actions, shares lie from mean propensities."""
    n_actions = behavior.shape[1]
    place = _bin_of(behavior) + np.arange(n_actions) * N_BINS
    size = N_BINS * n_actions
    expected = np.bincount(place.ravel(), weights=(weight[:, None] * behavior).ravel(), minlength=size)
    own = place[np.arange(len(action)), action]
    observed = np.bincount(own, weights=weight, minlength=size)
    return float(np.abs(observed - expected).sum() / weight.sum() / n_actions)


def design_effect(log: LoggedDecisions, behavior: FloatArray) -> float:
    """How much more counts vary because units repeat (Rao and Scott 1984); one where they do not."""
    if len(np.unique(log.unit)) == len(log):
        return 1.0
    excess = -log.sample_weight[:, None] * behavior
    excess[np.arange(len(log)), log.action] += log.sample_weight
    independent = float((log.sample_weight[:, None] ** 2 * behavior * (1 - behavior)).sum())
    clustered = float((sum_by_cluster(excess, log.unit) ** 2).sum())
    return max(clustered / independent, 1.0) if independent > 0 else 1.0


def _miscounted(log: LoggedDecisions, counts: Counts, at: tuple[int, int], n_rounds: int, where: str) -> Finding:
    text = (
        f"{log.actions.ids[at[1]]} was chosen {counts.observed[at]:,.0f} times in {counts.total[at]:,.0f} rounds whose "
        f"propensities say {counts.expected[at]:,.0f} ({where}; {n_rounds:,} rounds concerned): rows were lost or "
        "propensities are wrong there"
    )
    return Finding(FindingKind.CALIBRATION, n_rounds, True, text)


def _count_parts(log: LoggedDecisions, behavior: FloatArray, parts: Parts) -> Counts:
    n, n_actions = behavior.shape
    weight = log.sample_weight
    chosen = np.zeros((n, n_actions))
    chosen[np.arange(n), log.action] = weight
    claimed = behavior if log.weight is None else weight[:, None] * behavior
    spread = claimed * (1 - behavior) if log.weight is None else weight[:, None] * claimed * (1 - behavior)
    sums = parts.sums(np.hstack([chosen, claimed, spread]))
    observed, expected, variance = np.split(sums, 3, axis=1)
    return Counts(observed, expected, variance, np.repeat(observed.sum(axis=1, keepdims=True), n_actions, axis=1))


def _count_bins(log: LoggedDecisions, behavior: FloatArray) -> Counts:
    n, n_actions = behavior.shape
    weight, size = log.sample_weight, N_BINS * n_actions
    place = _bin_of(behavior) + np.arange(n_actions) * N_BINS
    own = np.bincount(place[np.arange(n), log.action], weights=weight, minlength=size)
    observed = np.asarray(own.reshape(n_actions, N_BINS).T, dtype=np.float64)

    def sums(values: FloatArray) -> FloatArray:
        summed = np.bincount(place.ravel(), weights=values.ravel(), minlength=size)
        return np.asarray(summed.reshape(n_actions, N_BINS).T, dtype=np.float64)

    claimed = weight[:, None] * behavior
    total = sums(np.broadcast_to(weight[:, None], behavior.shape))
    return Counts(observed, sums(claimed), sums(weight[:, None] * claimed * (1 - behavior)), total)


def _bin_of(probability: FloatArray) -> IntArray:
    return np.minimum((np.sqrt(probability) * N_BINS).astype(np.int64), N_BINS - 1)


def _moments_by_action(log: LoggedDecisions, inverse: FloatArray, eligible: FloatArray) -> FloatArray:
    """(n_actions, 3) sums of the powers of weight x (1{a} / p - eligible)."""
    base = -log.sample_weight[:, None] * eligible
    own = np.arange(len(log)), log.action
    chosen = base.copy()
    chosen[own] += log.sample_weight * inverse
    return np.stack([(chosen**k).sum(axis=0) for k in (1, 2, 3)], axis=-1)


def _repeats(log: LoggedDecisions, values: FloatArray) -> float:
    """Clustered over independent variance of a sum; at least one."""
    if len(np.unique(log.unit)) == len(log):
        return 1.0
    centered = values - values.mean()
    clustered = float((sum_by_cluster(centered[:, None], log.unit) ** 2).sum())
    return max(clustered / max(float((centered**2).sum()), 1e-300), 1.0)
