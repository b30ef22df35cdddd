"""The feature pipeline: fitted parameters as JSON, the same bytes for one row and for many."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.features import MAX_TEXT_LEVELS, encoder_from_data, fit_encoder
from domain.arrays import Column
from domain.context import Context
from domain.errors import CorruptPolicy, InvalidSnapshot, MissingColumn


def make_context(**columns: Sequence[object]) -> Context:
    arrays = {name: _column(values) for name, values in columns.items()}
    return Context(arrays, len(next(iter(arrays.values()))))


def _column(values: Sequence[object]) -> Column:
    is_text = any(isinstance(v, str) for v in values)
    return np.array(values, dtype=object) if is_text else np.array(values, dtype=np.float64)


def random_context(rng: np.random.Generator, n_rows: int = 60) -> Context:
    numbers = rng.normal(size=n_rows)
    numbers[rng.random(n_rows) < 0.1] = np.nan
    plan = rng.choice(np.array(["m", "y", "w", None], dtype=object), n_rows)
    return Context({"age": numbers, "visits": rng.integers(0, 4, n_rows).astype(float), "plan": plan}, n_rows)


def test_fit_encoder__numbers_by_hand() -> None:
    encoder = fit_encoder(make_context(age=[0.0, 10.0, 20.0, 30.5] * 5))
    values = np.array([0.0, 10.0, 20.0, 30.5])
    scale = values.std()
    new = make_context(age=[10.0, 99.0, -99.0, float("nan")])
    np.testing.assert_allclose(
        encoder.transform(new)[:, 0], [(10 - 15.125) / scale, (30.5 - 15.125) / scale, -15.125 / scale, 0]
    )
    assert encoder.transform(new)[:, 1].tolist() == [0, 0, 0, 1]


def test_fit_encoder__text_by_hand() -> None:
    encoder = fit_encoder(make_context(plan=["m"] * 20 + ["y"] * 15 + ["w"] * 3))
    assert encoder.names == ("plan=y", "plan=other", "plan=missing")
    new = make_context(plan=["m", "y", "w", "never seen", None])
    assert encoder.transform(new).tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_fit_encoder__small_integers_are_categories_too() -> None:
    encoder = fit_encoder(make_context(visits=[0.0, 1.0, 2.0] * 10))
    assert encoder.names == ("visits", "visits=missing", "visits=1", "visits=2")
    assert encoder.transform(make_context(visits=[2.0]))[0, 2:].tolist() == [0, 1]


def test_fit_encoder__saturated_gives_levels_to_any_number_with_few_values() -> None:
    few = make_context(price=[0.75, 1.0, 1.25] * 10)
    assert fit_encoder(few).names == ("price", "price=missing")
    assert fit_encoder(few, saturated=True).names == ("price", "price=missing", "price=1", "price=1.25")


def test_fit_encoder__constant_columns_are_left_out() -> None:
    assert fit_encoder(make_context(age=[3.0] * 20, plan=["m"] * 20)).n_features == 0


def test_fit_encoder__interactions_multiply_different_columns_only() -> None:
    encoder = fit_encoder(make_context(age=[0.5, 1.5] * 20, size=[1.5, 2.5, 3.5, 4.5] * 10), interactions=True)
    assert encoder.names[-1] == "age*size"
    features = encoder.transform(make_context(age=[1.5], size=[4.5]))[0]
    assert features[-1] == pytest.approx(features[0] * features[2])


def test_transform__missing_column_is_named() -> None:
    encoder = fit_encoder(make_context(age=[0.5, 1.5], size=[1.5, 2.5]))
    with pytest.raises(MissingColumn, match="lacks size; this policy needs age, size"):
        encoder.transform(make_context(age=[1.0]))


def test_transform__text_where_numbers_were_is_refused() -> None:
    with pytest.raises(InvalidSnapshot, match="'age' holds text"):
        fit_encoder(make_context(age=[0.5, 1.5])).transform(make_context(age=["old"]))


def test_transform__text_column_that_arrives_empty_is_missing_not_other() -> None:
    encoder = fit_encoder(make_context(plan=["m"] * 20 + ["y"] * 20))
    empty = Context({"plan": np.full(2, np.nan)}, 2)
    assert encoder.transform(empty).tolist() == [[0, 0, 1]] * 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_transform__one_row_gives_the_bytes_of_the_batch(seed: int, interactions: bool) -> None:
    context = random_context(np.random.default_rng(seed))
    encoder = fit_encoder(context, interactions=interactions)
    batch = encoder.transform(context)
    for i in range(0, 60, 7):
        assert encoder.transform(context.take(np.array([i]))).tobytes() == batch[i].tobytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_encoder__survives_json_to_the_byte(seed: int, interactions: bool) -> None:
    context = random_context(np.random.default_rng(seed))
    encoder = fit_encoder(context, interactions=interactions)
    again = encoder_from_data(json.loads(json.dumps(encoder.to_data())))
    assert again == encoder
    assert again.transform(context).tobytes() == encoder.transform(context).tobytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_fit_encoder__order_of_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    context = random_context(rng)
    order = rng.permutation(60)
    features = fit_encoder(context).transform(context)
    np.testing.assert_allclose(fit_encoder(context.take(order)).transform(context), features, atol=1e-12)


def test_fit_encoder__many_levels_are_capped() -> None:
    levels = [f"v{i:03d}" for i in range(200) for _ in range(10)]
    assert fit_encoder(make_context(plan=levels)).n_features == MAX_TEXT_LEVELS + 1


@pytest.mark.parametrize("data", [{}, {"encodings": [{"kind": "number"}], "interactions": []}, {"encodings": 3}])
def test_encoder_from_data__damage_is_a_corrupt_policy(data: dict[str, object]) -> None:
    with pytest.raises(CorruptPolicy, match="train the policy again"):
        encoder_from_data(data)
