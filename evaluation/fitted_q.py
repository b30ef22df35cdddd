"""Fitted-Q evaluation: Q_k(s, a), the expected reward of the next k periods of a policy, cross-fitted by unit.

Q_1 = E[r | s, a];  Q_{k+1}(s, a) = E[r + discount sum_a' policy(a' | s') Q_k(s', a') | s, a].
Transitions of all periods are pooled: the market is taken to be stationary given the context. A round whose next
context was cut off and not recorded teaches nothing about what follows; the others of its step stand for it
(`Episodes.transition`). An action is one ridge regression, so an iteration is a few matrix products, and the
estimation error of the value is linear in the temporal-difference errors, whose weights evaluation/occupancy.py knows.
Errors are those of models that did not see the unit. References: Le, Voloshin, Yue (2019), ICML; Duan, Jia, Wang
(2020), ICML.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import has_fit_parameter

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import InsufficientOverlap
from evaluation.action_regression import MIN_ROUNDS, ActionRegression
from evaluation.episodes import Episodes
from evaluation.occupancy import Pull, trace_policy


@dataclass(frozen=True)
class QValues:
    """Of the policy with as many periods to go as the horizon leaves at each round; all (n_rounds,)."""

    of_action: FloatArray  # Q(s, logged action)
    of_policy: FloatArray  # sum over actions of the policy's probability x Q(s, action)
    of_next: FloatArray  # the same in the next period; zero at the horizon, where the customer left or it is unknown
    influence: FloatArray  # of the round's error on the mean of V_0(s_0); as large as a score of its episode


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
    values = QValues(np.empty(n), np.empty(n), np.zeros(n), np.zeros(n))
    for fold, actions in enumerate(regressions):
        seen = folds != fold
        pulls = trace_policy(episodes, seen, actions, distribution, next_distribution)
        following = np.zeros(n)
        for to_go in range(1, episodes.horizon + 1):
            step = episodes.horizon - to_go
            response = episodes.log.reward + discount * following
            predict = _fit(episodes, seen, actions, response, reward_model)
            now = np.flatnonzero(~seen & (episodes.step == step))
            q = predict(episodes.features[now])
            values.of_action[now] = q[np.arange(len(now)), episodes.log.action[now]]
            values.of_policy[now] = (distribution[now] * q).sum(axis=1)
            values.of_next[now] = following[now]
            teach = discount**step * _influence(episodes, ~seen, response, predict, pulls[step])
            values.influence[~seen] += teach
            following = np.einsum("na,na->n", next_distribution, predict(episodes.next_features))
    return replace(values, influence=values.influence * _scale(episodes, folds))


def _influence(
    episodes: Episodes, unseen: BoolArray, response: FloatArray, predict: "_Predictor", pull: Pull
) -> FloatArray:
    """(n_unseen,) weight of each round's error in V_0 x the error, had the fold taught as well."""
    features = episodes.features[unseen]
    chosen = (np.arange(len(features)), episodes.log.action[unseen])
    return np.asarray(pull(features)[chosen] * (response[unseen] - predict(features)[chosen]))


def _scale(episodes: Episodes, folds: IntArray) -> FloatArray:
    """(n_rounds,) from a share of the episodes that taught to a score of the round's own episode."""
    log = episodes.log
    start = log.sample_weight[episodes.start]
    by_fold = np.bincount(folds[episodes.start], weights=start)
    own = np.repeat(start, np.diff(np.r_[episodes.start, len(log)]))
    return np.asarray(log.sample_weight * episodes.transition * (start.sum() - by_fold)[folds] / own)


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


_Predictor = _LinearPredictor | _EstimatorPredictor


def _fit(
    episodes: Episodes,
    seen: BoolArray,
    actions: Sequence[ActionRegression],
    response: FloatArray,
    reward_model: BaseEstimator | None,
) -> "_Predictor":
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
