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


class FindingKind(StrEnum):
    """What a look at a log can find. Values are stable: programs read them in `diagnostics.findings`."""

    REJECTED_ROWS = "rejected_rows"  # validation set them aside
    DUPLICATES = "duplicates"
    IMMATURE = "immature"  # not waited for: left out, or seen in rewards that fall off at the end
    SUBSAMPLED = "subsampled"  # rows that stand for more than themselves
    ONE_ACTION = "one_action"
    ZERO_REWARDS = "zero_rewards"
    SAMPLE_RATIO = "sample_ratio"
    CALIBRATION = "calibration"  # actions do not occur with their propensities in some part of the log
    INVERSE_PROPENSITY = "inverse_propensity"  # propensities too small for any number of actions
    REWARD_DRIFT = "reward_drift"
    DIFFERENCE_DRIFT = "difference_drift"  # candidate - baseline changed within the log
    ESTIMATED = "estimated_propensities"
    OVERLAP = "overlap"  # too few effective rounds
    LARGEST_WEIGHT = "largest_weight"
    SUPPORT = "support"
    MEAN_WEIGHT = "mean_weight"  # importance weights do not average one
    FEW_REWARDS = "few_rewards"
    ONE_PRICE = "one_price"  # everybody saw the same: no answer to prices can be learned
    FEW_ROUNDS = "few_rounds"  # no more rounds than features
    NEGATIVE = "negative"  # a length of time or a count below zero
    NOT_IN_CATALOGUE = "not_in_catalogue"  # logged, but nothing can carry it out
    NEVER_LOGGED = "never_logged"  # in the catalogue, but never tried
    UNTRIED_SEGMENT = "untried_segment"  # customers on whom one action alone was tried


@dataclass(frozen=True)
class Finding:
    """Something about a log that a reader must know; with `is_refusal` nothing can be decided."""

    kind: FindingKind
    n_rounds: int  # rounds (rows of the log) concerned
    is_refusal: bool
    text: str


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
    expected_ess_share: float | None = None  # had every action been drawn; needs all propensities
    tail_index: float | None = None  # of the largest weights (Pareto); None where there is no tail to fit
    propensity_error: float | None = None  # expected calibration error of estimated propensities, on held-out folds
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class LookTaken:
    """What the interval of a comparison was made for: the only look, one of a schedule, or looks at any time."""

    kind: str  # "once" | "scheduled" | "anytime"
    false_promotion_rate: float  # over all its looks and candidates, one-sided; the same on the side of rejecting
    boundary: float  # standard errors from the margin at which this look decides
    confidence: float  # that the ordinary interval of the same length has
    look: int | None = None  # of a schedule
    planned: int | None = None
    spent: float | None = None  # of the rate, up to this look; None: not spent look by look


@dataclass(frozen=True)
class Evaluation:
    """The whole answer for one candidate on one log."""

    estimates: tuple[PolicyValueEstimate, ...]
    comparison: Comparison
    diagnostics: Diagnostics
    recommended_estimator: str | None
    verdict: Verdict
    reasons: tuple[str, ...]
    looks: LookTaken
