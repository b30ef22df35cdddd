"""Groups of a column: they share out every row, follow contexts only, and leave out what groups nobody."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.levels import MAX_GROUPS, group_columns
from domain.arrays import Column
from domain.context import Context


def groups_of(values: Sequence[str] | Column) -> dict[str, int]:
    """name -> rows of one column `x`."""
    column = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    (found,) = group_columns(Context({"x": column}, len(column)))
    return {name: int((found.group == i).sum()) for i, name in enumerate(found.names)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefghijkl")), min_size=1, max_size=300))
def test_text__every_row_is_in_one_named_group(values: list[str | None]) -> None:
    found = group_columns(Context({"x": np.array(values, dtype=object)}, len(values)))
    for column in found:
        assert len(column.group) == len(values)
        assert set(column.group.tolist()) == set(range(len(column.names)))
        assert len(column.names) <= MAX_GROUPS + 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)), min_size=1, max_size=300))
def test_numbers__every_row_is_in_one_named_group(values: list[float]) -> None:
    for column in group_columns(Context({"x": np.array(values)}, len(values))):
        assert set(column.group.tolist()) == set(range(len(column.names)))
        assert len(set(column.names)) == len(column.names)


def test_numbers__are_cut_into_quarters() -> None:
    assert groups_of(np.arange(1000.0)) == {
        "x < 250": 250,
        "250 <= x < 500": 250,
        "500 <= x < 750": 250,
        "x >= 750": 250,
    }


def test_few_numbers__are_groups_of_their_own_and_missing_is_another() -> None:
    assert groups_of(np.array([0.0, 0.0, 1.0, np.nan])) == {"x = 0": 2, "x = 1": 1, "x missing": 1}


def test_rare_levels__share_a_group() -> None:
    frequent = ["a"] * 500 + ["b"] * 400
    rare = [f"z{i}" for i in range(9)]
    assert groups_of(frequent + rare) == {"x = a": 500, "x = b": 400, "x: 9 other levels": 9}
    assert groups_of([*frequent, "z"]) == {"x = a": 500, "x = b": 400, "x = z": 1}


@pytest.mark.parametrize(
    "values",
    [
        np.full(100, 3.0),
        np.full(100, np.nan),
        np.array([f"id-{i}" for i in range(1000)], dtype=object),
        np.array([None] * 100, dtype=object),
        np.r_[np.zeros(999), 1.0],
    ],
    ids=["constant", "missing", "id", "text missing", "almost constant"],
)
def test_columns_that_group_nobody__are_left_out(values: Column) -> None:
    assert group_columns(Context({"x": values}, len(values))) == ()
