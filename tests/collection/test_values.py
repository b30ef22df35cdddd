"""Columns as arrays: the same whatever pandas keeps them in."""

import numpy as np
import pandas as pd

from collection.values import coded, factorize, has_values


def test_categories_that_do_not_occur__are_no_names() -> None:
    series = pd.Series(pd.Categorical(["b", None, "c", "b", ""], categories=["a", "c", "b", "", "z"]))
    codes, distinct = factorize(series)
    assert [None if code < 0 else distinct[code] for code in codes] == ["b", None, "c", "b", ""]
    assert distinct == ["c", "b", ""]
    assert coded(series).names == coded(series.astype(object)).names == ("b", "c")
    np.testing.assert_array_equal(coded(series).codes, coded(series.astype(object)).codes)


def test_categories__that_are_all_empty_hold_nothing() -> None:
    assert not has_values(pd.Series(pd.Categorical(["", None], categories=["", "a"])))
    assert has_values(pd.Series(pd.Categorical(["", "a"], categories=["", "a"])))
    assert not has_values(pd.Series(pd.Categorical([], categories=["a"])))
