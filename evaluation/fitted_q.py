"""Fitted-Q evaluation: Q_k(s, a), the expected reward of the next k periods of a policy, cross-fitted by unit.

Q_1 = E[r | s, a];  Q_{k+1}(s, a) = E[r + discount sum_a' policy(a' | s') Q_k(s', a') | s, a].
Transitions of all periods are pooled: the market is taken to be stationary given the context. A round whose next
context was cut off and not recorded teaches nothing about what follows; the others of its step stand for it
(`Episodes.transition`). An action is one ridge
regression whose Gram matrix is factorised once, for all k and all policies, so an iteration is a few matrix products;
its penalty is chosen anew in every iteration by generalised cross-validation, because rewards and values differ in
noise. References: Le, Voloshin, Yue (2019), ICML; Golub, Heath, Wahba (1979), Technometrics 21(2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import has_fit_parameter

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import InsufficientOverlap
from evaluation.episodes import Episodes

PENALTIES = np.logspace(-2, 5, 15)
MIN_ROUNDS = 20  # fewer rounds of an action than this: its mean, shrunk to the mean of all


@dataclass(frozen=True)
class QValues:
    """Of the policy with as many periods to go as the horizon leaves at each round; all (n_rounds,)."""

    of_action: FloatArray  # Q(s, logged action)
    of_policy: FloatArray  # sum over actions of the policy's probability x Q(s, action)
    of_next: FloatArray  # the same in the next period; zero at the horizon, where the customer left or it is unknown


@dataclass(frozen=True)
class ActionRegression:
    """Ridge of one action on the training rounds of one fold, ready for any response."""

    rows: IntArray  # (n,) training rounds that logged the action
    weight: FloatArray  # (n,)
    centered: FloatArray  # (n, n_features)
    mean: FloatArray  # (n_features,)
    vectors: FloatArray  # (n_features, n_features) of the weighted Gram matrix
    spectrum: FloatArray  # (n_features,)

    def solve(self, response: FloatArray, overall: float) -> tuple[FloatArray, float]:
        """Coefficients (n_features,) and intercept for a response (n_rounds,) over all rounds."""
        y = response[self.rows]
        n = len(y)
        if n < MIN_ROUNDS:
            return np.zeros(len(self.mean)), float((y.sum() + (MIN_ROUNDS - n) * overall) / MIN_ROUNDS)
        center = float(np.average(y, weights=self.weight))
        deviation = y - center
        projected = self.vectors.T @ (self.centered.T @ (self.weight * deviation))
        penalty = self._best_penalty(projected, float((self.weight * deviation**2).sum()), n)
        coefficients = self.vectors @ (projected / (self.spectrum + penalty))
        return coefficients, center - float(self.mean @ coefficients)

    def _best_penalty(self, projected: FloatArray, total: float, n: int) -> float:
        shrunk = self.spectrum + PENALTIES[:, None]
        residual = total - 2 * (projected**2 / shrunk).sum(axis=1) + (projected**2 * self.spectrum / shrunk**2).sum(1)
        freedom = n - 1 - (self.spectrum / shrunk).sum(axis=1)
        score = np.where(freedom > 1, residual / np.maximum(freedom, 1.0) ** 2, np.inf)
        return float(PENALTIES[int(np.argmin(score))])


def factorize(episodes: Episodes, folds: IntArray) -> list[list[ActionRegression]]:
    """[fold][action], each fold fitted on the others' rounds."""
    tells = episodes.transition > 0
    return [
        [_factorize_action(episodes, np.flatnonzero((folds != fold) & (episodes.log.action == a) & tells))
         for a in range(episodes.log.n_actions)]
        for fold in range(int(folds.max()) + 1)
    ]  # fmt: skip


def fit_q(
    episodes: Episodes,
    folds: IntArray,
    regressions: Sequence[Sequence[ActionRegression]],
    distribution: FloatArray,
    next_distribution: FloatArray,
    *,
    discount: float,
    reward_model: BaseEstimator | None = None,
) -> QValues:
    """Cross-fitted Q of one policy, given by its distributions (n_rounds, n_actions) now and in the next period."""
    n = len(episodes.log)
    values = QValues(np.empty(n), np.empty(n), np.zeros(n))
    for fold, actions in enumerate(regressions):
        following = np.zeros(n)
        for to_go in range(1, episodes.horizon + 1):
            response = episodes.log.reward + discount * following
            predict = _fit(episodes, folds != fold, actions, response, reward_model)
            at = np.flatnonzero((folds == fold) & (episodes.step == episodes.horizon - to_go))
            q = predict(episodes.features[at])
            values.of_action[at] = q[np.arange(len(at)), episodes.log.action[at]]
            values.of_policy[at] = (distribution[at] * q).sum(axis=1)
            values.of_next[at] = following[at]
            following = np.einsum("na,na->n", next_distribution, predict(episodes.next_features))
    return values


class _LinearPredictor:
    """(n, n_features) -> (n, n_actions)."""

    def __init__(self, coefficients: FloatArray, intercept: FloatArray) -> None:
        self._coefficients, self._intercept = coefficients, intercept

    def __call__(self, features: FloatArray) -> FloatArray:
        return np.asarray(features @ self._coefficients + self._intercept)


class _EstimatorPredictor:
    """The same by fitted scikit-learn regressors."""

    def __init__(self, estimators: Sequence[BaseEstimator | float]) -> None:
        self._estimators = estimators

    def __call__(self, features: FloatArray) -> FloatArray:
        columns = [
            np.full(len(features), e) if isinstance(e, float) else np.asarray(e.predict(features))
            for e in self._estimators
        ]
        return np.column_stack(columns)


def _fit(
    episodes: Episodes,
    seen: BoolArray,
    actions: Sequence[ActionRegression],
    response: FloatArray,
    reward_model: BaseEstimator | None,
) -> _LinearPredictor | _EstimatorPredictor:
    weight = np.where(seen, episodes.log.sample_weight * episodes.transition, 0.0)
    if not weight.any():
        raise InsufficientOverlap(
            "no round of this panel tells what followed: every episode ends after a step without a next context",
            "record next contexts in columns next_x_*, or longer episodes",
        )
    overall = float(np.average(response, weights=weight))
    if reward_model is None:
        solved = [action.solve(response, overall) for action in actions]
        return _LinearPredictor(np.column_stack([c for c, _ in solved]), np.array([i for _, i in solved]))
    fitted: list[BaseEstimator | float] = []
    for action in actions:
        enough = len(action.rows) >= MIN_ROUNDS
        fitted.append(_fit_estimator(reward_model, episodes, action, response) if enough else overall)
    return _EstimatorPredictor(fitted)


def _fit_estimator(
    reward_model: BaseEstimator, episodes: Episodes, action: ActionRegression, response: FloatArray
) -> BaseEstimator:
    weights = {"sample_weight": action.weight} if has_fit_parameter(reward_model, "sample_weight") else {}
    return clone(reward_model).fit(episodes.features[action.rows], response[action.rows], **weights)


def _factorize_action(episodes: Episodes, rows: IntArray) -> ActionRegression:
    features, weight = episodes.features[rows], (episodes.log.sample_weight * episodes.transition)[rows]
    mean = np.average(features, axis=0, weights=weight) if len(rows) else np.zeros(features.shape[1])
    centered = features - mean
    spectrum, vectors = np.linalg.eigh((centered * weight[:, None]).T @ centered)
    return ActionRegression(rows, weight, centered, mean, vectors, np.maximum(spectrum, 0.0))
