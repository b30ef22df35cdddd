"""Where customers stand after some periods: the share of each level of each moving column, simulated and logged.

The null of a share's difference comes from the bootstrap of logged customers (at least the binomial error of the
simulated share), the simulated ones and the spread of the members; a column of many numbers is cut at logged fifths.
"""

import math
from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from env.gaps import Gap
from env.layout import LevelColumn, NumberColumn, StateLayout

N_LEVELS = 5  # of a column; the rarest are counted together


@dataclass(frozen=True)
class StateShares:
    """One moving column among who is left after so many periods."""

    column: str
    n_periods: int
    levels: tuple[str, ...]
    simulated: tuple[float, ...]  # shares
    logged: tuple[float, ...]
    stderr: tuple[float, ...]  # of simulated - logged
    n_customers: int  # logged ones that are left

    @property
    def distance(self) -> float:
        """Total variation: the share of customers who would have to stand elsewhere."""
        return float(np.abs(np.array(self.simulated) - np.array(self.logged)).sum() / 2)

    def gaps(self, tolerance: float) -> list[Gap]:
        after = "1 period" if self.n_periods == 1 else f"{self.n_periods} periods"
        what = f"distribution of {self.column} after {after}"
        numbers = zip(self.levels, self.simulated, self.logged, self.stderr, strict=True)
        return [Gap(what, level, simulated, logged, stderr, tolerance) for level, simulated, logged, stderr in numbers]


def state_shares(
    layout: StateLayout,
    simulated: LoggedDecisions,
    member: IntArray,
    logged: LoggedDecisions,
    weight: FloatArray,
    periods: tuple[int, ...],
    n_bootstraps: int,
    rng: np.random.Generator,
) -> tuple[StateShares, ...]:
    """One record a moving column and number of periods after which somebody is left.

    Args:
        layout: of the market.
        simulated: a panel of the market, episodes numbered from 0.
        member: (n_episodes,) behind each simulated episode.
        logged: a panel of held-out customers.
        weight: (n_rounds,) of the logged rounds.
        periods: after which the columns are compared.
        n_bootstraps: of customers.
        rng: of the bootstraps.
    """
    moving: list[tuple[int, LevelColumn | NumberColumn]] = [*layout.moving_levels, *layout.moving_numbers]
    found = []
    for n in periods:
        played, seen = _left_after(layout, simulated, n), _left_after(layout, logged, n)
        if min(len(seen.rows), len(played.rows)) < 2:
            continue
        own = member[simulated.unit[played.rows]]
        for place, column in moving:
            codes, levels = _coded(column, seen.columns[:, place], played.columns[:, place])
            found.append(
                _compare(
                    column.name,
                    n,
                    levels,
                    (codes[: len(seen.rows)], logged.unit[seen.rows], weight[seen.rows]),
                    (codes[len(seen.rows) :], own),
                    n_bootstraps,
                    rng,
                )
            )
    return tuple(found)


@dataclass(frozen=True)
class _Left:
    rows: IntArray  # of the log
    columns: FloatArray  # (n, n_columns) after the period


def _left_after(layout: StateLayout, log: LoggedDecisions, n_periods: int) -> _Left:
    panel = log.panel
    assert panel is not None
    rows = np.flatnonzero((panel.step == n_periods - 1) & ~panel.terminated)
    return _Left(rows, layout.encode(panel.next_context.take(rows)))


def _coded(column: LevelColumn | NumberColumn, seen: FloatArray, played: FloatArray) -> tuple[IntArray, list[str]]:
    """Codes of the logged, then of the simulated values, and what they mean."""
    both = np.concatenate([seen, played])
    if isinstance(column, LevelColumn):
        names = [_name(level) for level in column.levels.tolist()]
        if len(names) > N_LEVELS + 1:
            both, names = np.minimum(both, N_LEVELS), [*names[:N_LEVELS], "others"]
        return both.astype(np.int64), names
    finite = seen[np.isfinite(seen)]
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, N_LEVELS + 1)[1:-1])) if len(finite) else np.empty(0)
    bounds = [f"{edge:.3g}" for edge in edges.tolist()]
    names = [f"{a} to {b}" for a, b in zip(["lowest", *bounds], [*bounds, "highest"], strict=True)]
    codes = np.where(np.isfinite(both), np.searchsorted(edges, both, side="right"), len(names))
    return np.asarray(codes, dtype=np.int64), [*names, "missing"]


def _name(level: object) -> str:
    if isinstance(level, float):
        return "missing" if math.isnan(level) else f"{level:g}"
    return "missing" if level is None else str(level)


def _compare(
    column: str,
    n_periods: int,
    levels: list[str],
    seen: tuple[IntArray, IntArray, FloatArray],
    played: tuple[IntArray, IntArray],
    n_bootstraps: int,
    rng: np.random.Generator,
) -> StateShares:
    (codes, unit, weight), (played_codes, member) = seen, played
    kept = [k for k in range(len(levels)) if (codes == k).any() or (played_codes == k).any()]
    _, customer = np.unique(unit, return_inverse=True)
    logged = _table(customer, codes, weight, len(levels))[:, kept]
    by_member = _table(member, played_codes, np.ones(len(member)), len(levels))[:, kept]
    by_member = by_member[by_member.sum(axis=1) > 0]
    simulated = by_member.sum(axis=0) / by_member.sum()
    spread = (by_member / by_member.sum(axis=1, keepdims=True)).var(axis=0, ddof=1) if len(by_member) > 1 else 0.0
    size = float(weight.sum() ** 2 / (weight**2).sum())  # a level that hardly anybody logged reached by chance
    sampling = np.maximum(_bootstrap_variance(logged, n_bootstraps, rng), simulated * (1 - simulated) / size)
    variance = sampling + simulated * (1 - simulated) / len(member) + spread
    return StateShares(
        column,
        n_periods,
        tuple(levels[k] for k in kept),
        tuple(simulated.tolist()),
        tuple((logged.sum(axis=0) / logged.sum()).tolist()),
        tuple(np.sqrt(variance).tolist()),
        len(logged),
    )


def _table(row: IntArray, code: IntArray, weight: FloatArray, n_levels: int) -> FloatArray:
    """(n_rows, n_levels) summed weights."""
    counted = np.zeros((int(row.max()) + 1, n_levels))
    np.add.at(counted, (row, code), weight)
    return counted


def _bootstrap_variance(by_customer: FloatArray, n_bootstraps: int, rng: np.random.Generator) -> FloatArray:
    n = len(by_customer)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstraps).astype(np.float64) @ by_customer
    return np.asarray((drawn / drawn.sum(axis=1, keepdims=True)).var(axis=0, ddof=1), dtype=np.float64)
