"""The market process: what moves alike for all customers of a calendar period, replayed in blocks of the calendar.

Two kinds of series are shared. Context columns that are equal for everyone who decides at the same time (a season, a
trend, a competitor's price); and, in a market with a hurdle, shocks: by how much the log-odds of a purchase and the
(log) spend of a period lie above what everyone's context foretells, kept where periods differ by more than chance.

Each member of the ensemble carries one path of these series, put together from moving blocks of the logged calendar
(Kuensch 1989, Annals of Statistics 17(3)), so that neighbors in time stay neighbors; customers of a member at the same
time on the path see the same values. A path can also be given: the realised one, or a scenario.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from scipy.stats import chi2

from domain.arrays import BoolArray, FloatArray, IntArray, TimeArray
from domain.log import LoggedDecisions

N_SHOCKS = 2  # of purchase log-odds and of spend, the last two series
UNKNOWN = -1.0  # time on the path of a customer whose calendar is not known: an average period
MIN_SHARED = 0.5  # of the rounds decided at a time together with others', so that being equal means something
SIGNIFICANT = 0.001  # chance of keeping shocks where periods differ by chance only
STEPS = 30  # of Newton's method


@dataclass(frozen=True)
class MarketProcess:
    """The shared series of a fitted market; the time on a path is the last place of the raw state."""

    columns: tuple[str, ...]  # shared context columns
    places: tuple[int, ...]  # theirs among the layout's columns
    decided_at: TimeArray  # (n_periods,) of the log
    history: FloatArray  # (n_members, n_periods, n_columns + N_SHOCKS) as logged
    paths: FloatArray  # (n_members, n_times, n_columns + N_SHOCKS)

    @property
    def n_times(self) -> int:
        return int(self.paths.shape[1])

    def start(self, n: int, rng: np.random.Generator) -> FloatArray:
        """(n,) times at which episodes begin."""
        return rng.integers(self.n_times, size=n).astype(np.float64)

    def following(self, time: FloatArray, rng: np.random.Generator) -> FloatArray:
        """(n,) the times after these; after the last comes the first."""
        unknown = time == UNKNOWN
        after = (time + 1) % self.n_times
        if unknown.any():
            after[unknown] = self.start(int(unknown.sum()), rng)
        return after

    def values(self, member: IntArray, time: FloatArray) -> FloatArray:
        """(n, n_columns) of the shared context columns."""
        return self.paths[member, time.astype(np.int64), : len(self.columns)]

    def shocks(self, member: IntArray, time: FloatArray) -> FloatArray:
        """(n, N_SHOCKS); zero where the time is unknown."""
        found = self.paths[member, time.astype(np.int64), len(self.columns) :]
        return np.where((time == UNKNOWN)[:, None], 0.0, found)

    def resampled(self, n_times: int, block: int, rng: np.random.Generator) -> "MarketProcess":
        """Another draw of every member's path."""
        paths = np.stack([resample(of_member, n_times, block, rng) for of_member in self.history])
        return replace(self, paths=paths)

    def given(self, paths: FloatArray) -> "MarketProcess":
        """The paths (n_members, n_times, n_columns + N_SHOCKS) of a scenario, or what really happened."""
        return replace(self, paths=paths)


