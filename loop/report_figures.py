"""Where marks stand in the report's pictures, in per cent of their width: the pages draw them as SVG without a script.

Text stays text beside the picture, so that it wraps on a phone, can be read aloud, and is escaped like any other.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from domain.arrays import FloatArray
from loop.report_words import amount, share, short_exponent

EDGE = 3.0  # per cent left free on either side
N_TICKS = 4
N_BINS = 30
MAX_STRETCH = 4.0  # what is not trusted may widen a scale to this many times the span of what is


@dataclass(frozen=True)
class Tick:
    at: float  # per cent
    label: str


@dataclass(frozen=True)
class Mark:
    """A value with its interval on a scale; what lies outside is cut, and said to be."""

    low: float  # per cent
    value: float | None  # None: outside
    high: float
    is_low_cut: bool
    is_high_cut: bool


@dataclass(frozen=True)
class Scale:
    """Numbers to per cent of a picture's width."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    reference: float | None  # per cent

    def mark(self, low: float, value: float, high: float) -> Mark:
        shown = self._at(value) if self.low <= value <= self.high else None
        return Mark(self._at(low), shown, self._at(high), low < self.low, high > self.high)

    def _at(self, value: float) -> float:
        return _per_cent(value, self.low, self.high)


def scale_of(
    intervals: Iterable[tuple[float, float]], others: Iterable[tuple[float, float]] = (), reference: float | None = None
) -> Scale:
    """A scale that shows all intervals, and `others` as far as they do not dwarf them."""
    wanted = [bound for pair in intervals for bound in pair]
    rest = [bound for pair in others for bound in pair]
    wanted, rest = wanted or rest, rest if wanted else []
    wanted = (wanted or [0.0, 1.0]) + ([] if reference is None else [reference])
    low, high = min(wanted), max(wanted)
    room = (MAX_STRETCH - 1) / 2 * (high - low)
    low, high = min([low, *(max(b, low - room) for b in rest)]), max([high, *(min(b, high + room) for b in rest)])
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        pad = abs(low) / 10 or 1.0
        low, high = low - pad, high + pad
    ticks = [t for t in _round_numbers(low, high) if low <= t <= high]
    placed = None if reference is None else _per_cent(reference, low, high)
    return Scale(low, high, tuple(Tick(_per_cent(t, low, high), _tick_label(t, ticks)) for t in ticks), placed)


@dataclass(frozen=True)
class Column:
    x: float  # per cent
    width: float
    height: float  # per cent


@dataclass(frozen=True)
class Histogram:
    """How often which importance weight occurs, on a logarithmic scale."""

    columns: tuple[Column, ...]  # none where there is but one weight, which takes no picture
    ticks: tuple[Tick, ...]
    zero_share: float  # of the units of observation
    most: int  # units of observation in the highest column
    caption: str  # the picture in words


def histogram_of(weights: FloatArray) -> Histogram:
    """Weights (n,) >= 0."""
    positive = weights[weights > 0]
    zero_share = float((weights == 0).mean())
    if not len(positive):
        return Histogram((), (), zero_share, 0, "every weight is 0")
    low, high = float(positive.min()), float(positive.max())
    unused = f"{share(zero_share)} have weight 0; the others weigh" if zero_share else "all weigh"
    if high <= low * (1 + 1e-9):
        return Histogram((), (), zero_share, 0, f"{unused} {amount(low)}")
    caption = f"{unused} {amount(low)} to {amount(high)}, half of them at most {amount(float(np.median(positive)))}"
    bounds = math.log10(low) - 0.05, math.log10(high) + 0.05
    counts, edges = np.histogram(np.log10(positive), bins=N_BINS, range=bounds)
    width = (100 - 2 * EDGE) / N_BINS
    columns = [
        Column(_per_cent(edge, *bounds), width, 100 * n / int(counts.max()))
        for edge, n in zip(edges[:-1].tolist(), counts.tolist(), strict=True)
        if n
    ]
    return Histogram(tuple(columns), _log_ticks(*bounds), zero_share, int(counts.max()), caption)


def _log_ticks(low: float, high: float) -> tuple[Tick, ...]:
    """Powers of ten where there are several, else round numbers."""
    powers = [float(p) for p in range(math.ceil(low), math.floor(high) + 1)]
    if len(powers) >= 2:
        step = math.ceil(len(powers) / N_TICKS)
        return tuple(Tick(_per_cent(p, low, high), amount(10**p)) for p in powers[::step])
    values = _round_numbers(10**low, 10**high)
    inside = [v for v in values if v > 0 and low <= math.log10(v) <= high]
    inside = inside or [10 ** ((low + high) / 2)]
    return tuple(Tick(_per_cent(math.log10(v), low, high), amount(v)) for v in inside)


def _round_numbers(low: float, high: float) -> list[float]:
    return [float(t) for t in MaxNLocator(N_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)]


def _per_cent(value: float, low: float, high: float) -> float:
    """Inside the edges, to a hundredth: enough for a screen, and the same bytes everywhere."""
    part = min(max((value - low) / (high - low), 0.0), 1.0)
    return round(EDGE + (100 - 2 * EDGE) * part, 2)


def _tick_label(tick: float, ticks: Sequence[float]) -> str:
    """With the digits that tell the ticks apart."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(tick) or 1.0
    digits = max(0, -math.floor(math.log10(step)))
    largest = max(abs(t) for t in ticks)
    if largest >= 1e9 or digits > 6:
        places = max(0, math.ceil(math.log10(largest / step))) if largest > 0 else 0
        text = short_exponent(f"{abs(tick):.{min(places, 15)}e}") if tick else "0"
    else:
        text = f"{abs(tick):,.{digits}f}"
    return f"−{text}" if tick < 0 and text.strip("0.,") else text
