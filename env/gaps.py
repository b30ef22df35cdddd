"""What a fitted market says against what was logged, one number at a time, and which of them do not do.

A gap counts when it exceeds both its band and what is immaterial. All bands of one report hold together with
probability 1 - alpha (Bonferroni over every comparison made).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Gap:
    what: str  # "churn rate by period"
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


def gap_reasons(gaps: Sequence[Gap], limit: float) -> list[str]:
    """One sentence for everything that is off somewhere, with its worst place."""
    return [_reason([g for g in gaps if g.what == what], limit) for what in _off(gaps, limit)]


def _off(gaps: Sequence[Gap], limit: float) -> list[str]:
    return list(dict.fromkeys(g.what for g in gaps if g.is_off(limit)))


def _reason(gaps: Sequence[Gap], limit: float) -> str:
    off = [g for g in gaps if g.is_off(limit)]
    worst = max(off, key=lambda g: abs(g.simulated - g.logged) / max(g.stderr, 1e-12))
    return (
        f"{worst.what} is off in {len(off)} of {len(gaps)} groups, at worst in {worst.where}: "
        f"{worst.simulated:.3g} simulated, {worst.logged:.3g} logged"
    )
