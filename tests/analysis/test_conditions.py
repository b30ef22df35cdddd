"""Conditions over context: missing values go where the condition says, and the plain form keeps everything."""

import numpy as np
import pytest

from domain.context import Context
from domain.segments import Condition, Predicate, Segment, predicate_from_data, predicate_to_data

CONTEXT = Context(
    {
        "age": np.array([10.0, 60.0, np.nan]),
        "plan": np.array(["monthly", "yearly", None], dtype=object),
    },
    3,
)


@pytest.mark.parametrize(
    ("condition", "mask", "text"),
    [
        (Condition("age", min=60), [0, 1, 0], "age >= 60"),
        (Condition("age", max=60), [1, 0, 0], "age < 60"),
        (Condition("age", min=60, or_missing=True), [0, 1, 1], "(age >= 60 or missing)"),
        (Condition("age", or_missing=True), [1, 1, 1], "(age known or missing)"),
        (Condition("plan", any_of=("monthly",)), [1, 0, 0], "plan in monthly"),
        (Condition("plan", any_of=("monthly",), or_missing=True), [1, 0, 1], "(plan in monthly or missing)"),
        (Condition("plan", none_of=("monthly",)), [0, 1, 0], "plan not in monthly"),
        (Condition("plan", none_of=("monthly",), or_missing=True), [0, 1, 1], "(plan not in monthly or missing)"),
        (Condition("plan", any_of=(), or_missing=True), [0, 0, 1], "plan missing"),
        (Condition("plan", none_of=()), [1, 1, 0], "plan known"),
    ],
)
def test_condition__mask_text_and_round_trip(condition: Condition, mask: list[int], text: str) -> None:
    assert condition.mask(CONTEXT).astype(int).tolist() == mask
    assert str(condition) == text
    assert predicate_from_data(predicate_to_data(Predicate((condition,)))) == Predicate((condition,))  # type: ignore[arg-type] # JSON


def test_predicate__plain_forms_keep_their_data_and_so_their_ids() -> None:
    predicate = Predicate((Condition("plan", any_of=("monthly",)), Condition("age", min=60)))
    assert predicate_to_data(predicate) == {"plan": ["monthly"], "age": {"min": 60}}
    assert Segment("x", predicate).segment_id == Segment("y", predicate).segment_id
