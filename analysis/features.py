"""The feature pipeline: fitted on training rows, kept as JSON, applied in NumPy to one row or a batch, elementwise.

Numbers are standardised after clipping to the fitted range (no extrapolation) with a missing indicator; text becomes
one-hot levels plus `other` plus `missing`; integer columns with few values get one-hot levels too. With
`interactions`, products of features of different columns follow. One row gives the same bytes as a batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from domain.arrays import Column, FloatArray
from domain.context import Context, text_of
from domain.errors import CorruptPolicy, InvalidSnapshot, MissingColumn

MAX_INTEGER_LEVELS = 12
MAX_TEXT_LEVELS = 50
MIN_LEVEL_ROUNDS = 10


@dataclass(frozen=True)
class NumberEncoding:
    """(value - mean) / scale after clipping to [low, high]; missing gives 0 and its own indicator."""

    column: str
    mean: float
    scale: float
    low: float
    high: float
    levels: tuple[float, ...] = ()  # one-hot beside the number, first level left out

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column, f"{self.column}=missing", *(f"{self.column}={v:g}" for v in self.levels))

    def transform(self, values: Column) -> FloatArray:
        """(n_rounds, len(names)).

        Raises:
            InvalidSnapshot: text where numbers were in training.
        """
        try:
            numbers = values.astype(np.float64)
        except ValueError as error:
            raise InvalidSnapshot(
                f"context column {self.column!r} holds text ({error}); numbers were expected, as in training",
                "send a number, or nothing where it is unknown",
            ) from error
        missing = np.isnan(numbers)
        clipped = np.clip(numbers, self.low, self.high)
        encoded = np.empty((len(numbers), 2 + len(self.levels)))
        encoded[:, 0] = np.where(missing, 0.0, (clipped - self.mean) / self.scale)
        encoded[:, 1] = missing
        for i, level in enumerate(self.levels):
            encoded[:, 2 + i] = numbers == level
        return encoded


@dataclass(frozen=True)
class TextEncoding:
    """One-hot over the fitted levels (the most frequent left out as reference), then `other`, then `missing`."""

    column: str
    reference: str
    levels: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (
            *(f"{self.column}={v}" for v in self.levels),
            f"{self.column}=other",
            f"{self.column}=missing",
        )

    def transform(self, values: Column) -> FloatArray:
        other, missing = len(self.levels), len(self.levels) + 1
        place: dict[str | None, int] = {level: i for i, level in enumerate(self.levels)}
        place |= {self.reference: -1, None: missing}
        texts = values if values.dtype == object else map(text_of, values)  # codes such as 12 may arrive as numbers
        codes = np.array([place.get(v, other) for v in texts], dtype=np.int64)
        encoded = np.zeros((len(values), len(self.levels) + 2))
        rows = np.flatnonzero(codes >= 0)
        encoded[rows, codes[rows]] = 1.0
        return encoded


@dataclass(frozen=True)
class FeatureEncoder:
    """The fitted pipeline.

    >>> context = Context({"tenure_days": np.array([0.0, 100.0])}, n_rounds=2)
    >>> fit_encoder(context).transform(context)[:, 0]
    array([-1.,  1.])
    """

    encodings: tuple[NumberEncoding | TextEncoding, ...]
    interactions: tuple[tuple[int, int], ...] = ()  # pairs of feature indices whose products follow

    @property
    def columns(self) -> tuple[str, ...]:
        """The context columns it needs."""
        return tuple(e.column for e in self.encodings)

    @property
    def names(self) -> tuple[str, ...]:
        """(n_features,) in the order of `transform`."""
        base = [name for e in self.encodings for name in e.names]
        return (*base, *(f"{base[i]}*{base[j]}" for i, j in self.interactions))

    @property
    def n_features(self) -> int:
        return sum(len(e.names) for e in self.encodings) + len(self.interactions)

    def transform(self, context: Context) -> FloatArray:
        """(n_rounds, n_features).

        Raises:
            MissingColumn: a required column is not in the context.
        """
        missing = [name for name in self.columns if name not in context.columns]
        if missing:
            raise MissingColumn(
                f"context lacks {', '.join(missing)}; this policy needs {', '.join(self.columns)}",
                "add the columns (as x_NAME in a log), or train again without them",
            )
        blocks = [e.transform(context.columns[e.column]) for e in self.encodings]
        base = np.concatenate(blocks, axis=1) if blocks else np.empty((context.n_rounds, 0))
        if not self.interactions:
            return base
        left, right = np.array(self.interactions, dtype=np.int64).T
        return np.concatenate([base, base[:, left] * base[:, right]], axis=1)

    def to_data(self) -> dict[str, object]:
        """JSON-able parameters."""
        kinds = {NumberEncoding: "number", TextEncoding: "text"}
        encodings = [{"kind": kinds[type(e)], **asdict(e)} for e in self.encodings]
        return {"encodings": encodings, "interactions": [list(pair) for pair in self.interactions]}


def encoder_from_data(data: Mapping[str, object]) -> FeatureEncoder:
    """The inverse of `FeatureEncoder.to_data`.

    Raises:
        CorruptPolicy: the data do not describe an encoder.
    """
    try:
        encodings = tuple(_encoding_from_data(dict(e)) for e in data["encodings"])  # type: ignore[attr-defined] # JSON
        pairs = tuple((int(i), int(j)) for i, j in data["interactions"])  # type: ignore[attr-defined] # JSON
        n_base = sum(len(e.names) for e in encodings)
        if any(not 0 <= i < n_base for pair in pairs for i in pair):
            raise ValueError(f"interactions name features beyond the {n_base} there are")
        return FeatureEncoder(encodings, pairs)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptPolicy(f"the feature pipeline cannot be read: {error}", "train the policy again") from error


def fit_encoder(
    context: Context, columns: Sequence[str] | None = None, *, interactions: bool = False, saturated: bool = False
) -> FeatureEncoder:
    """Fits the pipeline on training rows, all columns by default, in sorted order; constant columns are left out.

    `saturated` gives one-hot levels to every number with few values, not only to integers.
    """
    names = sorted(context.columns) if columns is None else list(columns)
    fitted = [_fit_column(name, context.column(name), saturated) for name in names]
    encodings = tuple(e for e in fitted if e is not None)
    return FeatureEncoder(encodings, _pairs(encodings) if interactions else ())


def _fit_column(name: str, values: Column, saturated: bool) -> NumberEncoding | TextEncoding | None:
    is_text = values.dtype == object
    return _fit_text(name, values) if is_text else _fit_number(name, values.astype(np.float64), saturated)


def _fit_number(name: str, numbers: FloatArray, saturated: bool) -> NumberEncoding | None:
    seen = numbers[np.isfinite(numbers)]
    if not len(seen) or (seen.min() == seen.max() and len(seen) == len(numbers)):
        return None
    levels, counts = np.unique(seen, return_counts=True)
    is_small = len(levels) <= MAX_INTEGER_LEVELS and (saturated or bool((levels == np.round(levels)).all()))
    kept = levels[1:][counts[1:] >= MIN_LEVEL_ROUNDS].tolist() if is_small and len(levels) > 2 else []
    scale = float(seen.std()) or 1.0
    return NumberEncoding(name, float(seen.mean()), scale, float(seen.min()), float(seen.max()), tuple(kept))


def _fit_text(name: str, values: Column) -> TextEncoding | None:
    present = [str(v) for v in values if v is not None]
    levels, counts = np.unique(np.array(present, dtype=str), return_counts=True)
    if not len(levels) or (len(levels) == 1 and len(present) == len(values)):
        return None
    order = np.lexsort((levels, -counts))[:MAX_TEXT_LEVELS]
    kept = [str(levels[i]) for i in order[1:] if counts[i] >= MIN_LEVEL_ROUNDS]
    return TextEncoding(name, str(levels[order[0]]), tuple(sorted(kept)))


def _pairs(encodings: Sequence[NumberEncoding | TextEncoding]) -> tuple[tuple[int, int], ...]:
    """Products of features of different columns; a column with levels enters by its levels, not by its number."""
    blocks, start = [], 0
    for e in encodings:
        n = len(e.names)
        if isinstance(e, TextEncoding):
            blocks.append(range(start, start + len(e.levels)))
        else:
            blocks.append(range(start + 2, start + n) if e.levels else range(start, start + 1))
        start += n
    return tuple((i, j) for a, b in combinations(blocks, 2) for i in a for j in b)


def _encoding_from_data(data: dict[str, object]) -> NumberEncoding | TextEncoding:
    kind, levels = data.pop("kind"), data.pop("levels")
    if not isinstance(levels, (list, tuple)):
        raise TypeError(f"levels of {data['column']} are {levels!r}, expected a list")
    if kind == "text":
        return TextEncoding(str(data["column"]), str(data["reference"]), tuple(map(str, levels)))
    numbers = {name: float(data[name]) for name in ("mean", "scale", "low", "high")}  # type: ignore[arg-type] # JSON
    return NumberEncoding(str(data["column"]), **numbers, levels=tuple(map(float, levels)))
