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
import pandas as pd

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions
from evaluation.clusters import sum_by_cluster
from evaluation.deviation import MIN_ROUNDS, binomial_z, limit_of, upper_z
from evaluation.parts import Parts, Place, place_of

N_BINS = 10  # of the square root of the propensity, which spreads small ones out
MIN_SPREAD = 1e-6  # variance a round; below, propensities differ by rounding only


@dataclass(frozen=True)
class Counts:
    """Observed and expected counts by place and action, each (n_places, n_actions)."""

    observed: FloatArray
    expected: FloatArray
    variance: FloatArray
    total: FloatArray

    def z(self, design_effect: float) -> FloatArray:
        return binomial_z(self.observed, self.expected, self.variance * design_effect, self.total)


@dataclass(frozen=True)
class Draws:
    """The chosen action's own propensity against its expectation when actions are drawn by them, sum of p^2.

    A policy that is flatter or sharper than what was logged shows here, although every action's count may be right.
    """

    excess: FloatArray  # (n_rounds,)
    variance: FloatArray  # (n_rounds,)

    def z(self, parts: Parts) -> FloatArray:
        """(n_parts,)."""
        total, spread = parts.sums(np.column_stack([self.excess, self.variance])).T
        is_judged = (parts.n_rounds >= MIN_ROUNDS) & (spread > MIN_SPREAD * parts.n_rounds)
        return np.where(is_judged, total / np.sqrt(np.where(is_judged, spread, 1.0)), 0.0)


def calibration_findings(
    log: LoggedDecisions, behavior: FloatArray, parts: Parts, config: EvaluationConfig
) -> tuple[Finding, ...]:
    """Counts against the distribution (n_rounds, n_actions) that the log claims; the worst place is named."""
    binned, by_part, drawn = _count_bins(log, behavior), _count_parts(log, behavior, parts), _draws(log, behavior)
    effect = design_effect(log, behavior)
    z_bin, z_part = np.abs(binned.z(effect)), np.abs(by_part.z(effect))
    z_drawn = np.abs(drawn.z(parts)) / np.sqrt(effect)
    limit = limit_of(config.min_part_p_value, int((z_bin != 0).sum() + (z_part != 0).sum() + (z_drawn != 0).sum()))
    worst = max(z_bin.max(initial=0.0), z_part.max(initial=0.0), z_drawn.max(initial=0.0))
    if worst <= limit:
        return ()
    if worst == z_drawn.max(initial=0.0):
        place = place_of(parts, z_drawn, limit, drawn.excess, effect * drawn.variance)
        return (_mismatched(place, drawn, int(z_drawn.argmax()), parts),)
    if worst == z_part.max(initial=0.0):
        part, a = np.unravel_index(np.argmax(z_part), z_part.shape)
        excess = log.sample_weight * ((log.action == a) - behavior[:, a])
        variance = effect * log.sample_weight**2 * behavior[:, a] * (1 - behavior[:, a])
        place = place_of(parts, z_part.max(axis=1), limit, excess, variance)
        return (_miscounted(log, by_part, (int(part), int(a)), place),)
    bin_, a = np.unravel_index(np.argmax(z_bin), z_bin.shape)
    rows = (z_bin[:, a] > limit)[_bin_of(behavior[:, a])]
    low, high = (bin_ / N_BINS) ** 2, ((bin_ + 1) / N_BINS) ** 2
    place = Place(int(rows.sum()), f"propensity {low:.2f} to {high:.2f}")
    return (_miscounted(log, binned, (int(bin_), int(a)), place),)


