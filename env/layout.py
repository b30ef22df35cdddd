"""How a context becomes an array of numbers that a simulation can push around, and back.

A column with few values is kept as the code of its level (missing is a level of its own), any other number as itself.
Features are looked up by code, so a step of the simulation touches no text.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analysis.features import FeatureEncoder
from domain.arrays import BoolArray, Column, FloatArray, IntArray
from domain.context import Context
from env.rules import Period, Rule


@dataclass(frozen=True)
class LevelColumn:
    """A context column that takes one of a few values."""

    name: str
    levels: Column  # (n_levels,) the most frequent first; missing may be one
    moves: bool  # does it change inside an episode?

    @property
    def is_ordered(self) -> bool:
        return self.levels.dtype != object and not np.isnan(self.levels.astype(np.float64)).any()

    @cached_property
    def move(self) -> IntArray:
        """(n_levels, n_levels) the kind of step from a level to a level: down, stay or up; of text the level itself."""
        if not self.is_ordered:
            return np.tile(np.arange(len(self.levels)), (len(self.levels), 1))
        values = self.levels.astype(np.float64)
        return 1 + np.sign(values[None, :] - values[:, None]).astype(np.int64)

    @property
    def n_moves(self) -> int:
        return int(self.move.max()) + 1

    def encode(self, values: Column) -> FloatArray:
        """(n,) codes; a number between levels goes to the nearest, an unknown text or missing to the most frequent."""
        if self.levels.dtype == object:
            place = {level: code for code, level in enumerate(self.levels.tolist())}
            return np.array([place.get(value, 0) for value in values.tolist()], dtype=np.float64)
        distance = np.abs(values.astype(np.float64)[:, None] - self.levels.astype(np.float64)[None, :])
        both_missing = np.isnan(values.astype(np.float64))[:, None] & np.isnan(self.levels.astype(np.float64))[None, :]
        distance[np.isnan(distance)] = np.inf
        distance[both_missing] = 0.0
        return np.asarray(distance.argmin(axis=1), dtype=np.float64)

    def decode(self, codes: FloatArray) -> Column:
        return self.levels[codes.astype(np.int64)]

    def numbers(self, codes: FloatArray) -> FloatArray:
        """(n,) what rules reckon with: the values, of text the codes."""
        return codes if self.levels.dtype == object else self.decode(codes).astype(np.float64)

    def from_numbers(self, numbers: FloatArray) -> FloatArray:
        """(n,) codes; what a rule moved beyond the levels of the log stays at the nearest."""
        return numbers if self.levels.dtype == object else self.encode(numbers)


@dataclass(frozen=True)
class NumberColumn:
    """A context column that takes any number in a range."""

    name: str
    low: float
    high: float
    moves: bool

    def encode(self, values: Column) -> FloatArray:
        return values.astype(np.float64)

    def decode(self, codes: FloatArray) -> Column:
        return codes

    def numbers(self, codes: FloatArray) -> FloatArray:
        return codes

    def from_numbers(self, numbers: FloatArray) -> FloatArray:
        """(n,) what a rule moved beyond the log's range goes on; features are clipped by their encoder."""
        return numbers


@dataclass(frozen=True)
class StateLayout:
    """The raw state: one number a column, in this order."""

    columns: tuple[LevelColumn | NumberColumn, ...]
    rules: Mapping[str, Rule] = field(default_factory=dict)  # of the columns that business rules move

    @property
    def moving_levels(self) -> list[tuple[int, LevelColumn]]:
        """Place in the state and column of what is learned."""
        return [(i, c) for i, c in self._learned if isinstance(c, LevelColumn)]

    @property
    def moving_numbers(self) -> list[tuple[int, NumberColumn]]:
        return [(i, c) for i, c in self._learned if isinstance(c, NumberColumn)]

    @property
    def _learned(self) -> list[tuple[int, LevelColumn | NumberColumn]]:
        return [(i, c) for i, c in enumerate(self.columns) if c.moves and c.name not in self.rules]

    def follow_rules(self, state: FloatArray, following: FloatArray, bought: BoolArray, spend: FloatArray) -> None:
        """Writes into `following` (n, n_columns) where the rules lead from `state`, in place."""
        if not self.rules:
            return
        place = {column.name: i for i, column in enumerate(self.columns)}
        period = Period(bought, spend, lambda name: self.columns[place[name]].numbers(state[:, place[name]]))
        for name, rule in self.rules.items():
            column = self.columns[place[name]]
            following[:, place[name]] = column.from_numbers(rule.follow(period.before(name), period))

    def encode(self, context: Context) -> FloatArray:
        """(n_rounds, n_columns)."""
        state = np.empty((context.n_rounds, len(self.columns)))
        for i, column in enumerate(self.columns):
            state[:, i] = column.encode(context.column(column.name))
        return state

    def decode(self, state: FloatArray) -> Context:
        columns = {column.name: column.decode(state[:, i]) for i, column in enumerate(self.columns)}
        return Context(columns, len(state))


