"""Reward models of a log that is too long to be learned from whole: fitted on a random sample, cross-fitted.

Folds follow the unit (or, where rows are units, the row), so a round of fold k is predicted by models that saw only
sampled rounds of other folds: its error is independent of the round, as doubly robust evaluation needs
(Chernozhukov et al. 2018, section 3). A smaller sample makes the models worse and intervals wider, never wrong; where
there are no other folds zero is predicted.
"""

import numpy as np

from analysis.features import fit_encoder
from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from domain.policy import RewardModel
from evaluation.nuisance import fit_reward_model


class SampledModels:
    """One model a fold."""

    def __init__(self, sample: LoggedDecisions, fold: IntArray, config: EvaluationConfig) -> None:
        encoder = fit_encoder(sample.context)
        self._models: list[RewardModel | None] = [
            fit_reward_model(sample.take(fold != k), encoder, None) if (fold != k).any() else None
            for k in range(config.n_folds)
        ]

    def expected_reward(self, log: LoggedDecisions, fold: IntArray) -> FloatArray:
        """(n_rounds, n_actions) of a chunk whose rounds are in these folds."""
        expected = np.zeros((len(log), log.n_actions))
        for k, model in enumerate(self._models):
            rows = fold == k
            if model is not None:
                expected[rows] = model.expected_reward(log.context.take(rows))
        return expected
