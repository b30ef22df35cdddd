"""What must accompany an estimate before anyone believes it, and what in it forbids to."""

from dataclasses import replace

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.estimates import Diagnostics, Finding
from domain.log import LoggedDecisions
from evaluation.clusters import sum_by_cluster
from evaluation.mean_weight import mean_weight_findings
from evaluation.parts import cut_log
from evaluation.policy_findings import few_reward_findings, overlap_findings
from evaluation.propensity import Propensities
from evaluation.rounds import Rounds
from evaluation.sample_ratio import logged_behavior, sample_ratio_p_value
from evaluation.support import logged_support, unsupported_rounds, unsupported_share
from evaluation.tail import tail_index


def diagnose(
    log: LoggedDecisions,
    distribution: FloatArray | None,
    rounds: Rounds,
    propensities: Propensities,
    config: EvaluationConfig | None = None,
) -> Diagnostics:
    """Weights, support and sample ratio of one policy on a one-period log; `findings` say what is wrong with them."""
    config = EvaluationConfig() if config is None else config
    weight = rounds.sample_weight * rounds.importance_weight
    mean, stderr = mean_weight(rounds)
    unsupported = {} if distribution is None else unsupported_rounds(log, distribution)
    ess = effective_sample_size(weight)
    d = Diagnostics(
        ess=ess,
        ess_share=ess / len(log),
        max_weight_share=float(weight.max() / weight.sum()) if weight.sum() > 0 else 1.0,
        mean_weight=mean,
        mean_weight_stderr=stderr,
        support_violations=count_violations(log, distribution),
        unsupported=unsupported,
        propensities=propensities.source,
        sample_ratio_p_value=sample_ratio_p_value(log),
        expected_ess_share=expected_ess_share(log, distribution),
        tail_index=tail_index(weight),
        propensity_error=propensities.calibration_error,
    )
    findings = weight_findings(log, distribution, rounds, d, config)
    return replace(d, findings=findings + reward_findings(log, weight, config))


def weight_findings(
    log: LoggedDecisions, distribution: FloatArray | None, rounds: Rounds, d: Diagnostics, config: EvaluationConfig
) -> tuple[Finding, ...]:
    """Overlap and support; without support the mean weight would say the same once more."""
    outside = 0.0 if distribution is None else unsupported_share(log, distribution)
    findings = overlap_findings(d, outside, config)
    if distribution is None or outside > config.max_unsupported_share:
        return findings
    return findings + mean_weight_findings(rounds, d, cut_log(log), config)


def reward_findings(log: LoggedDecisions, weight: FloatArray, config: EvaluationConfig) -> tuple[Finding, ...]:
    """Whether enough rewards other than zero are left under the weights (n_rounds,)."""
    is_event = log.reward != 0
    n_effective = effective_sample_size(weight[is_event])
    return few_reward_findings(log.reward_name, int(is_event.sum()), n_effective, config)


def effective_sample_size(weight: FloatArray) -> float:
    """(sum w)^2 / sum w^2; zero where no weight is left. Kish (1965), Survey Sampling."""
    squared = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squared if squared > 0 else 0.0


def expected_ess_share(log: LoggedDecisions, distribution: FloatArray | None) -> float | None:
    """Effective sample size over rounds, had every action been drawn: 1 / mean of sum over a of policy^2 / propensity.

    The drawn actions show large weights only when they happen; this sees them before. It leaves out the one round that
    counts most, as a mean of a heavy tail may rest on it alone. None where the propensities are not all known.
    """
    behavior = None if distribution is None else logged_behavior(log)
    if distribution is None or behavior is None:
        return None
    ratio = np.divide(distribution, behavior, out=np.zeros_like(distribution), where=behavior > 0)
    square = np.einsum("ij,ij->i", distribution, ratio)
    weight = log.sample_weight
    terms = weight**2 * square
    total = float(terms.sum() - terms.max())
    return float(weight.sum()) ** 2 / total / len(log) if total > 0 else 0.0


def mean_weight(rounds: Rounds) -> tuple[float, float]:
    """The mean importance weight with its clustered standard error; one in expectation."""
    mean = float(np.average(rounds.importance_weight, weights=rounds.sample_weight))
    deviation = rounds.sample_weight * (rounds.importance_weight - mean)
    sums = sum_by_cluster(deviation[:, None], rounds.cluster)
    return mean, float(np.sqrt((sums**2).sum()) / rounds.sample_weight.sum())


def count_violations(log: LoggedDecisions, distribution: FloatArray | None) -> int:
    """Rounds in which the policy may choose an action without support."""
    if distribution is None:
        return 0
    return int(((distribution > 0) & ~logged_support(log)).any(axis=1).sum())
