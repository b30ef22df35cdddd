"""What a sequential estimator needs of every round, for one evaluated policy on episodes of different lengths.

An episode that ends (`terminated`) earns nothing ever after and keeps its weight; one that is cut off leaves its weight
to those still observed (`kept`). Rounds stand in the order of (episode, step).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from evaluation.episodes import Episodes
from evaluation.fitted_q import QValues


@dataclass(frozen=True)
class Trajectories:
    """Arrays of one policy on one panel."""

    start: IntArray  # (n_episodes,) first round of each episode
    step: IntArray  # (n_rounds,)
    terminated: BoolArray  # (n_rounds,) the customer left after the round
    reward: FloatArray  # (n_rounds,)
    importance_weight: FloatArray  # (n_rounds,) one period's: policy / propensity of the logged action
    visitation: FloatArray  # (n_rounds,) how much more often the policy brings customers to this context at this step
    kept: FloatArray  # (n_rounds,) probability that observation had not ended before this step
    error_weight: FloatArray  # (n_rounds,) 1 / probability that `error` is known; zero where it is not
    error: FloatArray  # (n_rounds,) reward + discount V(next) - Q(context, logged action), of a Q that saw neither
    first_value: FloatArray  # (n_episodes,) V_0(s_0) of the same Q
    influence: FloatArray  # (n_episodes,) of the episode on the mean of V_0(s_0), through Q
    sample_weight: FloatArray  # (n_episodes,) 1 / keep-probability
    cluster: IntArray  # (n_episodes,) unit codes; episodes of one unit are not independent
    discount: float = 1.0  # a step
    is_influence_known: bool = True  # False: Q is no linear regression, `influence` only stands in for its error

    @property
    def horizon(self) -> int:
        return int(self.step.max()) + 1

    @cached_property
    def products(self) -> FloatArray:
        """(n_rounds,) product of importance weights from the episode's first round to this one."""
        products = self.importance_weight.copy()
        by_step = np.argsort(self.step, kind="stable")
        for now in np.split(by_step, np.flatnonzero(np.diff(self.step[by_step])) + 1)[1:]:
            products[now] *= products[now - 1]
        return products

    @cached_property
    def present(self) -> FloatArray:
        """(n_rounds,) discount of the step / probability that the step was observed."""
        return np.asarray(self.discount**self.step / self.kept)

    @cached_property
    def surprise(self) -> FloatArray:
        """(n_rounds,) discounted error of Q, unbiased for that of all customers of the step."""
        return np.asarray(self.discount**self.step * self.error_weight * self.error)

    @cached_property
    def weight_by_step(self) -> FloatArray:
        """(horizon,) total product of weights, episodes that ended before included; n_episodes in expectation."""
        weight = self.spread(self.sample_weight) * self.products / self.kept
        here = np.bincount(self.step, weights=weight, minlength=self.horizon)
        ended = np.bincount(self.step, weights=np.where(self.terminated, weight, 0.0), minlength=self.horizon)
        return np.asarray(here + np.r_[0.0, np.cumsum(ended[:-1])])

    @property
    def has_weight(self) -> bool:
        """At every step some episode, present or ended, resembles the policy."""
        return bool((self.weight_by_step > 0).all())

    def spread(self, values: FloatArray) -> FloatArray:
        """(n_rounds,) from (n_episodes,)."""
        return np.asarray(np.repeat(values, np.diff(np.r_[self.start, len(self.step)])))

    def sum_by_episode(self, values: FloatArray) -> FloatArray:
        """(n_episodes,) sums of (n_rounds,)."""
        return np.asarray(np.add.reduceat(values, self.start))


def make_trajectories(
    episodes: Episodes,
    importance_weight: FloatArray,
    visitation: FloatArray,
    q: QValues,
    *,
    discount: float,
    is_influence_known: bool,
) -> Trajectories:
    """Trajectories of a policy given by its weights (n_rounds,) and its Q."""
    is_last = episodes.step == episodes.horizon - 1  # nothing needs to follow
    return _lay(
        episodes, importance_weight, visitation, discount,
        error_weight=np.where(is_last, 1.0, episodes.transition) / episodes.kept,
        error=episodes.log.reward + discount * q.of_next - q.of_action,
        first_value=q.of_policy[episodes.start],
        influence=episodes.sum_by_episode(q.influence),
        is_influence_known=is_influence_known,
    )  # fmt: skip


def logged_trajectories(episodes: Episodes, discount: float) -> Trajectories:
    """Of the policy that logged the data: weight one, and what an episode earned is its own best prediction."""
    one = np.ones(len(episodes.log))
    earned = episodes.sum_by_episode(discount**episodes.step / episodes.kept * episodes.log.reward)
    return _lay(
        episodes, one, one, discount,
        error_weight=one, error=0 * one, first_value=earned, influence=0 * earned, is_influence_known=True,
    )  # fmt: skip


def _lay(
    episodes: Episodes,
    importance_weight: FloatArray,
    visitation: FloatArray,
    discount: float,
    *,
    error_weight: FloatArray,
    error: FloatArray,
    first_value: FloatArray,
    influence: FloatArray,
    is_influence_known: bool,
) -> Trajectories:
    log = episodes.log
    return Trajectories(
        start=episodes.start,
        step=episodes.step,
        terminated=episodes.panel.terminated,
        reward=log.reward,
        importance_weight=importance_weight,
        visitation=visitation,
        kept=episodes.kept,
        error_weight=error_weight,
        error=error,
        first_value=first_value,
        influence=influence,
        sample_weight=log.sample_weight[episodes.start],
        cluster=log.unit[episodes.start],
        discount=discount,
        is_influence_known=is_influence_known,
    )
