"""Pictures of a fidelity report: calibration, what happens from period to period, where customers stand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from env.calibration import CalibrationBin
from env.curves import Curve
from env.fidelity import FidelityReport
from env.fidelity_bins import ACTION, PREDICTION, SHIFTED
from env.state_shares import StateShares
from loop.plots import GOOD, INK, QUIET, save_figure, short_label

BAND = 1.96  # standard errors of the bands that are drawn
MAX_STATES = 12  # pictures of moving columns


@dataclass(frozen=True)
class MarketFigure:
    """One picture of the page."""

    file: str
    title: str
    caption: str


def draw_market(fidelity: FidelityReport, folder: Path) -> tuple[MarketFigure, ...]:
    """Writes what the report holds as PNGs."""
    figures = []
    if fidelity.calibrations:
        _draw_calibration(fidelity, folder / "calibration.png")
        words = "Held-out rounds in groups of similar predictions; on the dashed line the market is right."
        figures.append(MarketFigure("calibration.png", "Calibration", words))
        _draw_actions(fidelity, folder / "actions.png")
        words = (
            "By action: as the log chose, and as if every action had been as likely (hollow), which asks how the "
            "market foretells customers who are treated otherwise."
        )
        figures.append(MarketFigure("actions.png", "Action by action", words))
    if fidelity.survival is not None and fidelity.reward_curve is not None:
        _draw_curves(fidelity.survival, fidelity.reward_curve, folder / "periods.png")
        words = "The market plays on from where the held-out customers began, by the behavior that logged them."
        figures.append(MarketFigure("periods.png", "Period by period", words))
    if fidelity.states:
        _draw_states(fidelity.states[:MAX_STATES], folder / "states.png")
        words = "Share of those who are left in each state."
        figures.append(MarketFigure("states.png", "Where customers stand", words))
    return tuple(figures)


def _draw_calibration(fidelity: FidelityReport, path: Path) -> None:
    found = [c for c in fidelity.calibrations if c.by == PREDICTION]
    figure, axes = _panels(len(found), 3.6)
    for ax, calibration in zip(axes, found, strict=True):
        _points(ax, calibration.bins)
        ends = [b.predicted for b in calibration.bins]
        ax.plot([min(ends), max(ends)], [min(ends), max(ends)], color=QUIET, linestyle="--", linewidth=1)
        _label(ax, calibration.what, "market", "log")
    save_figure(figure, path)


def _points(ax: Axes, bins: tuple[CalibrationBin, ...]) -> None:
    x, y = [b.predicted for b in bins], [b.observed for b in bins]
    ax.errorbar(x, y, yerr=[BAND * b.stderr for b in bins], fmt="o", color=INK, ecolor=QUIET, markersize=4)


def _draw_actions(fidelity: FidelityReport, path: Path) -> None:
    kinds = list(dict.fromkeys(c.what for c in fidelity.calibrations))
    n_actions = max((len(c.bins) for c in fidelity.calibrations if c.by == ACTION), default=1)
    figure, axes = _panels(len(kinds), 1.2 + 0.4 * n_actions)
    for ax, what in zip(axes, kinds, strict=True):
        for by, shift, fill in ((ACTION, 0.14, INK), (SHIFTED, -0.14, "white")):
            found = fidelity.calibration(what, by)
            for line, b in enumerate(found.bins if found is not None else ()):
                gap, y = b.predicted - b.observed, line + shift
                ax.plot([gap - BAND * b.stderr, gap + BAND * b.stderr], [y, y], color=QUIET, linewidth=2)
                ax.plot(gap, y, "o", color=INK, markerfacecolor=fill, markersize=5)
        names = fidelity.calibration(what, ACTION)
        labels = [short_label(b.where) for b in (names.bins if names is not None else ())]
        ax.set_yticks(range(len(labels)), labels, parse_math=False)
        ax.axvline(0, color=QUIET, linestyle="--", linewidth=1)
        _label(ax, what, "market minus log", "")
    save_figure(figure, path)


def _draw_curves(survival: Curve, reward: Curve, path: Path) -> None:
    figure, axes = _panels(2, 3.4)
    for ax, curve, title in zip(axes, (survival, reward), ("share left", "reward a customer who began"), strict=True):
        period, logged, error = np.arange(1, len(curve.logged) + 1), np.array(curve.logged), np.array(curve.stderr)
        ax.fill_between(period, logged - BAND * error, logged + BAND * error, color=QUIET, alpha=0.35, linewidth=0)
        ax.plot(period, logged, color=INK, linewidth=1.5, label="log")
        ax.plot(period, curve.simulated, color=GOOD, linewidth=1.5, linestyle="--", label="market")
        ax.legend(frameon=False)
        _label(ax, title, "period", "")
    save_figure(figure, path)


def _draw_states(states: tuple[StateShares, ...], path: Path) -> None:
    n_columns = 3
    n_rows = -(-len(states) // n_columns)
    figure = Figure(figsize=(9, 2.1 * n_rows), dpi=110, layout="constrained")
    for place, shares in enumerate(states):
        ax = figure.add_subplot(n_rows, n_columns, place + 1)
        x, order = np.arange(len(shares.levels)), sorted(range(len(shares.levels)), key=lambda k: _size(shares, k))
        logged, simulated, band = (np.array(v)[order] for v in (shares.logged, shares.simulated, shares.stderr))
        ax.bar(x - 0.2, logged, 0.38, color=INK, yerr=BAND * band, ecolor=QUIET, label="log")
        ax.bar(x + 0.2, simulated, 0.38, color=GOOD, label="market")
        ax.set_xticks(x, [short_label(shares.levels[k], 12) for k in order], parse_math=False, fontsize=7)
        ax.tick_params(axis="y", labelsize=7)
        _label(ax, f"{short_label(shares.column, 24)}, after {shares.n_periods}", "", "", size=9)
        if not place:
            ax.legend(frameon=False, fontsize=7)
    save_figure(figure, path)


def _size(shares: StateShares, place: int) -> float:
    """Numbers by their size; other levels stay as they are, behind them."""
    try:
        return float(shares.levels[place])
    except ValueError:
        return float("inf")


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9, height), dpi=110, layout="constrained")
    return figure, [figure.add_subplot(1, n, i + 1) for i in range(n)]


def _label(ax: Axes, title: str, x: str, y: str, *, size: int = 11) -> None:
    ax.set_title(title, loc="left", fontsize=size, color=INK, parse_math=False)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
