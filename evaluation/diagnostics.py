"""What must accompany an estimate before anyone believes it (Kish 1965, Survey Sampling, for the effective size)."""

import numpy as np

from domain.arrays import FloatArray
from domain.estimates import Diagnostics
from domain.log import LoggedDecisions
from evaluation.clusters import sum_by_cluster
from evaluation.propensity import Propensities
from evaluation.rounds import Rounds
from evaluation.sample_ratio import sample_ratio_p_value
from evaluation.support import logged_support, unsupported_rounds


def diagnose(
    log: LoggedDecisions, distribution: FloatArray | None, rounds: Rounds, propensities: Propensities
) -> Diagnostics:
    """Weights, support and sample ratio of one policy on a one-period log."""
    weight = rounds.sample_weight * rounds.importance_weight
    mean, stderr = mean_weight(rounds)
    unsupported = {} if distribution is None else unsupported_rounds(log, distribution)
    ess = effective_sample_size(weight)
    return Diagnostics(
        ess=ess,
        ess_share=ess / len(log),
        max_weight_share=float(weight.max() / weight.sum()) if weight.sum() > 0 else 1.0,
        mean_weight=mean,
        mean_weight_stderr=stderr,
        support_violations=count_violations(log, distribution),
        unsupported=unsupported,
        propensities=propensities.source,
        sample_ratio_p_value=sample_ratio_p_value(log),
    )


def effective_sample_size(weight: FloatArray) -> float:
    """(sum w)^2 / sum w^2; zero where no weight is left."""
    squared = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squared if squared > 0 else 0.0


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
