"""A log in the making: every column as arrays over all rows, good and bad, with the faults found on the way.

The checks come in a fixed order (action, reward, propensity, weight, decision_id, time, eligibility, logged
distribution, the rest), because a row is counted under its first fault only.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from collection.columns import LogColumns
from collection.faults import Faults
from collection.hashing import hash_values
from collection.log_facts import NUMBER, LogFacts
from collection.repeats import Repeats, RepeatsOfFrame
from collection.values import (
    Coded,
    Times,
    coded,
    factorize,
    has_values,
    kind_of,
    numbers_of,
    read_as,
    text_of,
    texts_of,
    times_of,
    unit_codes,
)
from domain.actions import ActionSet
from domain.arrays import BoolArray, Column, FloatArray, IntArray, TimeArray
from domain.context import Context
from domain.errors import MissingColumn
from domain.log import LoggedDecisions

SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Whole:
    """What a chunk is read by: the facts of its whole log, the decision ids that repeat there, units as groups."""

    facts: LogFacts
    repeats: Repeats | None = None
    n_unit_groups: int | None = None  # unit codes are hashes of the ids into so many groups


class Draft:
    """Reads the rows of one frame by its resolved columns, marking faults; `build` gives the log of every row."""

    def __init__(self, rows: pd.DataFrame, columns: LogColumns, whole: Whole | None = None) -> None:
        self.rows = rows
        self.columns = columns
        self.faults = Faults(len(rows))
        self.notes: list[str] = []
        self.written: Coded = coded(rows[columns.named["action"]])
        self.whole = whole

    @cached_property
    def facts(self) -> LogFacts:
        """Those of the whole log: given where these rows are a part of it."""
        return self.found() if self.whole is None else self.whole.facts

    def found(self) -> LogFacts:
        """The facts of these rows; of columns that the frame lacks, none."""
        named, context = self.columns.named, self.columns.context.values()
        here = [name for name in dict.fromkeys([*named.values(), *context]) if name in self.rows]
        filled = frozenset(name for name in here if has_values(self.rows[name]))
        typed = filled & {*context, named.get("decided_at", "")}
        counts = np.bincount(self.written.codes[self.written.codes >= 0], minlength=len(self.written.names))
        cell, split = (coded(self.rows[t]) if (t := named.get(n)) in filled else None for n in ("cell", "split"))
        is_timed = named.get("decided_at") in typed and kind_of(self.rows[named["decided_at"]]) != NUMBER
        times = self._times if is_timed else None
        return LogFacts(
            len(self.rows),
            filled,
            {name: int(n) for name, n in zip(self.written.names, counts, strict=True)},
            frozenset(a for allowed in self._eligible_lists.lists if allowed for a in allowed),
            {n: frozenset(c.names) for n, c in (("cell", cell), ("split", split)) if c is not None},
            {name: frozenset({kind_of(self.rows[name])}) for name in sorted(typed)},
            _pairs(cell, self.written),
            0 if times is None else int((~np.isnat(times.values)).sum()),
            0 if times is None else int(times.is_zoneless.sum()),
        )

    @staticmethod
    def actions_of(facts: LogFacts, columns: LogColumns) -> ActionSet:
        """Every action that is written anywhere, also by a p_* column or in a list of eligible ones."""
        logged = columns.logged if facts.share_written(columns.logged) > 0.5 else ()
        return ActionSet(tuple(sorted({*facts.written, *logged, *facts.eligible})))

    def build(
        self, probability_prefixes: tuple[str, ...] = (), prediction_prefix: str | None = None
    ) -> LoggedDecisions:
        """A log over every row, unusable ones included, and over every action that is written anywhere."""
        logged = self._logged_columns()
        actions = self.actions_of(self.facts, self.columns)
        action = self._action(actions)
        reward = self.number("reward", self.columns.reward)
        propensity = self._optional_number("propensity")
        if propensity is not None:
            self.faults.mark(propensity <= 0, "propensity not positive")
            self.faults.mark(propensity > 1 + SUM_TOLERANCE, "propensity above one")
        weight = self._optional_number("weight")
        if weight is not None:
            self.faults.mark(weight <= 0, "weight not positive")
        self._check_decision_ids()
        decided_at = self._decided_at()
        eligible = self._eligible(actions, action)
        distribution = self._distribution(logged, actions, action, propensity)
        if propensity is None and distribution is not None:
            propensity = _of_action(distribution, action)
        cell = self._coded_column("cell")
        split = self._coded_column("split")
        return LoggedDecisions(
            actions=actions,
            action=action,
            reward=reward,
            reward_name=self.columns.reward,
            context=self._context(),
            unit=self._unit(),
            propensity=None if propensity is None else np.minimum(propensity, 1.0),
            logged_distribution=distribution,
            probabilities={p: self._probabilities(p, actions) for p in probability_prefixes},
            predictions=None if prediction_prefix is None else self._predictions(prediction_prefix, actions),
            eligible=eligible,
            cell=None if cell is None else cell.codes,
            cell_names=() if cell is None else cell.names,
            weight=weight,
            cost=self._optional_number("cost"),
            decided_at=decided_at,
            split=None if split is None else split.codes,
            split_names=() if split is None else split.names,
        )

    def series(self, name: str) -> pd.Series | None:
        """One of our columns; None where the source lacks it or left it empty throughout."""
        theirs = self.columns.named.get(name)
        if theirs is None:
            return None
        if theirs in self.facts.filled:
            series: pd.Series = self.rows[theirs]
            return series
        note = f"column {theirs} is empty, so it counts as absent"
        if note not in self.notes:
            self.notes.append(note)
        return None

    def _action(self, actions: ActionSet) -> IntArray:
        self.faults.mark(self.written.codes < 0, "action missing")
        recode = np.array([*(actions.index(name) for name in self.written.names), -1], dtype=np.int64)
        return np.asarray(recode[self.written.codes])

    def number(self, ours: str, theirs: str | None = None) -> FloatArray:
        """A column that must hold a finite number in every row."""
        numbers = numbers_of(self.rows[self.columns.named[ours] if theirs is None else theirs])
        self.faults.mark(numbers.is_junk, f"{ours} not a number")
        self.faults.mark(np.isnan(numbers.values), f"{ours} missing or NaN")
        self.faults.mark(np.isinf(numbers.values), f"{ours} infinite")
        return numbers.values

    def _optional_number(self, ours: str) -> FloatArray | None:
        return None if self.series(ours) is None else self.number(ours)

    def _coded_column(self, ours: str) -> Coded | None:
        series = self.series(ours)
        if series is None:
            return None
        column = _over_names(coded(series), tuple(sorted(self.facts.names[ours])))
        self.faults.mark(column.codes < 0, f"{ours} missing")
        return column

    def _unit(self) -> IntArray:
        series = self.series("unit_id")
        if series is None:
            self.notes.append("no unit_id: every row counts as a unit of its own")
            return np.arange(len(self.rows), dtype=np.int64)
        n_groups = None if self.whole is None else self.whole.n_unit_groups
        codes = unit_codes(series) if n_groups is None else unit_groups(series, n_groups)
        self.faults.mark(codes < 0, "unit_id missing")
        return codes

    def _check_decision_ids(self) -> None:
        """The same decision twice with the same content is a duplicate; with another content, neither is believed."""
        series = self.series("decision_id")
        if series is None:
            return
        self.faults.mark(series.isna().to_numpy(), "decision_id missing")
        repeats = None if self.whole is None else self.whole.repeats
        found = (RepeatsOfFrame(self.rows) if repeats is None else repeats).find(series)
        self.faults.mark(found.is_conflicting, "decision_id conflicting")
        self.faults.mark(found.is_duplicate, "decision_id duplicate")

    def _decided_at(self) -> TimeArray | None:
        series = self.series("decided_at")
        if series is None:
            return None
        theirs = self.columns.named["decided_at"]
        if self.facts.kind(theirs) == NUMBER:
            self.notes.append(f"column {theirs} holds numbers, not times, so it is not used as decided_at")
            return None
        times = self._times
        self.faults.mark(np.isnat(times.values), "decided_at not an ISO 8601 time")
        if 0 < self.facts.n_zoneless < self.facts.n_times:
            self.faults.mark(times.is_zoneless, "decided_at without a time zone where other rows have one")
        elif self.facts.n_zoneless:
            self.notes.append(f"column {theirs} has no time zone: taken as UTC")
        return times.values

    @cached_property
    def _times(self) -> Times:
        return times_of(self.rows[self.columns.named["decided_at"]])

    @cached_property
    def _eligible_lists(self) -> "_Lists":
        theirs = self.columns.named.get("eligible")
        if theirs is None or theirs not in self.rows:
            return _Lists(np.zeros(0, dtype=np.int64), ())
        return _lists_of(self.rows[theirs])

    def _eligible(self, actions: ActionSet, action: IntArray) -> BoolArray | None:
        """(n_rows, n_actions); a row without a list may choose any action."""
        if self.series("eligible") is None:
            return None
        found, ids = self._eligible_lists, np.array(actions.ids)
        everything = np.ones(len(actions), dtype=np.bool_)
        masks = [everything if allowed is None else np.isin(ids, np.array(allowed)) for allowed in found.lists]
        mask = np.array([*masks, everything])[found.codes]
        self.faults.mark(~mask[np.arange(len(action)), action], "action not eligible")
        return mask

    def _logged_columns(self) -> Mapping[str, str]:
        """p_* columns, where they name the actions: one of another meaning must not cost the log."""
        logged = self.columns.logged
        if not logged:
            return {}
        if self.facts.share_written(logged) > 0.5:
            return logged
        self.notes.append(f"columns {', '.join(sorted(logged.values()))} do not name the actions, so they are ignored")
        return {}

    def _distribution(
        self, logged: Mapping[str, str], actions: ActionSet, action: IntArray, propensity: FloatArray | None
    ) -> FloatArray | None:
        if not logged:
            return None
        distribution = self._vectors({actions.index(a): theirs for a, theirs in logged.items()}, len(actions), "p_*")
        own = _of_action(distribution, action)
        if propensity is not None:
            self.faults.mark(np.abs(own - propensity) > SUM_TOLERANCE, "p_* does not match propensity")
        self.faults.mark(own <= 0, "p_* gives the action no probability")
        return distribution

    def _probabilities(self, prefix: str, actions: ActionSet) -> FloatArray:
        """Columns PREFIX + action (or PREFIX_action): another policy's distribution, an absent action has none."""
        found = columns_of_prefix(prefix, actions.ids, self.rows.columns)
        if not found:
            raise MissingColumn(
                f"the log has no columns {prefix}ACTION or {prefix}_ACTION for its actions {', '.join(actions.ids)}",
                "name the prefix that the columns of the policy's probabilities share",
            )
        return self._vectors({actions.index(a): c for a, c in found.items()}, len(actions), f"{prefix}*")

    def _predictions(self, prefix: str, actions: ActionSet) -> FloatArray:
        """Columns PREFIX + action (or PREFIX_action): the reward foretold for every action."""
        found = columns_of_prefix(prefix, actions.ids, self.rows.columns)
        lacking = [a for a in actions.ids if a not in found]
        if lacking:
            raise MissingColumn(
                f"the log has no column {prefix}ACTION or {prefix}_ACTION for {', '.join(lacking)}",
                "log a prediction for every action of the log, or leave --predictions out",
            )
        return self._numbers({actions.index(a): c for a, c in found.items()}, len(actions), f"{prefix}*")

    def _vectors(self, theirs: Mapping[int, str], n_actions: int, name: str) -> FloatArray:
        vectors = self._numbers(theirs, n_actions, name)
        if not vectors.min(initial=0.0) >= 0:  # also where one is NaN
            self.faults.mark(np.asarray((vectors < 0).any(axis=1)), f"{name} negative")
        self.faults.mark(np.abs(vectors.sum(axis=1) - 1) > SUM_TOLERANCE, f"{name} does not sum to one")
        return vectors

    def _numbers(self, theirs: Mapping[int, str], n_actions: int, name: str) -> FloatArray:
        """(n_rows, n_actions), an action after another in memory, as they are read and added up."""
        vectors = np.zeros((n_actions, len(self.rows)))
        for a, column in theirs.items():
            vectors[a] = numbers_of(self.rows[column]).values
        if not np.isfinite(vectors.sum()):
            for a in theirs:
                self.faults.mark(~np.isfinite(vectors[a]), f"{name} missing or not a number")
        return vectors.T

    def _context(self) -> Context:
        kinds = {theirs: self.facts.kind(theirs) for theirs in self.columns.context.values()}
        columns = {name: read_as(self.rows[theirs], kinds[theirs]) for name, theirs in self.columns.context.items()}
        for name, values in columns.items():
            if values.dtype != object:
                self.faults.mark(np.isinf(values.astype(np.float64)), f"x_{name} infinite")
                if name in self.columns.not_negative:
                    self.faults.mark(np.asarray(values < 0, dtype=np.bool_), f"x_{name} negative")
        return Context(columns, len(self.rows))

    def next_context(self, context: Context) -> Context | None:
        """The next_x_* columns, numbers where their x_* is in `context`; None where the log has none."""
        if not self.columns.next_context:
            return None
        columns: dict[str, Column] = {}
        for name, theirs in self.columns.next_context.items():
            is_number = context.columns[name].dtype != object
            columns[name] = numbers_of(self.rows[theirs]).values if is_number else texts_of(self.rows[theirs])
        return Context(columns, len(self.rows))


