"""The promotion gate: promote, hold, reject or cannot_tell, with reasons a manager can read (DESIGN section 6)."""

from dataclasses import dataclass

import numpy as np

from domain.estimates import Comparison, Diagnostics, Verdict
from evaluation.scores import Interval

NO_ENDS = "the interval of the difference has no ends: the rewards are too large to reckon with; use a larger unit"


@dataclass(frozen=True)
class Ruling:
    """A verdict with the comparison it rests on; the comparison has no numbers when the data cannot tell."""

    verdict: Verdict
    comparison: Comparison
    reasons: tuple[str, ...]


def rule(
    candidate: str,
    baseline: str,
    difference: Interval,
    refusals: tuple[str, ...],
    *,
    margin: float,
    per: str,
    proven: Verdict | None = None,
) -> Ruling:
    """promote: low > margin; reject: high < margin; hold: the interval contains it; cannot_tell: anything refuses.

    Among several candidates `proven` says what is proven of this one; the interval then holds for all of them at once.
    An interval without ends refuses too: rewards so large that their squares overflow.
    """
    if not np.isfinite([difference.value, difference.low, difference.high]).all():
        refusals = (*refusals, NO_ENDS)
    if refusals:
        nothing = Comparison(candidate, baseline, None, None, None)
        return Ruling(Verdict.CANNOT_TELL, nothing, refusals)
    comparison = Comparison(candidate, baseline, difference.value, difference.low, difference.high)
    verdict = _verdict(difference, margin) if proven is None else proven
    return Ruling(verdict, comparison, (_sentence(comparison, difference, verdict, margin, per),))


def describe_weights(name: str, diagnostics: Diagnostics, n_rounds: int) -> str:
    """How much of the log speaks about a policy."""
    return (
        f"{name}: effective sample size {diagnostics.ess:,.0f} of {n_rounds:,} ({diagnostics.ess_share:.1%}), "
        f"largest weight {diagnostics.max_weight_share:.1%} of all"
    )


def describe_propensities(diagnostics: Diagnostics) -> tuple[str, ...]:
    """A warning where they were estimated."""
    if diagnostics.propensities == "logged":
        return ()
    return (
        (
            "propensities were not logged but estimated from the context: what else moved the choice of the action "
            f"would bias these numbers{_miss(diagnostics)}"
        ),
    )


def _miss(diagnostics: Diagnostics) -> str:
    error = diagnostics.propensity_error
    return "" if error is None else f" (shares of actions lie {error:.1%} from them on average, on rows left out)"


def _verdict(difference: Interval, margin: float) -> Verdict:
    if difference.low > margin:
        return Verdict.PROMOTE
    return Verdict.REJECT if difference.high < margin else Verdict.HOLD


def _sentence(c: Comparison, d: Interval, verdict: Verdict, margin: float, per: str) -> str:
    if d.value == 0.0 == d.stderr:
        return f"{c.candidate} and {c.baseline} earn the same in every {per} of this log"
    word = {
        Verdict.PROMOTE: f"the whole interval lies above the margin {margin:g}",
        Verdict.REJECT: f"the whole interval lies below the margin {margin:g}",
        Verdict.HOLD: f"the interval contains the margin {margin:g}: neither better nor worse is proven",
        Verdict.CANNOT_TELL: "",
    }[verdict]
    if verdict is not _verdict(d, margin):
        word = f"proven once the better proven candidates are set aside, though this interval contains {margin:g}"
    direction, article = "more" if d.value >= 0 else "less", "an" if per[0] in "aeiou" else "a"
    return (
        f"{c.candidate} earns {abs(d.value):.4g} {direction} {article} {per} than {c.baseline} "
        f"(interval {d.low:.4g} to {d.high:.4g}): {word}"
    )
