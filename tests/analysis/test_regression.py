"""Regression: pencil numbers, dummies' parity, recovery, and intervals that cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.regression import INTERCEPT, fit_regression, within
from domain.arrays import FloatArray, IntArray
from domain.errors import InvalidSnapshot


def make_data(rng: np.random.Generator, n_rows: int = 300) -> tuple[FloatArray, FloatArray, IntArray]:
    """y = 2 x0 - x1 + an effect of its group + noise that grows with |x0|."""
    X, group = rng.normal(size=(n_rows, 2)), rng.integers(0, 8, n_rows)
    y = 2 * X[:, 0] - X[:, 1] + group + (0.5 + np.abs(X[:, 0])) * rng.normal(size=n_rows)
    return y, X, group


def test_fit_regression__hc1_by_hand() -> None:
    # slope = 6/5; residuals e = (.1, -.1, -.1, .1)·4 -> HC0 = sum (x-m)² e² / (sum (x-m)²)²; HC1 = HC0 · n/(n-k)
    x = np.array([0.0, 1.0, 2.0, 3.0])
    e = 0.4 * np.array([1.0, -1.0, -1.0, 1.0])
    fitted = fit_regression(1 + 1.2 * x + e, x[:, None], ["x"])
    assert fitted.names == (INTERCEPT, "x")
    np.testing.assert_allclose(fitted.coefficients, [1, 1.2])
    d = x - 1.5
    assert fitted.stderr[1] == pytest.approx(np.sqrt((d**2 * e**2).sum() / (d**2).sum() ** 2 * 4 / 2))
    assert fitted.r_squared == pytest.approx(1 - (e**2).sum() / ((1.2 * d + e) ** 2).sum())


@pytest.mark.parametrize("is_clustered", [False, True])
def test_fit_regression__absorbed_effects_equal_dummies(is_clustered: bool) -> None:
    y, X, group = make_data(np.random.default_rng(0))
    clusters = np.random.default_rng(1).integers(0, 30, len(y)) if is_clustered else None
    dummies = (group[:, None] == np.arange(1, 8)).astype(float)
    names = ["x0", "x1", *(f"g{i}" for i in range(1, 8))]
    plain = fit_regression(y, np.column_stack([X, dummies]), names, clusters=clusters)
    absorbed = fit_regression(y, X, ["x0", "x1"], absorb=[group], clusters=clusters)
    np.testing.assert_allclose(absorbed.coefficients, plain.coefficients[1:3])
    np.testing.assert_allclose(absorbed.stderr, plain.stderr[1:3])
    np.testing.assert_allclose(absorbed.low, plain.low[1:3])


def test_fit_regression__two_sets_of_effects_equal_dummies() -> None:
    y, X, group = make_data(np.random.default_rng(0))
    other = np.random.default_rng(2).integers(0, 5, len(y))
    dummies = np.column_stack([group[:, None] == np.arange(1, 8), other[:, None] == np.arange(1, 5)]).astype(float)
    names = ["x0", "x1", *(f"d{i}" for i in range(11))]
    plain = fit_regression(y, np.column_stack([X, dummies]), names)
    absorbed = fit_regression(y, X, ["x0", "x1"], absorb=[group, other])
    np.testing.assert_allclose(absorbed.coefficients, plain.coefficients[1:3], rtol=1e-7)
    np.testing.assert_allclose(absorbed.stderr, plain.stderr[1:3], rtol=1e-7)


def test_fit_regression__clusters_of_one_row_are_hc1() -> None:
    y, X, _ = make_data(np.random.default_rng(0))
    single = fit_regression(y, X, ["x0", "x1"], clusters=np.arange(len(y)))
    np.testing.assert_allclose(single.stderr, fit_regression(y, X, ["x0", "x1"]).stderr)


def test_fit_regression__intervals_cover_under_unequal_variances() -> None:
    # 400 draws at 95 %: 3 binomial standard errors are .033
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        y, X, group = make_data(rng, 120)
        fitted = fit_regression(y, X, ["x0", "x1"], absorb=[group])
        covered.append((fitted.low <= [2, -1]) & (fitted.high >= [2, -1]))
    assert (np.abs(np.mean(covered, axis=0) - 0.95) < 0.033).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_fit_regression__scaling_y_scales_everything_but_r_squared(seed: int, factor: float) -> None:
    y, X, group = make_data(np.random.default_rng(seed), 100)
    plain = fit_regression(y, X, ["x0", "x1"], absorb=[group])
    scaled = fit_regression(factor * y, X, ["x0", "x1"], absorb=[group])
    np.testing.assert_allclose(scaled.coefficients, factor * plain.coefficients, rtol=1e-6)
    np.testing.assert_allclose(scaled.high, factor * plain.high, rtol=1e-6)
    assert scaled.r_squared == pytest.approx(plain.r_squared)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_fit_regression__order_of_rows_and_codes_of_groups_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, X, group = make_data(rng, 100)
    order = rng.permutation(100)
    plain = fit_regression(y, X, ["x0", "x1"], absorb=[group], clusters=group)
    other = fit_regression(y[order], X[order], ["x0", "x1"], absorb=[100 - group[order]], clusters=7 * group[order])
    np.testing.assert_allclose(other.coefficients, plain.coefficients)
    np.testing.assert_allclose(other.stderr, plain.stderr)


def test_fit_regression__column_that_effects_determine_is_named() -> None:
    y, X, group = make_data(np.random.default_rng(0))
    with pytest.raises(InvalidSnapshot, match="size is determined"):
        fit_regression(y, np.column_stack([X[:, 0], group * 3.7]), ["x0", "size"], absorb=[group])


def test_fit_regression__too_few_rows_and_missing_values_are_refused() -> None:
    with pytest.raises(InvalidSnapshot, match="more rows were expected"):
        fit_regression(np.ones(2), np.array([[1.0], [2.0]]), ["x"])
    with pytest.raises(InvalidSnapshot, match="missing or infinite"):
        fit_regression(np.array([1.0, np.nan, 2.0]), np.ones((3, 1)), ["x"])


def test_within__leaves_no_group_mean() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.integers(0, 6, 200), rng.integers(0, 9, 200)]
    left = within(rng.normal(size=(200, 2)), groups)
    for codes in groups:
        for g in np.unique(codes):
            np.testing.assert_allclose(left[codes == g].mean(axis=0), 0, atol=1e-8)
