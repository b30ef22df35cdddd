"""Business rules that the log follows to the letter: coded, not learned.

A column that no round contradicts is moved by its rule and leaves the regressions:

    rule      next value
    Counter   now + step, perhaps up to a limit              (tenure in periods, credits running out)
    Cycle     the successor of now, which wraps              (month of the year, days to the next invoice)
    Count     now + step after a purchase, else now          (purchases so far)
    Since     a fixed value after a purchase, else now + step (periods since the last purchase)
    Total     now + spend                                    (spent so far)
    Mean      the mean spend of a Count's purchases          (average basket)
    Held      now; the market process writes what follows    (season, competitor's price)

A purchase is a reward above the hurdle's atom (env/hurdle.py). One round that differs, by more than rounding, and the
column is learned as any other. So is what too few rounds tell: with MIN_ROUNDS without exception, exceptions are with
95 % confidence rarer than one in ten.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from domain.arrays import BoolArray, FloatArray

MIN_ROUNDS = 30  # in which a rule moves the column, of each kind of move that it knows
MIN_LEVEL_ROUNDS = 5  # of each level of a cycle
EXACT = 1e-9  # largest departure, relative to values above one
MAX_CYCLE = 400  # levels


@dataclass(frozen=True)
class Period:
    """What rules look at: what happened in a period, and where the customers stood before."""

    bought: BoolArray  # (n,)
    spend: FloatArray  # (n,) zero where nothing was bought
    before: Callable[[str], FloatArray]  # (n,) a column by its name


class Rule(Protocol):
    def follow(self, now: FloatArray, period: Period, /) -> FloatArray:
        """(n,) next values of the column; missing stays missing unless the rule sets it."""
        ...


@dataclass(frozen=True)
class Counter:
    step: float
    low: float = -np.inf
    high: float = np.inf

    def follow(self, now: FloatArray, _period: Period, /) -> FloatArray:
        return np.clip(now + self.step, self.low, self.high)


@dataclass(frozen=True)
class Cycle:
    levels: tuple[float, ...]  # ascending
    successors: tuple[float, ...]

    def follow(self, now: FloatArray, _period: Period, /) -> FloatArray:
        levels = np.array(self.levels)
        place = np.searchsorted((levels[1:] + levels[:-1]) / 2, now)
        return np.asarray(np.where(np.isnan(now), np.nan, np.array(self.successors)[place]), dtype=np.float64)


@dataclass(frozen=True)
class Count:
    step: float
    high: float = np.inf

    def follow(self, now: FloatArray, period: Period) -> FloatArray:
        return np.where(period.bought, np.minimum(now + self.step, self.high), now)


@dataclass(frozen=True)
class Since:
    step: float
    reset: float
    high: float = np.inf

    def follow(self, now: FloatArray, period: Period) -> FloatArray:
        return np.where(period.bought, self.reset, np.minimum(now + self.step, self.high))


@dataclass(frozen=True)
class Total:
    def follow(self, now: FloatArray, period: Period) -> FloatArray:
        return now + period.spend


@dataclass(frozen=True)
class Mean:
    """Of `count`'s purchases and `more` that it does not count, such as the first."""

    count: str
    more: int

    def follow(self, now: FloatArray, period: Period) -> FloatArray:
        n = period.before(self.count) + self.more
        held = np.where(n > 0, now * n, 0.0)  # a mean of nothing may be missing or anything
        return np.where(period.bought, (held + period.spend) / (n + 1), now)


@dataclass(frozen=True)
class Held:
    """Of a column that all customers share: `env.process` reads its next value from the path."""

    def follow(self, now: FloatArray, _period: Period, /) -> FloatArray:
        return now


def recognise(columns: Mapping[str, tuple[FloatArray, FloatArray]], period: Period | None) -> dict[str, Rule]:
    """The rule of each column that follows one.

    Args:
        columns: by name, values (n,) before and after each round of customers who stayed.
        period: what happened in these rounds; None where rewards do not tell purchases.
    """
    found: dict[str, Rule] = {}
    for name, (now, after) in columns.items():
        rule = _first(_candidates(now, after, period), now, after, period)
        if rule is not None:
            found[name] = rule
    if period is None:
        return found
    counts = [name for name, rule in found.items() if isinstance(rule, Count)]
    for name, (now, after) in columns.items():
        means = (Mean(count, more) for count in counts for more in (0, 1))
        rule = None if name in found else _first(means, now, after, period)
        if rule is not None:
            found[name] = rule
    return found


def _first(
    candidates: Iterator[Rule] | Iterator[Mean], now: FloatArray, after: FloatArray, period: Period | None
) -> Rule | None:
    none = Period(np.zeros(len(now), np.bool_), np.zeros(len(now)), lambda _: now)
    happened = none if period is None else period
    for rule in candidates:
        following = rule.follow(now, happened)
        exact = np.isclose(following, after, rtol=EXACT, atol=EXACT, equal_nan=True)
        if exact.all() and _is_evident(rule, now, following, happened):
            return rule
    return None


def _is_evident(rule: Rule, now: FloatArray, following: FloatArray, period: Period) -> bool:
    """Did the rule move the column often enough, in every way that it knows?"""
    moves = (following != now) & np.isfinite(following)
    if isinstance(rule, Counter | Cycle):
        return int(moves.sum()) >= MIN_ROUNDS
    if int((moves & period.bought).sum()) < MIN_ROUNDS:
        return False
    rests = moves if isinstance(rule, Since) else np.isfinite(following)
    return int((rests & ~period.bought).sum()) >= MIN_ROUNDS


def _candidates(now: FloatArray, after: FloatArray, period: Period | None) -> Iterator[Rule]:
    known = np.isfinite(now) & np.isfinite(after)
    if not known.any():
        return
    change, high, low = after - now, float(after[known].max()), float(after[known].min())
    step = _usual(change[known & (change != 0)])
    yield Counter(step)
    yield Counter(step, high=high) if step > 0 else Counter(step, low=low)
    cycle = _cycle(now, after)
    if cycle is not None:
        yield cycle
    if period is None:
        return
    step = _usual(change[known & period.bought])
    yield Count(step)
    yield Count(step, high=high)
    rest = _usual(change[known & ~period.bought & (change != 0)])
    reset = _usual(after[period.bought & np.isfinite(after)])
    yield Since(rest, reset)
    yield Since(rest, reset, high=high)
    yield Total()


def _usual(values: FloatArray) -> float:
    """The most frequent value up to rounding; zero of nothing."""
    if not len(values):
        return 0.0
    _, first, counts = np.unique(np.round(values, 9), return_index=True, return_counts=True)
    return float(values[first[counts.argmax()]])


def _cycle(now: FloatArray, after: FloatArray) -> Cycle | None:
    """The successor of each level, where every level has one and each succeeds exactly one."""
    levels, first, counts = np.unique(now, return_index=True, return_counts=True)
    if not 2 <= len(levels) <= MAX_CYCLE or not np.isfinite(levels).all() or counts.min() < MIN_LEVEL_ROUNDS:
        return None
    successors = after[first]
    if not np.array_equal(np.sort(successors), levels):
        return None
    return Cycle(tuple(levels.tolist()), tuple(successors.tolist()))
