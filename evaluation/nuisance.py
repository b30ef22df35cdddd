"""What doubly robust evaluation needs besides the log: cross-fitted reward models and propensities.

Cross-fitted by unit: a round's prediction never comes from a model that saw its unit, so its error is independent of
the round and any regression may be used (Chernozhukov et al. 2018, section 3).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

from analysis.features import FeatureEncoder, fit_encoder
from analysis.outcome_model import fit_estimator_outcome_model, fit_outcome_model
from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from domain.policy import RewardModel
from evaluation.folds import assign_folds
from evaluation.propensity import Propensities, find_propensities


@dataclass(frozen=True)
class Nuisance:
    """Shared by every policy that is evaluated on the log."""

    folds: IntArray  # (n_rounds,)
    expected_reward: FloatArray  # (n_rounds, n_actions) q(context, action) from the other folds
    propensities: Propensities


def fit_nuisance(
    log: LoggedDecisions, config: EvaluationConfig, rng: np.random.Generator, reward_model: BaseEstimator | None = None
) -> Nuisance:
    """Cross-fits reward models and, where the log has none, propensities; logged predictions take the models' place.

    Raises:
        InvalidSnapshot: fewer than two units.
    """
    folds = assign_folds(log.unit, config.n_folds, rng)
    if log.predictions is not None and reward_model is None:
        return Nuisance(folds, log.predictions, find_propensities(log, folds, config))
    encoder = fit_encoder(log.context)  # looks at contexts only, so it may see every fold
    expected = np.empty((len(log), log.n_actions))
    for fold in np.unique(folds):
        held_out = folds == fold
        model = fit_reward_model(log.take(~held_out), encoder, reward_model)
        expected[held_out] = model.expected_reward(log.context.take(held_out))
    return Nuisance(folds, expected, find_propensities(log, folds, config))


def fit_reward_model(log: LoggedDecisions, encoder: FeatureEncoder, reward_model: BaseEstimator | None) -> RewardModel:
    """The default ridge an action, or clones of a scikit-learn estimator."""
    if reward_model is None:
        return fit_outcome_model(log, encoder)
    return fit_estimator_outcome_model(log, reward_model, encoder)
