"""What a fitted market says against what was logged, one number at a time, and which of them do not do.

A gap counts when it exceeds both its band and what is immaterial. All bands of one report hold together with
probability 1 - alpha: every question gets an equal part of alpha, and parts it among its groups (Bonferroni), so that
a question of one number is not drowned by one of fifty.
"""

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


@dataclass(frozen=True)
class Question:
    """Everything that was compared under one name."""

    what: str
    n_groups: int
    n_off: int  # groups outside band and tolerance
    worst: Gap  # the one farthest out, in standard errors
    limit: float  # standard errors that a group may be off

    @property
    def n_deviations(self) -> float:
        return abs(self.worst.simulated - self.worst.logged) / max(self.worst.stderr, 1e-12)

    @property
    def reason(self) -> str | None:
        """What to tell where it is off."""
        if not self.n_off:
            return None
        w = self.worst
        many = f" in {self.n_off} of {self.n_groups} groups, at worst in {w.where}" if self.n_groups > 1 else ""
        return f"{self.what} is off{many}: {w.simulated:.3g} simulated, {w.logged:.3g} logged"


def ask(gaps: Sequence[Gap], alpha_each: float) -> tuple[Question, ...]:
    """The questions behind `gaps`, in their order; each may refuse a good market with probability `alpha_each`."""
    by_question: dict[str, list[Gap]] = {}
    for gap in gaps:
        by_question.setdefault(gap.what, []).append(gap)
    return tuple(_ask(what, own, joint_limit(alpha_each, len(own))) for what, own in by_question.items())


def _ask(what: str, gaps: Sequence[Gap], limit: float) -> Question:
    off = [gap for gap in gaps if gap.is_off(limit)]
    worst = max(off or gaps, key=lambda gap: abs(gap.simulated - gap.logged) / max(gap.stderr, 1e-12))
    return Question(what, len(gaps), len(off), worst, limit)