def resample(history: FloatArray, n_times: int, block: int, rng: np.random.Generator) -> FloatArray:
    """(n_times, n_series) moving blocks of `history` (n_periods, n_series), one behind the other."""
    block = min(block, len(history))
    starts = rng.integers(len(history) - block + 1, size=-(-n_times // block))
    rows = (starts[:, None] + np.arange(block)).ravel()[:n_times]
    return np.asarray(history[rows], dtype=np.float64)


def shared_columns(log: LoggedDecisions) -> frozenset[str]:
    """Names of numbers that are equal for all who decided at the same time, and not at all times."""
    if log.decided_at is None or log.panel is None:
        return frozenset()
    _, period, counts = np.unique(log.decided_at, return_inverse=True, return_counts=True)
    if counts[counts > 1].sum() < MIN_SHARED * len(log) or len(counts) < 2:
        return frozenset()
    order = np.argsort(period, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    numbers = {name: values for name, values in log.context.columns.items() if values.dtype != object}
    return frozenset(name for name, values in numbers.items() if _is_shared(values[order].astype(np.float64), starts))


def _is_shared(values: FloatArray, starts: IntArray) -> bool:
    """Of values (n_rounds,) in the order of their periods, which begin at `starts`."""
    filled = np.where(np.isnan(values), np.inf, values)
    low, high = np.minimum.reduceat(filled, starts), np.maximum.reduceat(filled, starts)
    return bool((low == high).all() and (low != low[0]).any())


def series_of(values: FloatArray, decided_at: TimeArray) -> FloatArray:
    """(n_periods, n_columns) of columns (n_rounds, n_columns) that are equal inside each period."""
    _, first = np.unique(decided_at, return_index=True)
    return values[first]


@dataclass(frozen=True)
class Foretold:
    """What one member expects of rounds in whose period the shocks are unknown."""

    purchase_rate: FloatArray  # (n_rounds,)
    spend: FloatArray  # (n_rounds,) of a purchase
    in_logs: bool  # a shock multiplies spend, else it adds


def shocks(foretold: Foretold, spend: FloatArray, period: IntArray, n_periods: int) -> tuple[FloatArray, FloatArray]:
    """What each period added: under these shocks it is expected to have the purchases, and the spend, that it had.

    Args:
        foretold: of the rounds.
        spend: (n_rounds,) zero without a purchase.
        period: (n_rounds,) 0 .. n_periods - 1.
        n_periods: a period without rounds has no shock.

    Returns:
        (n_periods, N_SHOCKS), and (N_SHOCKS,) chances of so much difference between periods that are alike.
    """

    def by_period(values: FloatArray, rows: BoolArray) -> FloatArray:
        return np.bincount(period[rows], weights=values[rows], minlength=n_periods).astype(np.float64)

    bought, rate = spend != 0, foretold.purchase_rate
    odds = _odds(rate, bought, period, n_periods)
    away, everyone = bought - rate, np.ones(len(rate), np.bool_)
    chance = _chance(by_period(away, everyone), by_period(rate * (1 - rate), everyone))
    total, expected, over = by_period(spend, bought), by_period(foretold.spend, bought), spend - foretold.spend
    seen = (np.bincount(period[bought], minlength=n_periods) > 0) & (np.minimum(total, expected) > 0)
    more = np.zeros(n_periods)
    if foretold.in_logs:
        more[seen] = np.log(total[seen] / expected[seen])
    else:
        more = by_period(over, bought) / np.maximum(np.bincount(period[bought], minlength=n_periods), 1)
    return np.column_stack([odds, more]), np.array(
        [chance, _chance(by_period(over, bought), by_period(over**2, bought))]
    )


def _odds(rate: FloatArray, bought: BoolArray, period: IntArray, n_periods: int) -> FloatArray:
    """(n_periods,) shift of the log-odds that makes expected purchases equal to observed ones, by Newton's method."""
    logit = np.log(rate) - np.log1p(-rate)
    observed, odds = np.bincount(period, weights=bought, minlength=n_periods), np.zeros(n_periods)
    for _ in range(STEPS):
        shifted = expit(logit + odds[period])
        missing = observed - np.bincount(period, weights=shifted, minlength=n_periods)
        slope = np.bincount(period, weights=shifted * (1 - shifted), minlength=n_periods)
        odds += np.clip(missing / np.maximum(slope, 1e-9), -1.0, 1.0) * (slope > 1e-9)
    return odds


def _chance(excess: FloatArray, variance: FloatArray) -> float:
    """Of so large differences between periods that are alike, from sums of departures and their variances."""
    seen = variance > 0
    squares = float((excess[seen] ** 2 / variance[seen]).sum())
    return float(chi2.sf(squares, max(int(seen.sum()) - 1, 1)))