def inverse_propensity_findings(
    log: LoggedDecisions, propensity: FloatArray, parts: Parts, config: EvaluationConfig
) -> tuple[Finding, ...]:
    """Mean inverse propensities above the number of eligible actions: of all rounds, of a part, of one action."""
    n_eligible = np.full(len(log), log.n_actions) if log.eligible is None else log.eligible.sum(axis=1)
    inverse = 1.0 / propensity
    excess = log.sample_weight * (inverse - n_eligible)
    shrink = np.sqrt(_repeats(log, excess))
    sums = parts.sums(_powers(excess))
    z_all = float(upper_z(excess.sum(keepdims=True), (excess**2).sum(keepdims=True), np.array([len(log)]))[0]) / shrink
    z_part = upper_z(sums[:, 0], sums[:, 1], parts.n_rounds) / shrink
    by_action = _sums_by_action(log, inverse)
    z_action = upper_z(by_action[:, 0], by_action[:, 1], np.full(log.n_actions, len(log))) / shrink
    limit = limit_of(config.min_part_p_value, 1 + len(parts) + log.n_actions)
    if z_part.max(initial=0.0) > max(limit, z_all):
        place = place_of(parts, z_part, limit, excess, shrink**2 * excess**2)
        n, where = place.n_rounds, f" where {place.where}"
    elif z_all > limit:
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
    if pd.Index(log.unit).is_unique:
        return 1.0
    excess = -log.sample_weight[:, None] * behavior
    excess[np.arange(len(log)), log.action] += log.sample_weight
    independent = float((log.sample_weight[:, None] ** 2 * behavior * (1 - behavior)).sum())
    clustered = float((sum_by_cluster(excess, log.unit) ** 2).sum())
    return max(clustered / independent, 1.0) if independent > 0 else 1.0


def _miscounted(log: LoggedDecisions, counts: Counts, at: tuple[int, int], place: Place) -> Finding:
    text = (
        f"{log.actions.ids[at[1]]} was chosen {counts.observed[at]:,.0f} times in {counts.total[at]:,.0f} rounds whose "
        f"propensities say {counts.expected[at]:,.0f} ({place.where}; {place.n_rounds:,} rounds concerned): rows were "
        "lost or propensities are wrong there"
    )
    return Finding(FindingKind.CALIBRATION, place.n_rounds, True, text)


def _mismatched(place: Place, drawn: Draws, part: int, parts: Parts) -> Finding:
    off = float(parts.sums(drawn.excess[:, None])[part, 0] / parts.n_rounds[part])
    text = (
        f"the chosen actions' propensities lie {abs(off):.3f} {'above' if off > 0 else 'below'} what drawing by them "
        f"would give ({place.where}; {place.n_rounds:,} rounds concerned): actions were drawn otherwise than logged"
    )
    return Finding(FindingKind.CALIBRATION, place.n_rounds, True, text)


def _draws(log: LoggedDecisions, behavior: FloatArray) -> Draws:
    own = behavior[np.arange(len(log)), log.action]
    square = behavior * behavior
    mean = square.sum(axis=1)
    spread = np.maximum(np.einsum("ij,ij->i", square, behavior) - mean**2, 0.0)
    return Draws(log.sample_weight * (own - mean), log.sample_weight**2 * spread)


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


def _sums_by_action(log: LoggedDecisions, inverse: FloatArray) -> FloatArray:
    """(n_actions, 2) sums of the powers of weight x (1{a} / p - 1{a was eligible})."""
    weight, n_actions = log.sample_weight, log.n_actions
    not_chosen, chosen = _powers(-weight), _powers(weight * (inverse - 1))
    if log.eligible is None:
        base = np.tile(not_chosen.sum(axis=0), (n_actions, 1))
    else:
        base = log.eligible.astype(np.float64).T @ not_chosen
    more = chosen - not_chosen  # the row's own action is eligible
    return base + np.column_stack([np.bincount(log.action, weights=m, minlength=n_actions) for m in more.T])


def _powers(values: FloatArray) -> FloatArray:
    """(n, 2) v, v^2."""
    return np.column_stack([values, values * values])


def _repeats(log: LoggedDecisions, values: FloatArray) -> float:
    """Clustered over independent variance of a sum; at least one."""
    if pd.Index(log.unit).is_unique:
        return 1.0
    centered = values - values.mean()
    clustered = float((sum_by_cluster(centered[:, None], log.unit) ** 2).sum())
    return max(clustered / max(float((centered**2).sum()), 1e-300), 1.0)
