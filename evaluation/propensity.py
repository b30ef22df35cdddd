"""The probability with which each logged action was drawn: as logged, or estimated where the log has none.

Estimated ones are the shares inside the cell where the log names one, else a multinomial logistic regression on the
context. Both are cross-fitted by unit, restricted to `eligible`, sharpened or flattened by one power that minimises
the held-out log loss (temperature: Guo et al. 2017, ICML), and clipped from below. They can only be right when nothing
outside the context moved the choice, so the verdict says that they were estimated.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from analysis.features import fit_encoder
from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from evaluation.propensity_calibration import calibration_error

MIN_PROBABILITY = 1e-12  # keeps logarithms finite


@dataclass(frozen=True)
class Propensities:
    """Where the importance weights' denominators come from."""

    propensity: FloatArray  # (n_rounds,) of the logged action
    source: str  # "logged" | "estimated"
    calibration_error: float | None = None  # of estimated ones, on the folds that their model did not see


def find_propensities(log: LoggedDecisions, folds: IntArray, config: EvaluationConfig) -> Propensities:
    """The logged propensities, else those of the logged distribution, else estimated ones."""
    if log.propensity is not None:
        return Propensities(log.propensity, "logged")
    rows = np.arange(len(log))
    if log.logged_distribution is not None and (log.logged_distribution[rows, log.action] > 0).all():
        return Propensities(log.logged_distribution[rows, log.action], "logged")
    behavior = estimate_behavior(log, folds)
    error = calibration_error(behavior, log.action, log.sample_weight)
    return Propensities(np.maximum(behavior[rows, log.action], config.propensity_floor), "estimated", error)


def estimate_behavior(log: LoggedDecisions, folds: IntArray) -> FloatArray:
    """(n_rounds, n_actions) cross-fitted, calibrated estimate of the policy that logged the data."""
    distribution = _shares_by_cell(log, folds) if log.cell is not None else _logistic(log, folds)
    if log.eligible is not None:
        distribution = np.where(log.eligible, distribution, 0.0)
    distribution = np.maximum(distribution, MIN_PROBABILITY)
    distribution /= distribution.sum(axis=1, keepdims=True)
    return _tempered(distribution, _best_temperature(distribution, log))


def _shares_by_cell(log: LoggedDecisions, folds: IntArray) -> FloatArray:
    assert log.cell is not None
    distribution = np.empty((len(log), log.n_actions))
    place = log.cell * log.n_actions + log.action
    size = (int(log.cell.max()) + 1) * log.n_actions
    for fold in np.unique(folds):
        seen = folds != fold
        counts = np.bincount(place[seen], weights=log.sample_weight[seen], minlength=size).reshape(-1, log.n_actions)
        overall = counts.sum(axis=0) / counts.sum()
        shares = (counts + overall) / (counts.sum(axis=1, keepdims=True) + 1.0)  # a new cell gets the overall shares
        distribution[~seen] = shares[log.cell[~seen]]
    return distribution


def _logistic(log: LoggedDecisions, folds: IntArray) -> FloatArray:
    features = fit_encoder(log.context).transform(log.context)
    distribution = np.zeros((len(log), log.n_actions))
    for fold in np.unique(folds):
        seen = folds != fold
        actions = np.unique(log.action[seen])
        if len(actions) == 1 or not features.shape[1]:
            counts = np.bincount(log.action[seen], weights=log.sample_weight[seen], minlength=log.n_actions)
            distribution[~seen] = counts / counts.sum()
            continue
        with warnings.catch_warnings():  # an unfinished fit is judged by its calibration, like any other
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(max_iter=200).fit(features[seen], log.action[seen], log.sample_weight[seen])
        distribution[np.ix_(~seen, actions)] = model.predict_proba(features[~seen])
    return distribution


def _best_temperature(distribution: FloatArray, log: LoggedDecisions) -> float:
    rows = np.arange(len(log))

    def loss(log_power: float) -> float:
        chosen = _tempered(distribution, float(np.exp(log_power)))[rows, log.action]
        return -float(np.average(np.log(np.maximum(chosen, MIN_PROBABILITY)), weights=log.sample_weight))

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def _tempered(distribution: FloatArray, power: float) -> FloatArray:
    raised = distribution**power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
