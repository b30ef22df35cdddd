"""Columns of a foreign frame as arrays of ours: numbers, codes of text, flags, times, context. All vectorised."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from collection.log_facts import NUMBER, TEXT, TIME
from domain.arrays import BoolArray, Column, FloatArray, IntArray, TextArray, TimeArray

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0", "0.0"})
NAN_WORDS = frozenset({"", "nan", "+nan", "-nan"})
ZONED = r":\d{2}.*(?:Z|[+-]\d{2}(?::?\d{2})?)$"
SECONDS_A_DAY = 86400.0


@dataclass(frozen=True)
class Numbers:
    values: FloatArray  # NaN where missing or not a number
    is_junk: BoolArray  # something stands there, but no number


@dataclass(frozen=True)
class Coded:
    codes: IntArray  # indices into names, -1 where missing
    names: tuple[str, ...]  # sorted


@dataclass(frozen=True)
class Flags:
    values: BoolArray
    is_bad: BoolArray  # missing, or neither true nor false


@dataclass(frozen=True)
class Times:
    values: TimeArray  # UTC, microseconds; NaT where missing or not a time
    is_zoneless: BoolArray  # a time without a zone


def has_values(series: pd.Series) -> bool:
    """False for a column that is empty throughout, which counts as absent."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return any(text_of(value) for value in factorize(series)[1])
    present = series.notna()
    return bool((present & (series != "")).any() if kinds.is_string_dtype(series.dtype) else present.any())


def numbers_of(series: pd.Series) -> Numbers:
    """Numbers from numbers, booleans, decimals or text."""
    if series.dtype == np.float64:  # as it lies in memory
        return Numbers(series.to_numpy(), np.zeros(len(series), dtype=np.bool_))
    if kinds.is_numeric_dtype(series.dtype) or kinds.is_bool_dtype(series.dtype):
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return Numbers(values, np.zeros(len(values), dtype=np.bool_))
    if kinds.is_datetime64_any_dtype(series.dtype):
        return Numbers(np.full(len(series), np.nan), series.notna().to_numpy(dtype=np.bool_))
    plain = series.astype(object)
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    lost = np.flatnonzero(np.isnan(values) & plain.notna().to_numpy())
    is_junk = np.zeros(len(values), dtype=np.bool_)
    is_junk[lost] = [str(v).strip().lower() not in NAN_WORDS for v in plain.iloc[lost]]
    return Numbers(values, is_junk)


def coded(series: pd.Series) -> Coded:
    """Text codes over the sorted distinct texts; integers that came as floats lose their `.0`, "" is missing."""
    codes, distinct = factorize(series)
    texts = [text_of(v) for v in distinct]
    names = sorted({t for t in texts if t})
    place = {name: i for i, name in enumerate(names)}
    # the last entry serves code -1, which factorize gives to what is missing
    recode = np.array([*(place.get(t, -1) for t in texts), -1], dtype=np.int64)
    return Coded(recode[codes], tuple(names))


def unit_codes(series: pd.Series) -> IntArray:
    """Codes in the order of the sorted ids, -1 where missing; without the names, which `coded` would build."""
    if kinds.is_numeric_dtype(series.dtype) or series.dtype == "str":
        codes, _ = pd.factorize(series, sort=True)
        return np.asarray(codes, dtype=np.int64)
    return coded(series).codes


def text_of(value: object) -> str:
    """How a value compares: 3, 3.0 and "3" are the same."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return "" if math.isnan(number) else str(int(number)) if number.is_integer() else str(number)
    return str(value)


def texts_of(series: pd.Series) -> TextArray:
    """Text, None where missing or empty."""
    codes, distinct = factorize(series)
    texts = np.array([*(text_of(v) or None for v in distinct), None], dtype=object)
    return np.asarray(texts[codes], dtype=object)


def flags_of(series: pd.Series) -> Flags:
    """Booleans from booleans, 0/1 or words."""
    codes, distinct = factorize(series)
    words = [text_of(v).strip().lower() for v in distinct]
    values = np.array([*(w in TRUE_WORDS for w in words), False], dtype=np.bool_)
    is_bad = np.array([*(w not in TRUE_WORDS | FALSE_WORDS for w in words), True], dtype=np.bool_)
    return Flags(values[codes], is_bad[codes])


def times_of(series: pd.Series) -> Times:
    """Times from datetimes or ISO 8601 text, in UTC; a time without a zone is taken as UTC and marked."""
    if kinds.is_datetime64_any_dtype(series.dtype):
        is_naive = getattr(series.dt, "tz", None) is None
        aware = series.dt.tz_localize("UTC") if is_naive else series.dt.tz_convert("UTC")
        zoneless = np.full(len(series), is_naive, dtype=np.bool_) & series.notna().to_numpy()
    else:
        text = pd.Series(texts_of(series), dtype="str")
        aware = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
        zoneless = aware.notna().to_numpy() & ~text.str.contains(ZONED, regex=True, na=False).to_numpy(dtype=np.bool_)
    return Times(aware.dt.tz_localize(None).to_numpy(dtype="datetime64[us]"), np.asarray(zoneless, dtype=np.bool_))


def context_column(series: pd.Series) -> Column:
    """A context column: numbers and booleans as float64, times as days since 1970 (UTC), everything else as text.

    An object column that mixes numbers and text is text.
    """
    return read_as(series, kind_of(series))


def kind_of(series: pd.Series) -> str:
    """number, time or text: what a column is read as."""
    if is_number_column(series):
        return NUMBER
    return TIME if kinds.is_datetime64_any_dtype(series.dtype) else TEXT


def read_as(series: pd.Series, kind: str) -> Column:
    """A context column of this kind."""
    if kind == NUMBER:
        return numbers_of(series).values
    if kind == TIME and kinds.is_datetime64_any_dtype(series.dtype):
        days: FloatArray = times_of(series).values.astype("datetime64[us]").astype(np.float64) / 1e6 / SECONDS_A_DAY
        days[series.isna().to_numpy()] = np.nan
        return days
    return texts_of(series)


def is_number_column(series: pd.Series) -> bool:
    """Whether a column holds numbers or booleans, whatever pandas stores them in; empty columns do."""
    if kinds.is_numeric_dtype(series.dtype) or kinds.is_bool_dtype(series.dtype):
        return True
    if series.dtype != object:
        return False
    return pd.api.types.infer_dtype(series, skipna=True) in {
        "integer",
        "floating",
        "mixed-integer-float",
        "decimal",
        "boolean",
        "empty",
    }


def factorize(series: pd.Series) -> tuple[IntArray, list[Hashable]]:
    """Codes (-1 where missing) and distinct values; nested values by their text."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _used_categories(np.asarray(series.cat.codes, dtype=np.int64), series.cat.categories)
    try:
        codes, distinct = pd.factorize(series)
    except TypeError:
        codes, distinct = pd.factorize(series.map(str, na_action="ignore"))
    return np.asarray(codes, dtype=np.int64), list(distinct)


def _used_categories(codes: IntArray, categories: pd.Index) -> tuple[IntArray, list[Hashable]]:
    """The same over the categories that occur; counts where pandas would sort every row's code."""
    used = np.bincount(codes + 1, minlength=len(categories) + 1)[1:] > 0
    recode = np.append(np.cumsum(used) - 1, -1)
    return np.asarray(recode[codes], dtype=np.int64), list(categories[used])
