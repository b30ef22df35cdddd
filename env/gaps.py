"""What a fitted market says against what was logged, one number at a time, and which of them do not do.

A gap counts when it exceeds both its band and what is immaterial. All bands of one report hold together with
probability 1 - alpha: every question gets an equal part of alpha, and parts it among its groups (Bonferroni), so that
a question of one number is not drowned by one of fifty.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Gap:
    what: str  # the question: "churn rate by period"
    where: str  # "period 6"
    simulated: float
    logged: float
    stderr: float  # of simulated - logged
    tolerance: float  # a smaller gap is immaterial, however certain

    def is_off(self, limit: float) -> bool:
        return abs(self.simulated - self.logged) > max(limit * self.stderr, self.tolerance)


def joint_limit(alpha: float, n_compared: int) -> float:
    """Standard errors that one of `n_compared` two-sided comparisons exceeds by chance with probability `alpha`."""
    return NormalDist().inv_cdf(1 - alpha / 2 / max(n_compared, 1))


def gap_reasons(gaps: Sequence[Gap], alpha_each: float) -> list[str]:
    """One sentence for every question that is off somewhere, with its worst place.

    Args:
        gaps: of all questions.
        alpha_each: a question's part of alpha.
    """
    n_groups = Counter(gap.what for gap in gaps)
    limits = {what: joint_limit(alpha_each, n) for what, n in n_groups.items()}
    off = [gap for gap in gaps if gap.is_off(limits[gap.what])]
    return [_reason([g for g in off if g.what == what], n_groups[what]) for what in dict.fromkeys(g.what for g in off)]


def _reason(off: Sequence[Gap], n_groups: int) -> str:
    worst = max(off, key=lambda g: abs(g.simulated - g.logged) / max(g.stderr, 1e-12))
    many = f" in {len(off)} of {n_groups} groups, at worst in {worst.where}" if n_groups > 1 else ""
    return f"{worst.what} is off{many}: {worst.simulated:.3g} simulated, {worst.logged:.3g} logged"
