"""The parts of a log in which something may be wrong although it is right on average.

Twenty blocks of time (where the log says when), cells, levels of context columns, quarters of numeric ones. All are
looked at together: a sparse matrix says which rounds belong to which part, its product with any quantity gives sums.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from domain.arrays import Column, FloatArray, IntArray
from domain.log import LoggedDecisions

TIME = "time"
N_BLOCKS = 20  # of time, each with as many rounds
N_EDGES = 200  # of the grid on which a window of time is found
MIN_WINDOW = 50  # a window holds at least this part of the log, one fiftieth
MAX_LEVELS = 20  # of a cut; columns with more are cut into quarters, or not at all where they hold text
MAX_COLUMNS = 20  # context columns looked at, in their order


@dataclass(frozen=True)
class Parts:
    """Several cuts of the same rounds; `of_cut` and `label` have one entry a part."""

    code: IntArray  # (n_rounds, n_cuts) part of each round
    of_cut: IntArray  # (n_parts,)
    cuts: tuple[str, ...]
    label: tuple[str, ...]
    time_order: IntArray | None  # (n_rounds,) rounds by time

    def __len__(self) -> int:
        return len(self.label)

    def sums(self, values: FloatArray) -> FloatArray:
        """(n_parts, n_values) of (n_rounds, n_values)."""
        return np.asarray(self._membership.T @ values)

    @cached_property
    def n_rounds(self) -> IntArray:
        """(n_parts,)."""
        return np.bincount(self.code.ravel(), minlength=len(self))

    @cached_property
    def _membership(self) -> csr_matrix:
        n, n_cuts = self.code.shape
        ends = np.arange(n + 1) * n_cuts
        return csr_matrix((np.ones(n * n_cuts), self.code.ravel(), ends), shape=(n, len(self)))


@dataclass(frozen=True)
class Place:
    """Where a log deviates: so many rounds, and which, in words."""

    n_rounds: int
    where: str


def cut_log(log: LoggedDecisions) -> Parts:
    """All cuts that the log allows; none where it has no time, cell or context."""
    order = None if log.decided_at is None else np.argsort(log.decided_at, kind="stable")
    named: list[tuple[str, IntArray, list[str]]] = []
    if order is not None:
        named.append((TIME, _blocks(order), [f"block {b + 1} of {N_BLOCKS}" for b in range(N_BLOCKS)]))
    if log.cell is not None and 2 <= len(log.cell_names) <= MAX_LEVELS:
        named.append(("cell", log.cell, list(log.cell_names)))
    for name in list(log.context.columns)[:MAX_COLUMNS]:
        cut = _cut_column(log.context.column(name))
        if cut is not None:
            named.append((f"x_{name}", *cut))
    sizes = [len(labels) for _, _, labels in named]
    starts = np.cumsum([0, *sizes])[:-1]
    codes = [code + start for (_, code, _), start in zip(named, starts, strict=True)]
    return Parts(
        np.column_stack(codes) if codes else np.empty((len(log), 0), dtype=np.int64),
        np.repeat(np.arange(len(named)), sizes),
        tuple(name for name, _, _ in named),
        tuple(label for _, _, labels in named for label in labels),
        order,
    )


def place_of(parts: Parts, z: FloatArray, limit: float, excess: FloatArray, variance: FloatArray) -> Place:
    """The rounds that deviate most: the parts of one cut beyond the limit, or a window of time that says it better.

    Args:
        parts: cuts of the rounds.
        z: (n_parts,) how far each part deviates, without sign; at least one beyond the limit.
        limit: of z.
        excess: (n_rounds,) whose sums are zero where nothing is wrong.
        variance: (n_rounds,) of the excess.
    """
    in_time = parts.of_cut == (parts.cuts.index(TIME) if TIME in parts.cuts else -1)
    total, spread = parts.sums(np.column_stack([excess, variance])).T
    gain = np.abs(total) / np.sqrt(np.maximum(spread, 1e-12))  # as a window's is measured
    elsewhere = np.where(in_time | (z <= limit), 0.0, gain)
    if parts.time_order is not None:
        best, place = _window(excess[parts.time_order], variance[parts.time_order])
        if best >= elsewhere.max():
            return place
    worst = int(elsewhere.argmax())
    same = np.flatnonzero((z > limit) & (parts.of_cut == parts.of_cut[worst]))
    labels = ", ".join(parts.label[i] for i in same[:5]) + (" …" if len(same) > 5 else "")
    return Place(int(parts.n_rounds[same].sum()), f"{parts.cuts[parts.of_cut[worst]]} = {labels}")


def _window(excess: FloatArray, variance: FloatArray) -> tuple[float, Place]:
    """The window of time with the largest standardised sum, and that sum."""
    n = len(excess)
    edges = np.unique(np.linspace(0, n, min(N_EDGES, n) + 1).astype(np.int64))
    total = np.r_[0.0, np.cumsum(excess)][edges]
    spread = np.r_[0.0, np.cumsum(variance)][edges]
    gain = np.abs(total[None, :] - total[:, None]) / np.sqrt(np.maximum(spread[None, :] - spread[:, None], 1e-12))
    gain = np.triu(gain, max(len(edges) // MIN_WINDOW, 1))
    low, high = np.unravel_index(np.argmax(gain), gain.shape)
    first, last = int(edges[low]), int(edges[high])
    return float(gain.max()), Place(last - first, f"rows {first + 1:,} to {last:,} in the order of time")


def _blocks(order: IntArray) -> IntArray:
    code = np.empty(len(order), dtype=np.int64)
    code[order] = np.arange(len(order)) * N_BLOCKS // len(order)
    return code


def _cut_column(column: Column) -> tuple[IntArray, list[str]] | None:
    """Levels, or quarters of a number with many; None where there is nothing to tell apart."""
    if column.dtype == object:
        return _levels(column)
    values = np.asarray(column, dtype=np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    if len(pd.unique(known[:1000])) <= MAX_LEVELS:
        cut = _levels(values)
        if cut is not None:
            return cut
    sample = known[:: len(known) // 4000 + 1]
    edges = np.unique(np.quantile(sample, [0.25, 0.5, 0.75]))
    code = np.searchsorted(edges, values, side="right")  # NaN lands in the highest part
    bounds = [f"{e:.4g}" for e in edges]
    names = [f"below {bounds[0]}", *(f"{a} to {b}" for a, b in pairwise(bounds))]
    return np.asarray(code, dtype=np.int64), [*names, f"{bounds[-1]} or more"]


def _levels(values: Column) -> tuple[IntArray, list[str]] | None:
    codes, distinct = pd.factorize(values)
    if not 2 <= len(distinct) <= MAX_LEVELS:
        return None
    names = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in distinct]
    return np.where(codes < 0, len(distinct), codes).astype(np.int64), [*names, "missing"]
