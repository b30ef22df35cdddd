"""What a market foretold of customers with a purchase history, over what came, period by period."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from domain.arrays import TimeArray
from env.purchase_fidelity import Foreseen, PurchaseFidelity
from loop.plots import GOOD, INK, save_figure


def draw_purchases(fidelity: PurchaseFidelity, edges: TimeArray, path: Path) -> None:
    """A PNG: who buys in each period, and who has bought up to it; `edges` (n_periods + 1,) days."""
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    starts = edges[:-1].astype(str).tolist()
    for axes, curve, title in zip(
        figure.subplots(1, 2),
        (fidelity.by_period, fidelity.reached),
        ("share who buy in the period", "share who have bought since the cut"),
        strict=True,
    ):
        _draw(axes, curve, starts)
        axes.set_title(title, loc="left", fontsize=11, color=INK)
    save_figure(figure, path)


def _draw(axes: Axes, curve: Sequence[Foreseen], starts: Sequence[str]) -> None:
    x = range(len(curve))
    axes.fill_between(x, [f.low for f in curve], [f.high for f in curve], color=GOOD, alpha=0.2, linewidth=0)
    axes.plot(x, [f.predicted for f in curve], color=GOOD, linewidth=2, marker="o", markersize=3, label="foretold")
    axes.plot(x, [f.observed for f in curve], color=INK, linewidth=1, marker="o", markersize=3, label="came")
    step = max(1, len(starts) // 4)
    axes.set_xticks(list(x)[::step], list(starts)[::step], fontsize=8)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
