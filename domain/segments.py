"""Segments: named predicates over context, plain data that people can read and hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from domain.arrays import BoolArray
from domain.context import Context


@dataclass(frozen=True)
class Condition:
    """One column's allowed values: any of `any_of`, or a number in [min, max) (None = open)."""

    column: str
    any_of: tuple[str, ...] | None = None
    min: float | None = None
    max: float | None = None

    def mask(self, context: Context) -> BoolArray:
        """(n_rounds,) True where the row satisfies the condition; missing never does."""
        values = context.column(self.column)
        if self.any_of is not None:
            allowed = set(self.any_of)
            return np.array([_text(v) in allowed for v in values], dtype=np.bool_)
        numbers = values.astype(np.float64)
        with np.errstate(invalid="ignore"):
            low = numbers >= (-np.inf if self.min is None else self.min)
            return np.asarray(low & (numbers < (np.inf if self.max is None else self.max)))

    def __str__(self) -> str:
        if self.any_of is not None:
            return f"{self.column} in {'|'.join(self.any_of)}"
        parts = [] if self.min is None else [f"{self.column} >= {self.min:g}"]
        parts += [] if self.max is None else [f"{self.column} < {self.max:g}"]
        return " and ".join(parts)


@dataclass(frozen=True)
class Predicate:
    """All conditions hold; without any, everyone."""

    conditions: tuple[Condition, ...] = ()

    def mask(self, context: Context) -> BoolArray:
        mask = np.ones(context.n_rounds, dtype=np.bool_)
        for condition in self.conditions:
            mask &= condition.mask(context)
        return mask

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions)) or "all"


@dataclass(frozen=True)
class Segment:
    """A named group of units; its id is the hash of its predicate."""

    name: str
    predicate: Predicate = field(default_factory=Predicate)

    @property
    def segment_id(self) -> str:
        if not self.predicate.conditions:
            return "all"
        body = json.dumps(predicate_to_data(self.predicate), sort_keys=True)
        return "s-" + hashlib.sha256(body.encode()).hexdigest()[:12]


ALL = Segment("all")


def predicate_to_data(predicate: Predicate) -> dict[str, object]:
    """The config's form: `{plan: [monthly], tenure_days: {min: 60}}`."""
    data: dict[str, object] = {}
    for c in predicate.conditions:
        if c.any_of is not None:
            data[c.column] = list(c.any_of)
        else:
            data[c.column] = {k: v for k, v in (("min", c.min), ("max", c.max)) if v is not None}
    return data


def predicate_from_data(data: Mapping[str, list[str] | Mapping[str, float]]) -> Predicate:
    """The inverse of `predicate_to_data`."""
    return Predicate(tuple(_condition(column, allowed) for column, allowed in data.items()))


def _condition(column: str, allowed: list[str] | Mapping[str, float]) -> Condition:
    if isinstance(allowed, Mapping):
        return Condition(column, min=allowed.get("min"), max=allowed.get("max"))
    return Condition(column, any_of=tuple(map(str, allowed)))


def _text(value: object) -> str | None:
    if isinstance(value, float):
        return None if np.isnan(value) else (str(int(value)) if value.is_integer() else str(value))
    return None if value is None else str(value)
