"""Whether a live policy harms: a one-sided confidence sequence of policy minus baseline, valid whenever one looks.

The difference of mean rewards a decision, its standard error clustered by unit, and the critical value of
evaluation/confidence_sequence.py, which is tightest at `n_expected` decisions. Harm is shown where the upper end lies
below -margin; the lower end mirrors it.
"""

import math

from domain.guardrails import GuardrailReading
from domain.records import RewardMoments
from evaluation.confidence_sequence import critical_value

MIN_UNITS = 30  # an arm; below, an estimated variance is a guess


def read_guardrail(
    metric: str,
    policy: RewardMoments,
    baseline: RewardMoments,
    *,
    harm_margin: float,
    alpha: float,
    n_expected: int,
) -> GuardrailReading | None:
    """The reading; None while an arm is too small to say anything.

    Args:
        metric: what the rewards measure; more is better.
        policy: rewards of decisions that the proposal made.
        baseline: rewards of decisions of the same time that got the baseline.
        harm_margin: difference a decision, >= 0, below whose negative it is harm.
        alpha: chance to call a harmless policy harmful, ever; already shared out among guardrails.
        n_expected: decisions of the policy at which the sequence is tightest.
    """
    if min(policy.n_units, baseline.n_units) < MIN_UNITS:
        return None
    difference = policy.mean - baseline.mean
    stderr = math.sqrt(max(policy.variance_of_mean + baseline.variance_of_mean, 0.0))
    radius = stderr * float(critical_value(policy.n_decisions / n_expected, alpha))
    return GuardrailReading(
        metric=metric,
        n_policy=policy.n_decisions,
        n_baseline=baseline.n_decisions,
        difference=difference,
        low=difference - radius,
        high=difference + radius,
        harm_margin=harm_margin,
        is_breached=difference + radius < -harm_margin,
    )
