"""What an estimator needs of every round, for one evaluated policy."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from evaluation.clusters import Clusters, clusters_of
from evaluation.target import Target


@dataclass(frozen=True)
class Rounds:
    """Arrays of one evaluated policy on one log; each (n_rounds,)."""

    reward: FloatArray
    importance_weight: FloatArray  # evaluation probability of the logged action / propensity
    expected_reward: FloatArray  # q(context, logged action), from models that did not see the unit
    policy_value: FloatArray  # sum over actions of the policy's probability x q
    sample_weight: FloatArray  # 1 / keep-probability
    cluster: IntArray  # unit codes; rounds of one unit are not independent

    def __len__(self) -> int:
        return len(self.reward)

    @cached_property
    def clusters(self) -> Clusters:
        return clusters_of(self.cluster)

    @cached_property
    def weight(self) -> FloatArray:
        """(n_rounds,) sample weight x importance weight."""
        return self.sample_weight * self.importance_weight

    @cached_property
    def residual(self) -> FloatArray:
        """(n_rounds,) what the reward model leaves unexplained."""
        return self.reward - self.expected_reward

    @cached_property
    def weight_sums(self) -> tuple[float, float]:
        """Sum of the weights, and of their squares."""
        return float(self.weight.sum()), float(self.weight @ self.weight)


def make_rounds(
    log: LoggedDecisions, distribution: FloatArray | None, expected_reward: FloatArray, propensity: FloatArray
) -> Rounds:
    """Rounds of a policy given by its distribution (n_rounds, n_actions); None = the policy that logged the data.

    The logged policy has weight one, and what it earned is its own best prediction: every estimator then gives the
    mean reward.
    """
    if distribution is None:
        one = np.ones(len(log))
        return Rounds(log.reward, one, log.reward, log.reward, log.sample_weight, log.unit)
    return Rounds(
        reward=log.reward,
        importance_weight=of_action(distribution, log.action) / propensity,
        expected_reward=of_action(expected_reward, log.action),
        policy_value=np.einsum("na,na->n", distribution, expected_reward),
        sample_weight=log.sample_weight,
        cluster=log.unit,
    )


def of_action(values: FloatArray, action: IntArray) -> FloatArray:
    """(n_rounds,) the value (n_rounds, n_actions) of each round's action; either order in memory."""
    n, n_actions = values.shape
    if values.flags.f_contiguous:
        return np.asarray(values.T.ravel().take(np.arange(n) + action * n))
    return np.asarray(values.ravel().take(np.arange(0, n * n_actions, n_actions) + action))


def logged_weights(log: LoggedDecisions, target: Target) -> FloatArray | None:
    """(n_rounds,) importance weights by the logged propensities; None where there are none to divide by."""
    distribution = target.on(log)
    if distribution is None or log.propensity is None:
        return None
    return np.asarray(of_action(distribution, log.action) / log.propensity)