class LayoutFeatures:
    """`encoder.transform(layout.decode(state))`, the same bytes, by lookup."""

    def __init__(self, layout: StateLayout, encoder: FeatureEncoder) -> None:
        place = {column.name: i for i, column in enumerate(layout.columns)}
        self._blocks = []  # place in the state, encoding, table (n_levels, width) or None
        for encoding in encoder.encodings:
            column = layout.columns[place[encoding.column]]
            table = encoding.transform(column.levels) if isinstance(column, LevelColumn) else None
            self._blocks.append((place[encoding.column], encoding, table))
        self._pairs: IntArray | None = None
        if encoder.interactions:
            self._pairs = np.array(encoder.interactions, dtype=np.int64).T

    def transform(self, state: FloatArray) -> FloatArray:
        """(n, n_features)."""
        blocks = [
            encoding.transform(state[:, i]) if table is None else table[state[:, i].astype(np.int64)]
            for i, encoding, table in self._blocks
        ]
        base = np.concatenate(blocks, axis=1) if blocks else np.empty((len(state), 0))
        if self._pairs is None:
            return base
        return np.concatenate([base, base[:, self._pairs[0]] * base[:, self._pairs[1]]], axis=1)


def fit_layout(
    context: Context,
    following: Context | None,
    lasts: BoolArray,
    *,
    max_levels: int,
    numbers: Collection[str] = (),
) -> StateLayout:
    """The layout of a log's columns.

    Args:
        context: before acting.
        following: after acting, row by row; None = a log without time, where nothing moves.
        lasts: (n_rounds,) rows whose `following` means nothing: the customer left.
        max_levels: more distinct values than this and a number is not kept as levels.
        numbers: columns that are never kept as levels.
    """
    columns: list[LevelColumn | NumberColumn] = []
    for name in sorted(context.columns):
        values = context.columns[name]
        after = values if following is None else following.column(name)[~lasts]
        moves = following is not None and not _same(values[~lasts], after)
        seen = np.concatenate([values, after])
        levels = _levels(seen)
        if name not in numbers and (seen.dtype == object or len(levels) <= max_levels):
            columns.append(LevelColumn(name, levels, moves))
        else:
            low, high = np.nanquantile(seen.astype(np.float64), [0.0, 1.0])
            columns.append(NumberColumn(name, float(low), float(high), moves))
    return StateLayout(tuple(columns))


def _levels(values: Column) -> Column:
    """Distinct values, the most frequent first; ties in their own order, missing last."""
    if values.dtype != object:
        distinct, counts = np.unique(values.astype(np.float64), return_counts=True)
        return distinct[np.argsort(-counts, kind="stable")]
    counted: dict[object, int] = {}
    for value in values.tolist():
        counted[value] = counted.get(value, 0) + 1
    ordered = sorted(counted, key=lambda v: (-counted[v], v is None, str(v)))
    return _object_array(ordered)


def _object_array(values: Sequence[object]) -> Column:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _same(before: Column, after: Column) -> bool:
    if before.dtype == object:
        return bool((before == after).all())
    return bool(np.array_equal(before.astype(np.float64), after.astype(np.float64), equal_nan=True))
