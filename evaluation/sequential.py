"""Policies assessed on whole episodes: nuisances fitted once a log and policy, every sequential estimator on them.

Q (evaluation/fitted_q.py) and marginalised weights (evaluation/visitation.py) are cross-fitted by unit; each estimator
is a file of its own, see evaluation/sequential_registry.py. drl decides.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, is_classifier

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.errors import UsageError
from domain.log import LoggedDecisions
from evaluation.action_regression import ActionRegression, factorize
from evaluation.assessment import Assessment
from evaluation.drl import DoubleReinforcementLearning
from evaluation.episodes import Episodes, follow, lay_out
from evaluation.fitted_q import fit_q
from evaluation.folds import assign_folds
from evaluation.panel_diagnostics import StepWeights, diagnose_panel
from evaluation.propensity import Propensities, find_propensities
from evaluation.refusals import panel_limits, policy_refusals, reward_refusals
from evaluation.sequential_estimator import estimate_all
from evaluation.sequential_registry import SEQUENTIAL_ESTIMATORS
from evaluation.support import unsupported_share
from evaluation.target import Target
from evaluation.trajectories import Trajectories, logged_trajectories, make_trajectories
from evaluation.visitation import fit_visitation


@dataclass(frozen=True)
class SequentialAssessor:
    """Episodes are the units of observation."""

    episodes: Episodes
    folds: IntArray  # (n_rounds,)
    propensities: Propensities
    regressions: list[list[ActionRegression]]  # [fold][action]
    config: EvaluationConfig
    reward_model: BaseEstimator | None = None

    recommended_estimator = DoubleReinforcementLearning.name

    @staticmethod
    def prepare(
        log: LoggedDecisions,
        config: EvaluationConfig,
        rng: np.random.Generator,
        reward_model: BaseEstimator | None = None,
    ) -> "SequentialAssessor":
        """Everything that does not depend on the policy.

        Raises:
            UsageError: `reward_model` is a classifier; reward plus value of what follows is continuous.
        """
        if reward_model is not None and is_classifier(reward_model):
            raise UsageError(
                f"{type(reward_model).__name__} is a classifier; what it would predict on a panel is continuous",
                "give a scikit-learn regressor",
            )
        episodes = lay_out(log)
        folds = assign_folds(episodes.log.unit, config.n_folds, rng)
        propensities = find_propensities(episodes.log, folds, config)
        return SequentialAssessor(episodes, folds, propensities, factorize(episodes, folds), config, reward_model)

    @property
    def per(self) -> str:
        return f"episode of up to {self.episodes.horizon} periods"

    @property
    def weight(self) -> FloatArray:
        return self.episodes.log.sample_weight[self.episodes.start]

    @property
    def cluster(self) -> IntArray:
        return self.episodes.log.unit[self.episodes.start]

    @property
    def first_row(self) -> IntArray:
        return self.episodes.order[self.episodes.start]

    def assess(self, target: Target) -> Assessment:
        """Every estimator on one policy; the logged policy is what the episodes earned."""
        log = self.episodes.log
        distribution = Target(target.name, target.policy, self._sorted(target.distribution)).on(log)
        if distribution is None:
            return self._assessment(target.name, logged_trajectories(self.episodes, self.config.discount), None)
        return self._assess_policy(target, distribution)

    def _assess_policy(self, target: Target, distribution: FloatArray) -> Assessment:
        e, d = self.episodes, self.config.discount
        rho = distribution[np.arange(len(e.log)), e.log.action] / self.propensities.propensity
        visitation = fit_visitation(e, self.folds, rho)
        q = fit_q(
            e, self.folds, self.regressions, distribution, follow(e, target, distribution),
            discount=d, reward_model=self.reward_model,
        )  # fmt: skip
        is_linear = self.reward_model is None
        trajectories = make_trajectories(e, rho, visitation, q, discount=d, is_influence_known=is_linear)
        return self._assessment(target.name, trajectories, distribution)

    def _assessment(self, name: str, trajectories: Trajectories, distribution: FloatArray | None) -> Assessment:
        log, weights = self.episodes.log, StepWeights(trajectories.importance_weight, trajectories.visitation)
        diagnostics = diagnose_panel(self.episodes, weights, distribution, self.propensities)
        outside = 0.0 if distribution is None else unsupported_share(log, distribution)
        refusals = policy_refusals(name, diagnostics, outside, panel_limits(self.config))
        refusals += reward_refusals(
            name, log.reward_name, log.reward, log.sample_weight * weights.marginal, self.config
        )
        confidence, ess = self.config.confidence, diagnostics.ess
        estimates = estimate_all(SEQUENTIAL_ESTIMATORS, trajectories, name, ess=ess, confidence=confidence)
        scores = DoubleReinforcementLearning().scores(trajectories)
        largest = np.maximum.reduceat(weights.marginal, self.episodes.start)
        return Assessment(name, estimates, scores, largest, diagnostics, refusals)

    def _sorted(self, distribution: FloatArray | None) -> FloatArray | None:
        return None if distribution is None else distribution[self.episodes.order]
