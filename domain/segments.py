"""Segments: named predicates over context, plain data that people can read and hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from domain.arrays import BoolArray, Column, FloatArray
from domain.context import Context, text_of
from domain.errors import InvalidSnapshot


@dataclass(frozen=True)
class Condition:
    """One column's allowed values: any of `any_of`, none of `none_of`, or a number in [min, max) (None = open).

    A missing value satisfies it only with `or_missing`. `none_of` lets in text never seen before, so a condition and
    its complement (`none_of` for `any_of`, `or_missing` flipped) share out every row there can be.
    """

    column: str
    any_of: tuple[str, ...] | None = None
    min: float | None = None
    max: float | None = None
    none_of: tuple[str, ...] | None = None
    or_missing: bool = False

    def mask(self, context: Context) -> BoolArray:
        """(n_rounds,) True where the row satisfies the condition.

        Raises:
            InvalidSnapshot: a number is compared, and the column holds text.
        """
        values = context.column(self.column)
        if self.any_of is not None or self.none_of is not None:
            return np.array([self._admits(text_of(v)) for v in values], dtype=np.bool_)
        numbers = self._numbers(values)
        with np.errstate(invalid="ignore"):
            low = numbers >= (-np.inf if self.min is None else self.min)
            within = low & (numbers < (np.inf if self.max is None else self.max))
        return np.asarray(within | np.isnan(numbers) if self.or_missing else within)

    def _numbers(self, values: Column) -> FloatArray:
        try:
            return values.astype(np.float64)
        except ValueError as error:
            raise InvalidSnapshot(
                f"column {self.column} holds text ({error}), but {self} needs numbers",
                "mend the column or the condition",
            ) from error

    def _admits(self, text: str | None) -> bool:
        if text is None:
            return self.or_missing
        return (self.any_of is None or text in self.any_of) and text not in (self.none_of or ())

    def __str__(self) -> str:
        if self.any_of is not None and not self.any_of:
            return f"{self.column} missing" if self.or_missing else f"{self.column} in nothing"
        parts = [] if self.any_of is None else [f"{self.column} in {'|'.join(self.any_of)}"]
        parts += [f"{self.column} not in {'|'.join(self.none_of)}"] if self.none_of else []
        parts += [] if self.min is None else [f"{self.column} >= {self.min:g}"]
        parts += [] if self.max is None else [f"{self.column} < {self.max:g}"]
        text = " and ".join(parts) or f"{self.column} known"
        return f"({text} or missing)" if self.or_missing else text


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
    """The config's form: `{plan: [monthly], tenure_days: {min: 60}, country: {none_of: [DE], or_missing: true}}`.

    One condition a column: a second one on the same column has no place in this form.
    """
    return {c.column: _condition_to_data(c) for c in predicate.conditions}


def predicate_from_data(data: Mapping[str, list[str] | Mapping[str, object]]) -> Predicate:
    """The inverse of `predicate_to_data`."""
    return Predicate(tuple(_condition(column, allowed) for column, allowed in data.items()))


def _condition_to_data(c: Condition) -> object:
    if c.any_of is not None and c.none_of is None and not c.or_missing:
        return list(c.any_of)
    parts: dict[str, object] = {
        "any_of": None if c.any_of is None else list(c.any_of),
        "none_of": None if c.none_of is None else list(c.none_of),
        "min": c.min,
        "max": c.max,
        "or_missing": c.or_missing or None,
    }
    return {name: value for name, value in parts.items() if value is not None}


def _condition(column: str, allowed: list[str] | Mapping[str, object]) -> Condition:
    if not isinstance(allowed, Mapping):
        return Condition(column, any_of=tuple(map(str, allowed)))
    return Condition(
        column,
        any_of=_texts(allowed.get("any_of")),
        min=_number(allowed.get("min")),
        max=_number(allowed.get("max")),
        none_of=_texts(allowed.get("none_of")),
        or_missing=bool(allowed.get("or_missing", False)),
    )


def _texts(values: object) -> tuple[str, ...] | None:
    return tuple(map(str, values)) if isinstance(values, (list, tuple)) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
