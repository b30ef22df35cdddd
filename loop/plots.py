"""Pictures of answers, written beside the run: forest of intervals, overlap of propensities, learning curves."""

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from domain.arrays import FloatArray

MAX_LABEL = 42  # characters a line; longer ones would leave no room for the picture

INK, QUIET, GOOD, DOUBT = "#1f2933", "#9aa5b1", "#0b6e4f", "#b44d12"


@dataclass(frozen=True)
class Bar:
    """One line of a forest plot; without an interval it is drawn as a hollow mark."""

    label: str
    value: float
    low: float
    high: float
    is_trusted: bool = True


def forest_plot(bars: Sequence[Bar], path: Path, *, title: str, x_label: str, reference: float | None = None) -> None:
    """Values with their intervals, one a line, the first on top."""
    figure, axes = _figure(height=1.3 + 0.36 * len(bars))
    for line, bar in enumerate(reversed(bars)):
        color = INK if bar.is_trusted else DOUBT
        axes.plot([bar.low, bar.high], [line, line], color=color, linewidth=2, solid_capstyle="round")
        axes.plot(bar.value, line, "o", color=color, markerfacecolor=color if bar.is_trusted else "white")
    labels = [_lines(bar.label) + ("" if bar.is_trusted else "\n(not trusted)") for bar in reversed(bars)]
    axes.set_yticks(range(len(bars)), labels, parse_math=False)
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if max(abs(bar.value) for bar in bars) >= 1000:
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if reference is not None:
        axes.axvline(reference, color=QUIET, linestyle="--", linewidth=1)
    _save(figure, axes, path, title, x_label)


def overlap_plot(weights: FloatArray, path: Path, *, title: str) -> None:
    """How often which importance weight occurs; a long right tail means that few rounds carry the estimate.

    Args:
        weights: (n_rounds,) importance weights, >= 0.
        path: the PNG to write.
        title: what is shown.
    """
    figure, axes = _figure(height=3.2)
    positive = weights[weights > 0]
    if len(positive):
        edges = np.geomspace(positive.min() * 0.99, positive.max() * 1.01, 41)
        axes.hist(positive, bins=edges.tolist(), color=INK)
        axes.set_xscale("log")
    axes.set_ylabel("rounds")
    unused = float((weights == 0).mean())
    _save(figure, axes, path, title, f"importance weight ({unused:.0%} of rounds have weight 0)")


def curve_plot(
    x: Sequence[float],
    y: Sequence[float],
    path: Path,
    *,
    title: str,
    x_label: str,
    y_label: str,
    levels: dict[str, float],
) -> None:
    """One curve over horizontal reference levels."""
    figure, axes = _figure(height=3.6)
    axes.plot(x, y, color=GOOD, linewidth=2)
    for name, level in levels.items():
        axes.axhline(level, color=QUIET, linestyle="--", linewidth=1)
        axes.annotate(
            name,
            (1.0, level),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color=QUIET,
            parse_math=False,
        )
    axes.set_ylabel(y_label, parse_math=False)
    _save(figure, axes, path, title, x_label)


def forecast_plot(
    history: FloatArray, values: FloatArray, low: FloatArray, high: FloatArray, path: Path, *, y_label: str
) -> None:
    """A history (n_days,) and what is expected to follow (horizon,), with its interval."""
    figure, axes = _figure(height=3.4)
    axes.plot(np.arange(len(history)), history, color=INK, linewidth=1)
    ahead = len(history) + np.arange(len(values))
    axes.plot(ahead, values, color=GOOD, linewidth=2)
    axes.fill_between(ahead, low, high, color=GOOD, alpha=0.2, linewidth=0)
    axes.set_ylabel(y_label, parse_math=False)
    _save(figure, axes, path, "history and forecast", "days since the log began")


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, height), dpi=110, layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Figure, axes: Axes, path: Path, title: str, x_label: str) -> None:
    title = textwrap.shorten(title, 2 * MAX_LABEL, placeholder=" …")
    axes.set_title(title, loc="left", fontsize=11, color=INK, parse_math=False)
    axes.set_xlabel(x_label, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """A PNG."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box in its place is warning enough
        figure.savefig(path)


def short_label(text: str, limit: int = MAX_LABEL) -> str:
    """On one line, at most `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def _lines(text: str) -> str:
    """At most two lines of a label."""
    return "\n".join(textwrap.wrap(text, MAX_LABEL, max_lines=2, placeholder=" …"))
