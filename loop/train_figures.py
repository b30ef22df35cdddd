"""Pictures of a training: what was found on rows not seen, and the learning curve over what it must rise above."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.judgement import Judgement
from loop.plots import GOOD, INK, QUIET, Bar, forest_plot, save_panels
from loop.training_watch import LEARNED_FROM, LearningCurve

HEIGHTS = (2.2, 1.0)  # of the two panels
LABEL_GAP = 0.11  # of the upper panel's height, between two labels of levels


def draw_values(judgement: Judgement, path: Path, *, reward_name: str) -> None:
    """What is delivered and the best constant, with their intervals; nothing where no number is trusted."""
    best = judgement.best_constant
    found = [
        ("delivered, on rows not seen", judgement.heldout.value, judgement.heldout.low, judgement.heldout.high),
        (f"best constant ({best.policy})", best.value, best.low, best.high),
    ]
    bars = [
        Bar(label, value, low, high)
        for label, value, low, high in found
        if value is not None and low is not None and high is not None
    ]
    if bars:
        forest_plot(bars, path, title=f"train: {judgement.verdict.value}", x_label=reward_name)


def draw_last(curves: Mapping[str, LearningCurve], path: Path, *, reward_name: str, is_finished: bool = True) -> None:
    """The curve of the last stage that was learned, if any."""
    for curve in list(curves.values())[-1:]:
        draw_curve(curve, path, reward_name=reward_name, is_finished=is_finished)


def draw_curve(curve: LearningCurve, path: Path, *, reward_name: str, is_finished: bool = True) -> None:
    """The worth of the policy as it would be delivered, above; what exploring customers bring, or the score, below."""
    if not curve.points:
        return
    figure = Figure(figsize=(8, 5.4), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=HEIGHTS)
    periods = [point.period for point in curve.points]
    _line(upper, periods, [point.value for point in curve.points])
    worth = curve.worth
    _draw_levels(upper, curve.levels, LABEL_GAP, {} if worth is None else {"learned": worth})
    upper.set_ylabel(f"{reward_name} of a new customer,\ndiscounted, in the fitted market", parse_math=False)
    _draw_lower(lower, curve, periods, reward_name)
    lower.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    lower.set_xlim(0, curve.points[-1].periods)
    state = "" if is_finished else " (unfinished)"
    title = f"learning in the market fitted to {LEARNED_FROM[curve.stage]}{state}"
    save_panels(figure, upper, lower, path, title=title, x_label="periods played by each simulated customer")


def _draw_lower(axes: Axes, curve: LearningCurve, periods: Sequence[int], reward_name: str) -> None:
    scores = [point.score for point in curve.points]
    if None in scores:
        _line(axes, periods, [point.mean_reward for point in curve.points])
        axes.set_ylabel(f"{reward_name} a period,\nexploring", parse_math=False)
        return
    _line(axes, periods, scores)
    _draw_levels(axes, {"optimum": 1.0, "at random": 0.0}, LABEL_GAP * HEIGHTS[0] / HEIGHTS[1])
    axes.set_ylabel("true score")


def _line(axes: Axes, x: Sequence[int], y: Sequence[float | None]) -> None:
    known = [(at, value) for at, value in zip(x, y, strict=True) if value is not None]
    axes.plot(
        [at for at, _ in known], [value for _, value in known], color=GOOD, linewidth=2, marker="o", markersize=3.5
    )


def _draw_levels(
    axes: Axes, levels: Mapping[str, float], gap: float, ends: Mapping[str, float] = MappingProxyType({})
) -> None:
    """Horizontal lines, named to the right like the `ends` of curves; names are pushed apart where they would meet."""
    for level in levels.values():
        axes.axhline(level, color=QUIET, linestyle="--", linewidth=1, zorder=0)
    axes.margins(y=0.08)
    axes.autoscale_view()
    low, high = axes.get_ylim()
    named = {**levels, **ends}
    names = sorted(named, key=named.__getitem__)
    places = _apart([(named[name] - low) / (high - low) for name in names], gap)
    for name, place in zip(names, places, strict=True):
        axes.annotate(
            name.replace(": ", ":\n"),
            (1.0, place),
            (1.02, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=GOOD if name in ends else INK,
            parse_math=False,
            annotation_clip=False,
        )
    axes.set_ylim(low, high)


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """The nearest places in the same order with at least `gap` between neighbours.

    >>> _apart([0.5, 0.5], 0.1)
    [0.45, 0.55]
    """
    steps = gap * np.arange(len(places))
    blocks: list[list[float]] = []  # neighbours that must share the blame: isotonic regression, pooling violators
    for place in np.asarray(places) - steps:
        blocks.append([float(place)])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    pooled = [float(np.mean(block)) for block in blocks for _ in block]
    return [round(float(place), 9) for place in np.asarray(pooled) + steps]
