"""Ids as 64-bit hashes that depend on the value alone: the same in every chunk, whatever else the chunk holds."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types as kinds

from collection.values import text_of

HashArray = NDArray[np.uint64]
WHOLE = r"0|-?[1-9][0-9]{0,17}"  # as an integer is written: 007 is another id than 7


def hash_values(series: pd.Series) -> HashArray:
    """(n,) hashes of numbers or text; of what is missing, any.

    A whole number hashes alike as integer, float and text: files of different kinds hold the same ids differently.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        known = np.append(hash_values(pd.Series(series.cat.categories)), np.uint64(0))
        return np.asarray(known[series.cat.codes.to_numpy()])
    if kinds.is_bool_dtype(series.dtype) or not kinds.is_numeric_dtype(series.dtype):
        texts = series.to_numpy(dtype=object) if series.dtype == "str" else series.map(text_of).to_numpy(dtype=object)
        return _hash_texts(np.where(pd.isna(texts), "", texts))
    if kinds.is_integer_dtype(series.dtype):
        return mixed(series.to_numpy(dtype=np.int64, na_value=0))
    return _hash_floats(series.to_numpy(dtype=np.float64, na_value=np.nan))


def mixed(numbers: NDArray[np.int64]) -> HashArray:
    """(n,) integers stirred until every bit depends on every other: splitmix64 (Steele, Lea, Flood 2014, OOPSLA)."""
    h = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(h ^ (h >> np.uint64(31)))


def _hash_floats(numbers: NDArray[np.float64]) -> HashArray:
    with np.errstate(invalid="ignore"):
        is_whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < 2.0**63)
    whole = np.where(is_whole, numbers, 0.0).astype(np.int64)
    return np.where(is_whole, mixed(whole), mixed(numbers.view(np.int64)))


def _hash_texts(texts: NDArray[np.object_]) -> HashArray:
    hashes = np.asarray(pd.util.hash_array(texts, categorize=False), dtype=np.uint64)
    is_whole = pd.Series(texts, dtype="str").str.fullmatch(WHOLE).to_numpy(dtype=np.bool_)
    if is_whole.any():
        hashes[is_whole] = mixed(texts[is_whole].astype(np.int64))
    return hashes
