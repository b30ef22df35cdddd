"""What evaluation answers: values that never come without an interval, and verdicts with reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """promote: low > margin · reject: high < margin · hold: the interval contains the margin.

    cannot_tell: a diagnostic forbids a decision.
    """

    PROMOTE = "promote"
    HOLD = "hold"
    REJECT = "reject"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True)
class PolicyValueEstimate:
    """Expected reward of a policy a round (a panel: a whole episode), with its 95 % interval."""

    policy: str
    estimator: str
    value: float
    low: float
    high: float
    stderr: float
    ess: float
    n_rounds: int
    trusted: bool = True  # False: a diagnostic forbids it, or the estimator's interval leaves out its model's error


@dataclass(frozen=True)
class Comparison:
    """Candidate minus baseline on the same rounds; None where a diagnostic forbids a number."""

    candidate: str
    baseline: str
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Diagnostics:
    """What must accompany an estimate before anyone believes it."""

    ess: float
    ess_share: float  # effective sample size / rounds
    max_weight_share: float  # largest weight / sum of weights
    mean_weight: float  # 1 in expectation if the propensities are right
    mean_weight_stderr: float
    support_violations: int  # rounds where the policy may choose what the log never tried there
    unsupported: Mapping[str, int]  # action -> those rounds
    propensities: str  # "logged" | "estimated"
    sample_ratio_p_value: float | None  # logged action shares against logged propensities


@dataclass(frozen=True)
class Evaluation:
    """The whole answer for one candidate on one log."""

    estimates: tuple[PolicyValueEstimate, ...]
    comparison: Comparison
    diagnostics: Diagnostics
    recommended_estimator: str | None
    verdict: Verdict
    reasons: tuple[str, ...]
