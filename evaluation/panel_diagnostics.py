"""Overlap of a policy with a panel: the weakest step counts, among those that the policy's customers live to see."""

from dataclasses import dataclass, replace

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.estimates import Diagnostics
from evaluation.diagnostics import (
    count_violations,
    effective_sample_size,
    mean_weight,
    reward_findings,
    weight_findings,
)
from evaluation.episodes import Episodes
from evaluation.propensity import Propensities
from evaluation.refusals import panel_limits
from evaluation.rounds import Rounds
from evaluation.sample_ratio import sample_ratio_p_value
from evaluation.support import unsupported_rounds

MIN_STEP_SHARE = 0.1  # of the policy's customers; later steps, seen by fewer, move the value little


@dataclass(frozen=True)
class StepWeights:
    """Weights of one policy on a panel, each (n_rounds,)."""

    rho: FloatArray  # one period: policy / propensity
    visitation: FloatArray  # marginalised weight of the context

    @property
    def marginal(self) -> FloatArray:
        return self.visitation * self.rho


def diagnose_panel(
    episodes: Episodes,
    weights: StepWeights,
    distribution: FloatArray | None,
    propensities: Propensities,
    config: EvaluationConfig | None = None,
) -> Diagnostics:
    """`ess` and `max_weight_share` are the worst of the steps; `mean_weight` is that of single periods."""
    log = episodes.log
    n_episodes = len(episodes.start)
    steps = _counted_steps(episodes, weights)
    marginal = log.sample_weight * weights.marginal
    ess = min(effective_sample_size(marginal[now]) for now in steps)
    one = np.zeros(len(log))
    rounds = Rounds(log.reward, weights.rho, one, one, log.sample_weight, log.unit)
    mean, stderr = mean_weight(rounds)
    d = Diagnostics(
        ess=ess,
        ess_share=ess / n_episodes,
        max_weight_share=max(_largest_share(marginal[now]) for now in steps),
        mean_weight=mean,
        mean_weight_stderr=stderr,
        support_violations=count_violations(log, distribution),
        unsupported={} if distribution is None else unsupported_rounds(log, distribution),
        propensities=propensities.source,
        sample_ratio_p_value=sample_ratio_p_value(log),
        propensity_error=propensities.calibration_error,
    )
    limits = panel_limits(EvaluationConfig() if config is None else config)
    findings = weight_findings(log, distribution, rounds, d, limits)
    return replace(d, findings=findings + reward_findings(log, marginal, limits))


def _counted_steps(episodes: Episodes, weights: StepWeights) -> list[IntArray]:
    """Rounds of each step that at least MIN_STEP_SHARE of the policy's customers reach."""
    arriving = episodes.log.sample_weight * weights.visitation / episodes.kept
    by_step = np.bincount(episodes.step, weights=arriving)
    counted = np.flatnonzero(by_step >= MIN_STEP_SHARE * by_step[0])
    return [np.flatnonzero(episodes.step == t) for t in counted]


def _largest_share(weight: FloatArray) -> float:
    return float(weight.max() / weight.sum()) if weight.sum() > 0 else 1.0
