"""The learner of one-period logs: choose the action with the highest predicted reward.

policy(x) = argmax_a q(x, a), q one ridge regression an action (analysis/outcome_model.py). Where nothing lasts beyond
the period this argmax is the plan. What it claims is judged elsewhere, on rows it did not see (evaluation/).
"""

from dataclasses import dataclass

import numpy as np

from analysis.outcome_model import fit_outcome_model
from analysis.support import fit_common_support
from domain.errors import InsufficientOverlap
from domain.log import LoggedDecisions
from policies.network import Layer, NetworkPolicy


@dataclass(frozen=True, kw_only=True)
class OutcomeLearner:
    """Ridge per action, then argmax over the actions that the log tried often enough, on such customers too."""

    min_rounds: int = 100  # an action with fewer logged rounds is not chosen

    @property
    def name(self) -> str:
        return "outcome"

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> NetworkPolicy:  # noqa: ARG002 # needs no chance
        """A greedy policy without a hidden layer.

        Raises:
            InsufficientOverlap: no action was logged often enough.
        """
        supported = supported_actions(log, self.min_rounds)
        model = fit_outcome_model(log)
        layer = Layer(model.coefficients, model.intercept)
        support = fit_common_support(model.encoder.transform(log.context), log.action, supported)
        return NetworkPolicy(self.name, log.actions, model.encoder, (layer,), support=support)


def supported_actions(log: LoggedDecisions, min_rounds: int) -> tuple[bool, ...]:
    """(n_actions,) which actions were logged in at least `min_rounds` rounds.

    Raises:
        InsufficientOverlap: none was.
    """
    n_rounds = np.bincount(log.action, minlength=log.n_actions)
    supported = tuple(bool(n >= min_rounds) for n in n_rounds)
    if not any(supported):
        raise InsufficientOverlap(
            f"no action has {min_rounds} logged rounds; the most frequent one has {n_rounds.max(initial=0)}",
            "collect more decisions, or train on fewer actions",
        )
    return supported
