"""A log in the making: every column as arrays over all rows, good and bad, with the faults found on the way.

The checks come in a fixed order (action, reward, propensity, weight, decision_id, time, eligibility, logged
distribution, the rest), because a row is counted under its first fault only.
"""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from collection.columns import LogColumns
from collection.faults import Faults
from collection.values import (
    Coded,
    coded,
    context_column,
    has_values,
    is_number_column,
    numbers_of,
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


class Draft:
    """Reads the rows of one frame by its resolved columns, marking faults; `build` gives the log of every row."""

    def __init__(self, rows: pd.DataFrame, columns: LogColumns) -> None:
        self.rows = rows
        self.columns = columns
        self.faults = Faults(len(rows))
        self.notes: list[str] = []
        self.written: Coded = coded(rows[columns.named["action"]])

    def build(self, probability_prefixes: tuple[str, ...]) -> LoggedDecisions:
        """A log over every row, unusable ones included, and over every action that is written anywhere."""
        logged = self._logged_columns()
        eligible_lists = self._eligible_lists()
        names = {*self.written.names, *logged, *(a for allowed in eligible_lists if allowed for a in allowed)}
        actions = ActionSet(tuple(sorted(names)))
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
        eligible = self._eligible(eligible_lists, actions, action)
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
        series: pd.Series = self.rows[theirs]
        if has_values(series):
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
        column = coded(series)
        self.faults.mark(column.codes < 0, f"{ours} missing")
        return column

    def _unit(self) -> IntArray:
        series = self.series("unit_id")
        if series is None:
            self.notes.append("no unit_id: every row counts as a unit of its own")
            return np.arange(len(self.rows), dtype=np.int64)
        codes = unit_codes(series)
        self.faults.mark(codes < 0, "unit_id missing")
        return codes

    def _check_decision_ids(self) -> None:
        """The same decision twice with the same content is a duplicate; with another content, neither is believed."""
        series = self.series("decision_id")
        if series is None:
            return
        self.faults.mark(series.isna().to_numpy(), "decision_id missing")
        twice = np.flatnonzero(series.duplicated(keep=False).to_numpy() & series.notna().to_numpy())
        if not len(twice):
            return
        content = self.rows.iloc[twice].map(text_of).astype("str")
        ids = content[self.columns.named["decision_id"]]
        fingerprint = pd.util.hash_pandas_object(content, index=False)
        n_contents = fingerprint.groupby(ids.to_numpy()).transform("nunique").to_numpy()
        repeated = ids.duplicated(keep="first").to_numpy()
        self.faults.mark(_at(twice[n_contents > 1], len(self.rows)), "decision_id conflicting")
        self.faults.mark(_at(twice[repeated & (n_contents == 1)], len(self.rows)), "decision_id duplicate")

    def _decided_at(self) -> TimeArray | None:
        series = self.series("decided_at")
        if series is None:
            return None
        theirs = self.columns.named["decided_at"]
        if is_number_column(series):
            self.notes.append(f"column {theirs} holds numbers, not times, so it is not used as decided_at")
            return None
        times = times_of(series)
        is_time = ~np.isnat(times.values)
        self.faults.mark(~is_time, "decided_at not an ISO 8601 time")
        n_zoneless = int(times.is_zoneless.sum())
        if n_zoneless and n_zoneless < is_time.sum():
            self.faults.mark(times.is_zoneless, "decided_at without a time zone where other rows have one")
        elif n_zoneless:
            self.notes.append(f"column {theirs} has no time zone: taken as UTC")
        return times.values

    def _eligible_lists(self) -> list[tuple[str, ...] | None]:
        series = self.series("eligible")
        return [] if series is None else [_eligible_list(value) for value in series]

    def _eligible(self, lists: list[tuple[str, ...] | None], actions: ActionSet, action: IntArray) -> BoolArray | None:
        """(n_rows, n_actions); a row without a list may choose any action."""
        if not lists:
            return None
        masks: dict[tuple[str, ...] | None, BoolArray] = {None: np.ones(len(actions), dtype=np.bool_)}
        for allowed in set(lists) - {None}:
            assert allowed is not None
            masks[allowed] = np.isin(np.array(actions.ids), np.array(allowed))
        mask = np.array([masks[allowed] for allowed in lists], dtype=np.bool_)
        self.faults.mark(~mask[np.arange(len(action)), action], "action not eligible")
        return mask

    def _logged_columns(self) -> Mapping[str, str]:
        """p_* columns, where they name the actions: one of another meaning must not cost the log."""
        logged = self.columns.logged
        if not logged:
            return {}
        named = np.array([*(name in logged for name in self.written.names), False])[self.written.codes]
        if named.mean() > 0.5:
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
        found = {a: c for a in actions.ids for c in (f"{prefix}_{a}", f"{prefix}{a}") if c in self.rows.columns}
        if not found:
            raise MissingColumn(
                f"the log has no columns {prefix}ACTION or {prefix}_ACTION for its actions {', '.join(actions.ids)}",
                "name the prefix that the columns of the policy's probabilities share",
            )
        return self._vectors({actions.index(a): c for a, c in found.items()}, len(actions), f"{prefix}*")

    def _vectors(self, theirs: Mapping[int, str], n_actions: int, name: str) -> FloatArray:
        vectors = np.zeros((len(self.rows), n_actions))
        for a, column in theirs.items():
            numbers = numbers_of(self.rows[column])
            self.faults.mark(~np.isfinite(numbers.values), f"{name} missing or not a number")
            vectors[:, a] = numbers.values
        self.faults.mark(np.asarray((vectors < 0).any(axis=1)), f"{name} negative")
        self.faults.mark(np.abs(vectors.sum(axis=1) - 1) > SUM_TOLERANCE, f"{name} does not sum to one")
        return vectors

    def _context(self) -> Context:
        columns = {name: context_column(self.rows[theirs]) for name, theirs in self.columns.context.items()}
        for name, values in columns.items():
            if values.dtype != object:
                self.faults.mark(np.isinf(values.astype(np.float64)), f"x_{name} infinite")
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


def _at(positions: IntArray, n_rows: int) -> BoolArray:
    mask = np.zeros(n_rows, dtype=np.bool_)
    mask[positions] = True
    return mask


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
