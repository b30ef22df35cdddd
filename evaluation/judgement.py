"""What judging a learner says: learning against the best constant, and what to deliver against the baseline."""

from collections.abc import Callable
from dataclasses import dataclass

from domain.arrays import FloatArray, IntArray
from domain.estimates import Comparison, Diagnostics, Verdict
from domain.policy import Policy
from evaluation.gate import Ruling
from evaluation.scores import Interval

Report = Callable[[float, str], None]  # share done 0..1, what is being done


@dataclass(frozen=True)
class RuleValue:
    """Value of a rule on rows it did not see; no numbers where a diagnostic forbids them."""

    method: str  # crossfit: by unit, whole rule inside | units: held-out customers | file: another log
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class ConstantValue:
    """The best constant action, chosen and valued on all rows of the log."""

    policy: str  # constant:ACTION
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evidence:
    """What learning chose on rows it did not see: enough to value it again, in any segment, without optimism."""

    rows: IntArray  # (n,) of the log that judged, in its order
    distribution: FloatArray  # (n, n_actions) of policies fitted without the row's unit


@dataclass(frozen=True)
class Judgement:
    """DESIGN section 6, `train --json`."""

    comparison: Comparison  # learned - the constant chosen on the same training rows
    verdict: Verdict
    heldout: RuleValue
    best_constant: ConstantValue
    baseline_comparison: Comparison  # what is delivered - the baseline
    delivered: str  # "learned" | "constant:ACTION"
    reasons: tuple[str, ...]
    diagnostics: Diagnostics  # of the learned policies
    evidence: Evidence
    learned_comparison: Comparison  # learned - the baseline, whether or not it is delivered
    policy: Policy | None = None  # the learned one that was judged on the held-out rows; crossfit judges one a fold


def rule_value(method: str, interval: Interval, is_trusted: bool) -> RuleValue:
    """The interval, or its absence."""
    if not is_trusted:
        return RuleValue(method, None, None, None, interval.n)
    return RuleValue(method, interval.value, interval.low, interval.high, interval.n)


def constant_value(action: str, interval: Interval, is_trusted: bool) -> ConstantValue:
    if not is_trusted:
        return ConstantValue(f"constant:{action}", None, None, None)
    return ConstantValue(f"constant:{action}", interval.value, interval.low, interval.high)


def delivered(verdict: Verdict, best_action: str) -> str:
    """Learning is delivered only where it is proven to gain."""
    return "learned" if verdict is Verdict.PROMOTE else f"constant:{best_action}"


@dataclass(frozen=True)
class Rival:
    """Another constant action beside the best one, on the same rows."""

    action: str
    ruling: Ruling  # best - this one

    @property
    def is_tie(self) -> bool:
        return self.ruling.verdict is Verdict.HOLD

    @property
    def is_proven(self) -> bool:
        return self.ruling.verdict in {Verdict.PROMOTE, Verdict.REJECT}


def confidence_of_each(confidence: float, n_constants: int) -> float:
    """Bonferroni over all pairs of constants: which one is best was read off the same log."""
    n_pairs = n_constants * (n_constants - 1) // 2
    return 1.0 - (1.0 - confidence) / max(n_pairs, 1)


def describe_delivery(ruling: Ruling, best_action: str, rivals: tuple[Rival, ...]) -> tuple[str, ...]:
    """What was decided and why, after the ruling's own sentences; these alone, where nothing can be told."""
    if ruling.verdict is Verdict.CANNOT_TELL:
        return ruling.reasons
    if ruling.verdict is Verdict.PROMOTE:
        told = "choosing by customer provably gains: the learned policy is delivered"
    else:
        told = f"no provable gain from choosing by customer: the best constant, {best_action}, is delivered"
    ties = ", ".join(rival.action for rival in rivals if rival.is_tie)
    tied = (f"{best_action} and {ties} are indistinguishable on this log",) if ties else ()
    proven = tuple(_describe_proven(rival, best_action) for rival in rivals if rival.is_proven)
    return (*ruling.reasons, told, *tied, *proven)


def _describe_proven(rival: Rival, best_action: str) -> str:
    c = rival.ruling.comparison
    assert c.difference is not None  # only cannot_tell has no numbers
    assert c.low is not None
    assert c.high is not None
    is_less = rival.ruling.verdict is Verdict.PROMOTE
    word, low, high = ("less", c.low, c.high) if is_less else ("more", -c.high, -c.low)
    return (
        f"{rival.action} for all earns provably {word} than {best_action} for all: "
        f"{abs(c.difference):.4g} {word} (interval {low:.4g} to {high:.4g}, all pairs at once)"
    )
