"""Several candidates at once: which are better than the baseline, when even one wrong promotion is one too many.

Holm's step-down (1979, Scandinavian Journal of Statistics 6(2)): with m candidates each is tested at rate / m; those
that pass leave, and the rest is tested at rate / (those left), until nobody passes. At most `rate` of the time anybody
passes who should not, whatever the candidates have in common. Reported intervals are Bonferroni's, at rate / m: they
hold for all candidates at once. A candidate that passes in a later step is promoted although its own interval still
holds the margin; its reason says so. One about which the log cannot tell never passes, so it makes nobody's way easier.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from domain.arrays import BoolArray
from domain.estimates import Evaluation, Verdict
from evaluation.difference import Difference
from evaluation.scores import Interval


def step_down(n: int, passes: Callable[[int, float], bool], rate: float) -> BoolArray:
    """(n,) which hypotheses pass; `passes(i, rate)` tests one at a rate of its own.

    >>> p = (0.004, 0.02, 0.03, 0.6)
    >>> step_down(4, lambda i, rate: p[i] <= rate, 0.05).tolist()
    [True, False, False, False]
    """
    passed = np.zeros(n, dtype=np.bool_)
    while True:
        left = np.flatnonzero(~passed)
        new = [i for i in left if passes(int(i), rate / len(left))]
        if not new:
            return passed
        passed[new] = True


@dataclass(frozen=True)
class Proof:
    """What is proven of one candidate among all."""

    interval: Interval  # holds for all candidates at once
    verdict: Verdict


def judge_all(
    differences: Sequence[Difference], rate: float, margin: float, *, is_refused: Sequence[bool]
) -> tuple[Proof, ...]:
    """What is proven of each candidate.

    Args:
        differences: candidate - baseline, one a candidate.
        rate: of any wrong promotion (any wrong rejection) over all looks.
        margin: what has to be passed.
        is_refused: candidates about which nothing can be decided: numbers that are not trusted prove nothing.
    """
    n, at = len(differences), [cache(d.interval) for d in differences]
    better = step_down(n, lambda i, own: not is_refused[i] and at[i](own).low > margin, rate)
    worse = step_down(n, lambda i, own: not is_refused[i] and at[i](own).high < margin, rate)
    verdicts = np.select([better, worse], [Verdict.PROMOTE, Verdict.REJECT], Verdict.HOLD)
    return tuple(Proof(at[i](rate / n), Verdict(verdicts[i])) for i in range(n))


def leading(evaluations: Sequence[Evaluation]) -> int:
    """Which stands for all: of those promoted the one whose interval lies highest, else the first asked about."""
    promoted = [i for i, e in enumerate(evaluations) if e.verdict is Verdict.PROMOTE]
    return max(promoted, key=lambda i: _low(evaluations[i]), default=0)


def describe_family(n: int) -> tuple[str, ...]:
    """That others were asked about in the same breath."""
    if n == 1:
        return ()
    return (f"one of {n} candidates, judged together: the rate of wrong promotions holds for all of them (Holm)",)


def _low(evaluation: Evaluation) -> float:
    low = evaluation.comparison.low
    assert low is not None
    return low
