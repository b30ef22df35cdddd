"""Softmax regression: known coefficients come back, and without data it stays where it was told to."""

import numpy as np

from env.softmax import fit_softmax, softmax


def test_fit__recovers_known_rates() -> None:
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.standard_normal((4_000, 2)), np.ones(4_000)])
    truth = np.array([[0.0, 1.0, -0.5], [0.0, -1.0, 0.3], [0.0, 0.2, -0.4]])
    rates = softmax(features @ truth)
    counts = np.stack([rng.multinomial(20, r) for r in rates]).astype(np.float64)
    fitted = fit_softmax(features, np.zeros(counts.shape), counts, np.zeros((3, 3)), penalty=np.full(3, 0.01))
    assert np.abs(softmax(features @ fitted) - rates).mean() < 0.01


def test_fit__stays_at_the_center_under_a_huge_penalty() -> None:
    features, center = np.ones((10, 1)), np.array([[0.7, -0.7]])
    counts = np.tile([0.0, 5.0], (10, 1))
    fitted = fit_softmax(features, np.zeros((10, 2)), counts, center, penalty=np.array([1e9]))
    np.testing.assert_allclose(fitted, center, atol=1e-4)


def test_fit__counting_rows_together_changes_nothing() -> None:
    features = np.array([[1.0], [1.0], [-1.0]])
    counts = np.array([[3.0, 1.0], [2.0, 4.0], [1.0, 6.0]])
    together = np.array([[5.0, 5.0], [1.0, 6.0]])
    start, pull = np.zeros((1, 2)), np.ones(1)
    apart = fit_softmax(features, np.zeros((3, 2)), counts, start, penalty=pull)
    joined = fit_softmax(features[1:], np.zeros((2, 2)), together, start, penalty=pull)
    np.testing.assert_allclose(apart, joined, atol=1e-4)
