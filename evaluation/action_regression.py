"""Ridge regression of one action, factorised once for every response: periods to go, policies, and their influence.

Its penalty is chosen anew for every response by generalised cross-validation, because rewards and values differ in
noise, but never above MAX_PENALTY: what is best for predicting shrinks too much for a mean that needs an interval.
Reference: Golub, Heath, Wahba (1979), Technometrics 21(2).
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray
from evaluation.episodes import Episodes

PENALTIES = np.logspace(-2, 5, 15)
MAX_PENALTY = 10.0  # in rounds
MIN_ROUNDS = 20  # fewer rounds of an action than this: its mean, shrunk to the mean of all


@dataclass(frozen=True)
class ActionRegression:
    """Ridge of one action on the training rounds of one fold, ready for any response."""

    rows: IntArray  # (n,) training rounds that logged the action
    weight: FloatArray  # (n,)
    centered: FloatArray  # (n, n_features)
    mean: FloatArray  # (n_features,)
    vectors: FloatArray  # (n_features, n_features) of the weighted Gram matrix
    spectrum: FloatArray  # (n_features,)

    @property
    def share(self) -> float:
        """Weight of the action's own mean; below MIN_ROUNDS the mean of all rounds has the rest."""
        return min(len(self.rows) / MIN_ROUNDS, 1.0)

    def solve(self, response: FloatArray, overall: float) -> tuple[FloatArray, float]:
        """Coefficients (n_features,) and intercept for a response (n_rounds,) over all rounds."""
        y = response[self.rows]
        center = float(np.average(y, weights=self.weight)) if len(y) else overall
        if self.share < 1:
            return np.zeros(len(self.mean)), self.share * center + (1 - self.share) * overall
        deviation = y - center
        projected = self.vectors.T @ (self.centered.T @ (self.weight * deviation))
        penalty = self._best_penalty(projected, float((self.weight * deviation**2).sum()), len(y))
        coefficients = self.vectors @ (projected / (self.spectrum + penalty))
        return coefficients, center - float(self.mean @ coefficients)

    def pull(self, features: FloatArray, mass: float) -> tuple[FloatArray, float]:
        """Coefficients and constant of the weights that make up the prediction at `mass` times their mean context.

        sum(weight x (constant + features @ coefficients) x y) = features' @ slope + mass x intercept, for any y, of the
        ridge with MAX_PENALTY.
        """
        total = float(self.weight.sum())
        if self.share < 1:
            return np.zeros(len(self.mean)), self.share * mass / total if total > 0 else 0.0
        shifted = self.vectors.T @ (features - mass * self.mean)
        coefficients = self.vectors @ (shifted / (self.spectrum + MAX_PENALTY))
        return coefficients, mass / total - float(self.mean @ coefficients)

    def _best_penalty(self, projected: FloatArray, total: float, n: int) -> float:
        shrunk = self.spectrum + PENALTIES[:, None]
        residual = total - 2 * (projected**2 / shrunk).sum(axis=1) + (projected**2 * self.spectrum / shrunk**2).sum(1)
        freedom = n - 1 - (self.spectrum / shrunk).sum(axis=1)
        score = np.where(freedom > 1, residual / np.maximum(freedom, 1.0) ** 2, np.inf)
        return min(float(PENALTIES[int(np.argmin(score))]), MAX_PENALTY)


def factorize(episodes: Episodes, folds: IntArray) -> list[list[ActionRegression]]:
    """[fold][action], each fold fitted on the others' rounds."""
    tells = episodes.transition > 0
    return [
        [_factorize_action(episodes, np.flatnonzero((folds != fold) & (episodes.log.action == a) & tells))
         for a in range(episodes.log.n_actions)]
        for fold in range(int(folds.max()) + 1)
    ]  # fmt: skip


def _factorize_action(episodes: Episodes, rows: IntArray) -> ActionRegression:
    features, weight = episodes.features[rows], (episodes.log.sample_weight * episodes.transition)[rows]
    mean = np.average(features, axis=0, weights=weight) if len(rows) else np.zeros(features.shape[1])
    centered = features - mean
    spectrum, vectors = np.linalg.eigh((centered * weight[:, None]).T @ centered)
    return ActionRegression(rows, weight, centered, mean, vectors, np.maximum(spectrum, 0.0))
