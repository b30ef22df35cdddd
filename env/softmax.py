"""Softmax regression on counts, shrunk toward coefficients that are already known.

    rate[k] = softmax_k(offset[k] + features @ coefficients[:, k])

maximises the multinomial likelihood minus penalty / 2 * ||coefficients - center||^2; hazards are the two-class case
(Cox 1972's discrete logistic hazard). Shrinking an action's coefficients toward those of all actions together is what
lets rarely tried actions borrow strength.
"""

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from domain.arrays import FloatArray

MAX_ITERATIONS = 60
TOLERANCE = 1e-6  # largest gradient, per counted round
FUNCTION_TOLERANCE = 1e8  # relative change of the loss, in units of machine precision


def softmax(logits: FloatArray) -> FloatArray:
    """(n, n_classes) rates that sum to one a row."""
    rates: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True))
    rates /= rates.sum(axis=1, keepdims=True)
    return rates


def fit_softmax(
    features: FloatArray,
    offset: FloatArray,
    counts: FloatArray,
    center: FloatArray,
    start: FloatArray | None = None,
    *,
    penalty: FloatArray,
) -> FloatArray:
    """(n_features, n_classes) coefficients.

    Args:
        features: (n, n_features).
        offset: (n, n_classes) logits known beforehand.
        counts: (n, n_classes) how often each class followed; rows may be aggregated or weighted.
        center: (n_features, n_classes) where the coefficients go without data.
        start: (n_features, n_classes) where the search begins; None = at the center.
        penalty: (n_features,) ridge on the distance from `center`, in rounds.
    """
    n_rounds = counts.sum(axis=1, keepdims=True)
    total, pull = float(n_rounds.sum()), penalty[:, None]
    if total == 0 or not features.shape[1]:
        return center

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        coefficients = flat.reshape(center.shape)
        rates = softmax(offset + features @ coefficients)
        away = coefficients - center
        fit = -float((counts * np.log(np.maximum(rates, 1e-12))).sum())
        gradient = features.T @ (n_rounds * rates - counts) + pull * away
        return (fit + float((pull * away**2).sum()) / 2) / total, gradient.ravel() / total

    first = (center if start is None else start).ravel()
    flat, _, _ = fmin_l_bfgs_b(loss, first, maxiter=MAX_ITERATIONS, pgtol=TOLERANCE, factr=FUNCTION_TOLERANCE)
    return np.asarray(flat, dtype=np.float64).reshape(center.shape)
