"""The contract of a sequential estimator: one score an episode, whose weighted mean is the policy's value.

The spread of the scores, summed by unit, is the spread of the value: an estimator that is no plain mean gives its
linearisation (value plus influence). One interval then serves all of them, and differences of policies are means of
differences of scores. Reference: van der Vaart (1998), Asymptotic Statistics, chapter 20.
"""

from collections.abc import Sequence
from typing import Protocol

from domain.arrays import FloatArray
from domain.estimates import PolicyValueEstimate
from evaluation.scores import mean_interval
from evaluation.trajectories import Trajectories


class SequentialEstimator(Protocol):
    """Doubling all episodes changes no score."""

    @property
    def name(self) -> str: ...

    def scores(self, trajectories: Trajectories) -> FloatArray:
        """(n_episodes,)."""
        ...

    def has_answer(self, trajectories: Trajectories) -> bool:
        """Whether its value means anything on this panel."""
        ...

    def is_trusted(self, trajectories: Trajectories, confidence: float) -> bool:
        """Whether its interval may be taken at its word here, as far as the estimator itself can see."""
        ...


def estimate_value(
    estimator: SequentialEstimator, trajectories: Trajectories, policy: str, *, ess: float, confidence: float
) -> PolicyValueEstimate:
    """Value and interval, clustered by unit; `ess` is the panel's."""
    t = trajectories
    i = mean_interval(estimator.scores(t), t.sample_weight, t.cluster, confidence)
    is_trusted = estimator.is_trusted(t, confidence)
    return PolicyValueEstimate(policy, estimator.name, i.value, i.low, i.high, i.stderr, ess, i.n, trusted=is_trusted)


def estimate_all(
    estimators: Sequence[SequentialEstimator],
    trajectories: Trajectories,
    policy: str,
    *,
    ess: float,
    confidence: float,
) -> tuple[PolicyValueEstimate, ...]:
    """Every estimator that has an answer."""
    usable = [e for e in estimators if e.has_answer(trajectories)]
    return tuple(estimate_value(e, trajectories, policy, ess=ess, confidence=confidence) for e in usable)
