"""Whether a live policy harms: a one-sided confidence sequence of policy minus baseline, valid whenever one looks.

With D the difference of mean rewards a decision, V its variance (units are clusters), T = 1/V the information so far,
the upper end is

    D + u(T) / T,   u(T) = sqrt(2 (T + rho) log(sqrt((T + rho) / rho) / (2 alpha) + 1))

(one-sided normal mixture: Howard, Ramdas, McAuliffe, Sekhon 2021, Annals of Statistics 49(2), proposition 6; with an
estimated variance it holds asymptotically: Waudby-Smith et al. 2024, Annals of Statistics 52(6)). It is tightest at the
information of `n_expected` decisions. Harm is shown where the upper end lies below -margin; the lower end mirrors it.
"""

import math

from domain.guardrails import GuardrailReading
from domain.records import RewardMoments

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
    variance = policy.variance_of_mean + baseline.variance_of_mean
    if variance <= 0:
        radius = 0.0
    else:
        information = 1 / variance
        radius = _boundary(information, _rho(information * n_expected / policy.n_decisions, alpha), alpha) / information
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


def _boundary(information: float, rho: float, alpha: float) -> float:
    total = information + rho
    return math.sqrt(2 * total * math.log(math.sqrt(total / rho) / (2 * alpha) + 1))


def _rho(information: float, alpha: float) -> float:
    """The mixture that is tightest at `information` (ibid., section 3.5)."""
    log = 2 * math.log(1 / (2 * alpha))
    return information / (log + math.log(1 + log))
