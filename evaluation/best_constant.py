"""The best constant action of a log: the honest competition of everything learned.

Chosen by the self-normalised value of each constant policy, which needs no outcome model and so sees nothing but the
training rows. Where the action is not eligible, what the policy does instead counts: an action open to a few good
customers is not ranked by these alone. An action that the log did not try everywhere it would have to act is no
candidate.
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
    """The candidate with the highest self-normalised value; `propensity` (n_rounds,) of the logged actions."""
    rows = np.arange(len(log))

    def value(action: str) -> float:
        chosen = constant_distribution(log, action)[rows, log.action]
        weight = log.sample_weight * chosen / propensity
        total = float(weight.sum())
        return float(weight @ log.reward) / total if total > 0 else -np.inf  # no row speaks about it

    return max(candidates, key=value)