def _of_action(values: FloatArray, action: IntArray) -> FloatArray:
    return np.asarray(values[np.arange(len(action)), action])


def columns_of_prefix(prefix: str, actions: Iterable[str], found: Collection[str]) -> dict[str, str]:
    """Action -> its column PREFIX_action or PREFIX + action, among those found."""
    return {a: c for a in actions for c in (f"{prefix}_{a}", f"{prefix}{a}") if c in found}


def unit_groups(series: pd.Series, n_groups: int) -> IntArray:
    """(n_rows,) codes below `n_groups` by a hash of the id, -1 where missing."""
    groups = (hash_values(series) % np.uint64(n_groups)).astype(np.int64)
    is_missing = series.isna() if series.dtype != object else series.map(text_of) == ""
    groups[is_missing.to_numpy(dtype=np.bool_)] = -1
    return groups


@dataclass(frozen=True)
class _Lists:
    """Eligibility lists: the distinct ones, and which a row has (-1: any action)."""

    codes: IntArray
    lists: tuple[tuple[str, ...] | None, ...]


def _lists_of(series: pd.Series) -> _Lists:
    plain = series if series.dtype != object else pd.Series([_hashable(v) for v in series], dtype=object)
    codes, distinct = factorize(plain)
    return _Lists(codes, tuple(_eligible_list(value) for value in distinct))


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, (list, set, frozenset, np.ndarray)) else value


def _over_names(column: Coded, names: tuple[str, ...]) -> Coded:
    """The same over more names."""
    if column.names == names:
        return column
    place = {name: i for i, name in enumerate(names)}
    recode = np.array([*(place[name] for name in column.names), -1], dtype=np.int64)
    return Coded(np.asarray(recode[column.codes]), names)


def _pairs(cell: Coded | None, written: Coded) -> frozenset[tuple[str, str]]:
    """Which cells and actions occur together."""
    if cell is None:
        return frozenset()
    both = (cell.codes >= 0) & (written.codes >= 0)
    pairs = np.unique(cell.codes[both] * len(written.names) + written.codes[both])
    return frozenset((cell.names[p // len(written.names)], written.names[p % len(written.names)]) for p in pairs)


def _eligible_list(value: object) -> tuple[str, ...] | None:
    """A list, JSON text of one, or texts joined by `|`; None where missing."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return ()  # nothing is eligible in a list that cannot be read: the row is quarantined
    if isinstance(value, str):
        return tuple(sorted(value.split("|"))) if value else None
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return tuple(sorted(text_of(v) for v in value))
    return None
