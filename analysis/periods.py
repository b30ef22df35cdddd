"""Calendar periods: where a history is cut, and how long a period its customers' rhythm asks for."""

from dataclasses import dataclass

import numpy as np

from config.purchases import PeriodLength
from domain.arrays import BoolArray, FloatArray, IntArray, TimeArray
from domain.errors import UsageError

DAYS = {PeriodLength.DAY: 1, PeriodLength.WEEK: 7, PeriodLength.FOUR_WEEKS: 28}
MONTHS = {PeriodLength.MONTH: 1, PeriodLength.QUARTER: 3}
TYPICAL_DAYS = DAYS | {PeriodLength.MONTH: 30, PeriodLength.QUARTER: 91}
MIN_PERIODS = 6  # in the history that a market is fitted on


@dataclass(frozen=True)
class Calendar:
    """Periods one after the other; a period holds its first edge and not its last.

    >>> months = calendar_of(PeriodLength.MONTH, np.datetime64("2025-01-15"), np.datetime64("2025-03-02"))
    >>> months.edges.astype(str).tolist()
    ['2025-01-01', '2025-02-01', '2025-03-01', '2025-04-01']
    >>> months.period_of(np.array(["2025-02-28"], dtype="datetime64[D]"))
    array([1])
    """

    length: PeriodLength
    edges: TimeArray  # (n_periods + 1,) days

    def __len__(self) -> int:
        return len(self.edges) - 1

    def period_of(self, day: TimeArray) -> IntArray:
        """(n,) indices; -1 before the first period, `len(self)` and above after the last."""
        return np.asarray(np.searchsorted(self.edges, day, side="right") - 1, dtype=np.int64)

    def cut(self, until: np.datetime64) -> int:
        """How many periods end with the day `until`.

        Raises:
            UsageError: a period would be cut in two.
        """
        place = np.flatnonzero(self.edges == until + np.timedelta64(1, "D"))
        if len(place):
            return int(place[0])
        within = self.edges[int(np.clip(self.period_of(np.array([until]))[0], 0, len(self) - 1))]
        raise UsageError(
            f"{until} is no last day of a {self.length.replace('_', ' ')}; the one it falls into begins on {within}",
            "name the last day of a period, or choose another with --period",
        )

    @property
    def months_of_year(self) -> list[frozenset[int]]:
        """The months 1..12 that each period touches."""
        return [
            frozenset(
                int(m) % 12 + 1 for m in np.arange(start.astype("M8[M]"), (end - 1).astype("M8[M]") + 1).astype(int)
            )
            for start, end in zip(self.edges[:-1], self.edges[1:], strict=True)
        ]


def calendar_of(
    length: PeriodLength, first: np.datetime64, last: np.datetime64, anchor: np.datetime64 | None = None
) -> Calendar:
    """Periods that hold the days from `first` to `last`.

    Args:
        length: of a period.
        first: a day of the first period.
        last: a day of the last period.
        anchor: a day with which a period begins, where periods are counted in days; None = `first`.
    """
    if length in MONTHS:
        step = MONTHS[length]
        start = first.astype("M8[M]").astype(np.int64) // step * step
        stop = last.astype("M8[M]").astype(np.int64) + 1
        edges = np.arange(start, stop + step, step).astype("M8[M]").astype("M8[D]")
        return Calendar(length, edges[: int(np.searchsorted(edges, last, side="right")) + 1])
    days = DAYS[length]
    begin = first if anchor is None else first - np.timedelta64((first - anchor).astype(int) % days, "D")
    n_periods = (last - begin).astype(int) // days + 1
    return Calendar(length, begin + np.arange(n_periods + 1) * np.timedelta64(days, "D"))


def suggested_length(unit: IntArray, day: TimeArray) -> PeriodLength:
    """The longest period no longer than the gap between purchases of the median customer who came back.

    Shorter ones leave most rows empty, longer ones hide who stops; a history of fewer than MIN_PERIODS such periods is
    cut shorter.
    """
    gaps = _mean_gaps(unit, day)
    rhythm = float(np.median(gaps)) if len(gaps) else 0.0
    span = int((day.max() - day.min()).astype(int)) + 1
    fitting = [p for p, days in TYPICAL_DAYS.items() if days <= rhythm and span // days >= MIN_PERIODS]
    return max(fitting, key=TYPICAL_DAYS.__getitem__, default=PeriodLength.DAY)


def n_complete(calendar: Calendar, day: TimeArray) -> int:
    """Periods that the history covers to their end.

    The last one is over when the silence from the last purchase to its end is no longer than one between two purchases
    before.
    """
    seen = np.unique(day)
    longest = int(np.diff(seen).max().astype(int)) if len(seen) > 1 else 1
    silence = int((calendar.edges[-1] - seen[-1]).astype(int))
    return len(calendar) if silence <= longest else len(calendar) - 1


def _mean_gaps(unit: IntArray, day: TimeArray) -> FloatArray:
    """(n,) days between purchase days of each customer with several."""
    pairs = np.unique(np.column_stack([unit, day.astype("M8[D]").astype(np.int64)]), axis=0)
    _, first, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    last = first + counts - 1
    several: BoolArray = counts > 1
    spans = (pairs[last, 1] - pairs[first, 1])[several]
    return np.asarray(spans / (counts[several] - 1), dtype=np.float64)
