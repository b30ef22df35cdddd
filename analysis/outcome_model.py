"""q(context, action): one ridge regression an action, its penalty chosen by leave-one-out error on the training rows.

In a one-period market its argmax is the plan (agents/), its predictions are the control variate of doubly robust
evaluation (evaluation/), and it is the mean of the fitted market (env/). Any scikit-learn regressor can take the
ridge's place. Reference for the leave-one-out shortcut: Golub, Heath, Wahba (1979), Technometrics 21(2).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import has_fit_parameter

from analysis.features import FeatureEncoder, fit_encoder
from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.context import Context
from domain.errors import UsageError
from domain.log import LoggedDecisions

PENALTIES = tuple(np.logspace(-1, 5, 13).tolist())
MIN_ROUNDS = 20  # fewer rounds of an action than this: its mean, shrunk to the mean of all


@dataclass(frozen=True)
class LinearOutcomeModel:
    """expected reward = features @ coefficients + intercept, an action a column."""

    actions: ActionSet
    encoder: FeatureEncoder
    coefficients: FloatArray  # (n_features, n_actions)
    intercept: FloatArray  # (n_actions,)

    def expected_reward(self, context: Context) -> FloatArray:
        """(n_rounds, n_actions)."""
        return np.asarray(self.encoder.transform(context) @ self.coefficients + self.intercept)


@dataclass(frozen=True)
class EstimatorOutcomeModel:
    """The same by any fitted scikit-learn regressor or classifier, one an action; None where it has too few rounds."""

    actions: ActionSet
    encoder: FeatureEncoder
    estimators: tuple[BaseEstimator | None, ...]
    fallback: FloatArray  # (n_actions,)

    def expected_reward(self, context: Context) -> FloatArray:
        """(n_rounds, n_actions)."""
        features = self.encoder.transform(context)
        columns = [
            np.full(len(features), mean) if e is None else _predict(e, features)
            for e, mean in zip(self.estimators, self.fallback, strict=True)
        ]
        return np.column_stack(columns)


def fit_outcome_model(log: LoggedDecisions, encoder: FeatureEncoder | None = None) -> LinearOutcomeModel:
    """One ridge an action on the rounds of `log`; subsampling weights count."""
    encoder = fit_encoder(log.context) if encoder is None else encoder
    features, weight = encoder.transform(log.context), log.sample_weight
    coefficients = np.zeros((features.shape[1], log.n_actions))
    intercept = _shrunk_means(log)
    for a in range(log.n_actions):
        rows = log.action == a
        if rows.sum() >= MIN_ROUNDS and features.shape[1]:
            ridge = RidgeCV(PENALTIES).fit(features[rows], log.reward[rows], sample_weight=weight[rows])
            coefficients[:, a], intercept[a] = ridge.coef_, ridge.intercept_
    return LinearOutcomeModel(log.actions, encoder, coefficients, intercept)


def fit_estimator_outcome_model(
    log: LoggedDecisions, estimator: BaseEstimator, encoder: FeatureEncoder | None = None
) -> EstimatorOutcomeModel:
    """One clone of `estimator` an action; a classifier predicts the mean of its classes (0/1: the probability of 1).

    Raises:
        UsageError: the log is subsampled, and the estimator takes no `sample_weight`.
    """
    encoder = fit_encoder(log.context) if encoder is None else encoder
    features = encoder.transform(log.context)
    fitted: list[BaseEstimator | None] = []
    for a in range(log.n_actions):
        rows = log.action == a
        enough = rows.sum() >= MIN_ROUNDS and len(np.unique(log.reward[rows])) > 1 and features.shape[1] > 0
        weight = None if log.weight is None else log.weight[rows]
        fitted.append(_fit(clone(estimator), features[rows], log.reward[rows], weight) if enough else None)
    return EstimatorOutcomeModel(log.actions, encoder, tuple(fitted), _shrunk_means(log))


def _shrunk_means(log: LoggedDecisions) -> FloatArray:
    """(n_actions,) weighted mean rewards; an action without MIN_ROUNDS rounds borrows the rest from the mean of all."""
    weight = log.sample_weight
    overall = float(np.average(log.reward, weights=weight))
    n_rounds = np.bincount(log.action, weights=weight, minlength=log.n_actions)
    total = np.bincount(log.action, weights=weight * log.reward, minlength=log.n_actions)
    borrowed = np.maximum(MIN_ROUNDS - n_rounds, 0.0)
    return np.asarray((total + borrowed * overall) / (n_rounds + borrowed))


def _fit(
    estimator: BaseEstimator, features: FloatArray, reward: FloatArray, weight: FloatArray | None
) -> BaseEstimator:
    if weight is None:
        return estimator.fit(features, reward)
    if not has_fit_parameter(estimator, "sample_weight"):
        raise UsageError(
            f"the log carries subsampling weights, but {type(estimator).__name__} takes none",
            "choose an estimator whose fit has sample_weight",
        )
    return estimator.fit(features, reward, sample_weight=weight)


def _predict(estimator: BaseEstimator, features: FloatArray) -> FloatArray:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(features) @ estimator.classes_.astype(np.float64))
    return np.asarray(estimator.predict(features), dtype=np.float64)


__all__ = ["EstimatorOutcomeModel", "LinearOutcomeModel", "fit_estimator_outcome_model", "fit_outcome_model"]
