"""The best constant action of a log: the honest competition of everything learned.

Chosen by the self-normalised mean of each action's own rounds, which needs no outcome model and so sees nothing but the
training rows. An action that the log did not try everywhere it would have to act is no candidate.
"""

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.errors import InsufficientOverlap
from domain.log import LoggedDecisions
from evaluation.support import unsupported_share
from evaluation.target import policy_distribution
from policies.baselines import ConstantPolicy


def constant_distribution(log: LoggedDecisions, action: str) -> FloatArray:
    """(n_rounds, n_actions) always `action`, where it is eligible."""
    return policy_distribution(ConstantPolicy(log.actions, action), log.context, log, log.eligible)


def supported_constants(log: LoggedDecisions, config: EvaluationConfig) -> tuple[str, ...]:
    """The actions that the log tried wherever they would have to act.

    Raises:
        InsufficientOverlap: there is none.
    """
    outside = {a: unsupported_share(log, constant_distribution(log, a)) for a in log.actions.ids}
    supported = tuple(a for a, share in outside.items() if share <= config.max_unsupported_share)
    if not supported:
        raise InsufficientOverlap(
            f"none of the actions {', '.join(log.actions.ids)} was tried in every cell of the log",
            "drop the actions offered in some cells only: --exclude-action ACTION",
        )
    return supported


def choose_constant(log: LoggedDecisions, propensity: FloatArray, candidates: tuple[str, ...]) -> str:
    """The candidate with the highest weighted mean reward, weights 1 / propensity (n_rounds,)."""
    weight = log.sample_weight / propensity
    total = np.bincount(log.action, weights=weight * log.reward, minlength=log.n_actions)
    mass = np.bincount(log.action, weights=weight, minlength=log.n_actions)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / mass  # NaN for an action without rounds
    return max(candidates, key=lambda a: np.nan_to_num(means[log.actions.index(a)], nan=-np.inf))
