"""How often the data are looked at, chosen before the first look: it sets how far an interval must reach.

once       one look; the interval is the ordinary one
scheduled  look k of K that were planned, evenly spaced or at stated fractions: evaluation/spending.py
anytime    whenever one likes, and logs of a policy that adapts: evaluation/confidence_sequence.py

Each turns the false-promotion rate of all its looks into the tail that one interval of this look may leave on either
side. The interval is then the ordinary one of that smaller tail: the repeated interval (Jennison and Turnbull 1989,
JRSS B 51(3)), wrong at either end no more often than the rate, over all looks together.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from scipy.special import ndtr, ndtri

from domain.errors import UsageError
from domain.estimates import LookTaken
from domain.log import LoggedDecisions
from evaluation.confidence_sequence import TIGHTEST_AT, critical_value
from evaluation.spending import HIGHEST, boundaries, spent

MAX_PLANNED = 400  # looks; daily for a year
SMALLEST_TAIL = float(ndtr(-HIGHEST))


@dataclass(frozen=True)
class Once:
    """One look at a log that was collected for it."""

    kind = "once"


@dataclass(frozen=True)
class Scheduled:
    """Look number `look` of `planned`.

    >>> Scheduled(7, 28).fraction
    0.25
    """

    look: int
    planned: int
    fractions: tuple[float, ...] = ()  # of the final rows, at looks 1 to `look`; empty: evenly spaced

    kind = "scheduled"

    def __post_init__(self) -> None:
        if not 1 <= self.look <= self.planned:
            raise UsageError(
                f"look {self.look} of {self.planned} planned; expected 1 to {self.planned}",
                "looks beyond the plan have no error left to spend: plan more, or look at any time (anytime)",
            )
        if self.planned > MAX_PLANNED:
            raise UsageError(
                f"{self.planned} looks are planned; at most {MAX_PLANNED} can be", "look at any time instead (anytime)"
            )
        if self.fractions and not _is_rising(self.fractions, self.look):
            raise UsageError(
                f"fractions {self.fractions} at look {self.look}; expected {self.look}, rising, above 0 and at most 1",
                "give the share of the planned rows that each look so far had, this one last",
            )

    @property
    def fraction(self) -> float:
        return self.so_far[-1]

    @property
    def so_far(self) -> tuple[float, ...]:
        return self.fractions or tuple(k / self.planned for k in range(1, self.look + 1))


@dataclass(frozen=True)
class Anytime:
    """Looks whenever one likes. Intervals are tightest at so many rounds, which no look may change."""

    tightest_at: float = TIGHTEST_AT

    kind = "anytime"

    def __post_init__(self) -> None:
        if self.tightest_at <= 0:
            raise UsageError(
                f"tightest_at is {self.tightest_at}", "give the number of rounds at which the interval is tightest"
            )


Looks = Once | Scheduled | Anytime


def parse_looks(text: str) -> Looks:
    """`once`, `anytime`, or `K/N`: look K of N planned.

    Raises:
        UsageError: anything else.
    """
    if text in ("once", "anytime"):
        return Once() if text == "once" else Anytime()
    look, slash, planned = text.partition("/")
    if slash and look.isdecimal() and planned.isdecimal():
        return Scheduled(int(look), int(planned))
    raise UsageError(f"{text!r} is no look", "say K/N, such as 7/28: the 7th look of 28 planned; or anytime, or once")


def tail(looks: Looks, rate: float, n: int) -> float:
    """The error that each end of this look's interval may have, when all looks together may have `rate`.

    Args:
        looks: the choice.
        rate: one-sided, over all looks.
        n: rounds so far.
    """
    match looks:
        case Scheduled():
            bound = boundaries(rate, looks.so_far)[-1]
        case Anytime():
            bound = float(critical_value(n / looks.tightest_at, rate))
        case Once():
            return rate
    return max(float(ndtr(-bound)), SMALLEST_TAIL)


def account(looks: Looks, rate: float, one_tail: float) -> LookTaken:
    """The choice as it is reported."""
    found = LookTaken(looks.kind, rate, boundary=float(-ndtri(one_tail)), confidence=1 - 2 * one_tail)
    if isinstance(looks, Scheduled):
        return replace(found, look=looks.look, planned=looks.planned, spent=spent(rate, looks.fraction))
    return found


def describe_looks(taken: LookTaken, log: LoggedDecisions) -> tuple[str, ...]:
    """How the interval is to be read, where it is not that of one look."""
    if taken.kind == "once":
        return ()
    rate = f"{taken.false_promotion_rate:.3g}"
    if taken.kind == "scheduled":
        when = f"over all {taken.planned} planned looks together"
        start = f"look {taken.look} of {taken.planned} planned; {taken.spent or 0:.2g} of an error of {rate} is spent"
    else:
        when, start = "however often one looks", "looked at any time, reward models fitted on earlier rounds only"
        start += "" if log.decided_at is not None else " (no decided_at: rows are taken in their order)"
    return (
        (
            f"{start}: the interval of the difference reaches {taken.boundary:.2f} standard errors, and either end is "
            f"wrong with probability {rate} at most, {when}; intervals of single policies are for one look"
        ),
    )


def _is_rising(fractions: tuple[float, ...], look: int) -> bool:
    bounded = (0.0, *fractions)
    return len(fractions) == look and fractions[-1] <= 1 and all(a < b for a, b in pairwise(bounded))
