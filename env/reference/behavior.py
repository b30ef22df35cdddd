"""How a business acted before anyone optimised: rules of thumb, partly randomised.

Rules of thumb help who is about to leave and sell to who is happy. So an action's average reward says as much about
whom it went to as about what it did: the subscription market's upsell, sold to engaged customers, looks a quarter
better than it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from env.reference import subscription

Rules: TypeAlias = Callable[[Context], list[tuple[BoolArray, str]]]  # when (n_rounds,), and what then; the first holds


@dataclass(frozen=True)
class RuleOfThumb:
    """The first rule that holds with probability 1 - `uniform_share`, any action alike with the rest.

    >>> context = Context({"engagement": np.array([0.0]), "contacts_recent": np.array([3.0]),
    ...                    "tenure_months": np.array([1.0])}, n_rounds=1)
    >>> RuleOfThumb(subscription.ACTIONS, subscription.rules, uniform_share=0.5).distribution(context).round(2)
    array([[0.1, 0.1, 0.6, 0.1, 0.1]])
    """

    actions: ActionSet
    rules: Rules
    uniform_share: float = 0.4

    @property
    def name(self) -> str:
        return "rule_of_thumb"

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions); ineligible actions leave their share to the others."""
        rules, n_actions = self.rules(context), len(self.actions)
        chosen = np.select([holds for holds, _ in rules], [self.actions.index(action) for _, action in rules])
        ruled = np.eye(n_actions)[chosen]
        distribution: FloatArray = (1 - self.uniform_share) * ruled + self.uniform_share / n_actions
        if eligible is None:
            return distribution
        allowed = distribution * eligible
        restricted: FloatArray = allowed / allowed.sum(axis=1, keepdims=True)
        return restricted


TargetedBehavior = partial(RuleOfThumb, subscription.ACTIONS, subscription.rules)
