"""Values of whole episodes: double reinforcement learning, and the plain estimators beside it.

drl   psi = V_0(s_0) + sum_t d^t w_t(s_t) rho_t (r_t + d V_{t+1}(s_{t+1}) - Q_t(s_t, a_t)), the efficient one for Markov
      data: rho is one period's weight, w the marginalised weight of evaluation/visitation.py. Consistent when either Q
      or the weights are right. It decides. Kallus and Uehara (2020), JMLR 21(167).
dr    the same with products of rho in place of w_t rho_t; needs no Markov property, explodes with the horizon.
      Jiang and Li (2016), ICML; Thomas and Brunskill (2016), ICML.
pdis  sum_t d^t (product of rho up to t) r_t. Precup, Sutton, Singh (2000), ICML.
fqe   the mean of V_0(s_0): as good as the Q model, whose error its interval leaves out.

Only drl is vouched for: products leave so few effective episodes that their intervals fall short long before they look
it. d is the discount a step. Each is a mean over episodes, its interval clustered by unit. Q and w are cross-fitted.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.base import BaseEstimator, is_classifier

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.errors import UsageError
from domain.estimates import PolicyValueEstimate
from domain.log import LoggedDecisions
from evaluation.assessment import Assessment
from evaluation.episodes import Episodes, follow, lay_out
from evaluation.fitted_q import ActionRegression, factorize, fit_q
from evaluation.folds import assign_folds
from evaluation.panel_diagnostics import StepWeights, diagnose_panel
from evaluation.propensity import Propensities, find_propensities
from evaluation.refusals import panel_limits, policy_refusals, reward_refusals
from evaluation.scores import mean_interval
from evaluation.support import unsupported_share
from evaluation.target import Target
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

    recommended_estimator = "drl"

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
        """All four estimators on one policy; the logged policy is what the episodes earned."""
        log = self.episodes.log
        distribution = Target(target.name, target.policy, self._sorted(target.distribution)).on(log)
        if distribution is None:
            return self._assess_logged(target.name)
        rho = distribution[np.arange(len(log)), log.action] / self.propensities.propensity
        visitation = fit_visitation(self.episodes, self.folds, rho)
        scores = self._scores(target, distribution, rho, visitation)
        weights = StepWeights(rho, visitation)
        return self._assessment(target.name, scores, weights, distribution)

    def _scores(
        self, target: Target, distribution: FloatArray, rho: FloatArray, visitation: FloatArray
    ) -> dict[str, FloatArray]:
        """estimator -> (n_episodes,)."""
        e, d = self.episodes, self.config.discount
        q = fit_q(
            e, self.folds, self.regressions, distribution, follow(e, target, distribution),
            discount=d, reward_model=self.reward_model,
        )  # fmt: skip
        products = _products(e, rho)
        correction = self._observed * (e.log.reward + d * q.of_next - q.of_action)
        first = q.of_policy[e.start]
        return {
            "pdis": e.sum_by_episode(self._present * products * e.log.reward),
            "fqe": first,
            "dr": first + e.sum_by_episode(products * correction),
            "drl": first + e.sum_by_episode(visitation * rho * correction),
        }

    def _assess_logged(self, name: str) -> Assessment:
        earned = self.episodes.sum_by_episode(self._present * self.episodes.log.reward)
        one = np.ones(len(self.episodes.log))
        scores = dict.fromkeys(("pdis", "fqe", "dr", "drl"), earned)
        return self._assessment(name, scores, StepWeights(one, one), None)

    def _assessment(
        self, name: str, scores: dict[str, FloatArray], weights: StepWeights, distribution: FloatArray | None
    ) -> Assessment:
        log = self.episodes.log
        diagnostics = diagnose_panel(self.episodes, weights, distribution, self.propensities)
        outside = 0.0 if distribution is None else unsupported_share(log, distribution)
        refusals = policy_refusals(name, diagnostics, outside, panel_limits(self.config))
        refusals += reward_refusals(
            name, log.reward_name, log.reward, log.sample_weight * weights.marginal, self.config
        )
        estimates = tuple(self._estimate(name, kind, s, diagnostics.ess) for kind, s in scores.items())
        largest = np.maximum.reduceat(weights.marginal, self.episodes.start)
        return Assessment(name, estimates, scores["drl"], largest, diagnostics, refusals)

    def _estimate(self, name: str, kind: str, scores: FloatArray, ess: float) -> PolicyValueEstimate:
        i = mean_interval(scores, self.weight, self.cluster, self.config.confidence)
        is_vouched_for = kind == self.recommended_estimator
        return PolicyValueEstimate(name, kind, i.value, i.low, i.high, i.stderr, ess, i.n, trusted=is_vouched_for)

    @cached_property
    def _present(self) -> FloatArray:
        """(n_rounds,) discount of the step / probability that the step was observed."""
        return np.asarray(self.config.discount**self.episodes.step / self.episodes.kept)

    @cached_property
    def _observed(self) -> FloatArray:
        """The same / probability that what follows is known as well; at the horizon nothing needs to follow."""
        is_last = self.episodes.step == self.episodes.horizon - 1
        return np.asarray(self._present * np.where(is_last, 1.0, self.episodes.transition))

    def _sorted(self, distribution: FloatArray | None) -> FloatArray | None:
        return None if distribution is None else distribution[self.episodes.order]


def _products(episodes: Episodes, rho: FloatArray) -> FloatArray:
    """(n_rounds,) product of rho from the episode's first round to this one."""
    products = rho.copy()
    for t in range(1, episodes.horizon):
        now = np.flatnonzero(episodes.step == t)
        products[now] *= products[now - 1]
    return products
