"""One-period worlds whose policy values are known: 10 actions, 5 features, softmax policies.

A context's five features are standard normal; u = sigmoid(features @ W / sqrt(5) + b) with W, b drawn once by seed 0 is
how much each action appeals there. The logging policy is softmax(2 u), the candidate softmax(6 u): it leans the same
way, only more (ESS/n about .7). With weak overlap they lean opposite ways: softmax(-6 u) and softmax(8 u).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.log import LoggedDecisions

N_ACTIONS, N_FEATURES = 10, 5
N_TRUTH = 4_000_000  # contexts over which the true value is averaged
CHUNK = 200_000
LOG_MEAN, LOG_SD = 3.0, 1.0  # of what one purchase is worth

ACTIONS = ActionSet(tuple(f"a{i}" for i in range(N_ACTIONS)))
_drawn = np.random.default_rng(0)
SLOPES = _drawn.normal(size=(N_FEATURES, N_ACTIONS)) / np.sqrt(N_FEATURES)
LEVELS = 0.5 * _drawn.normal(size=N_ACTIONS)


@dataclass(frozen=True)
class SoftmaxPolicy:
    """softmax(sharpness x appeal)."""

    sharpness: float
    name: str = "candidate"
    actions: ActionSet = ACTIONS

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        assert eligible is None
        return self.of(appeal(np.column_stack([context.column(f"f{i}") for i in range(N_FEATURES)])))

    def of(self, appeal: FloatArray) -> FloatArray:
        """(n, n_actions) from the appeals."""
        raised = np.exp(self.sharpness * appeal)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))


LEANING, LEANING_MORE = SoftmaxPolicy(2.0, "logging policy"), SoftmaxPolicy(6.0)
OPPOSED, OPPOSING = SoftmaxPolicy(-6.0, "logging policy"), SoftmaxPolicy(8.0)


@dataclass(frozen=True)
class World:
    """Rewards are purchases with probability `conversion` x appeal; worth one each, or a lognormal amount."""

    name: str
    n_rounds: int
    conversion: float = 1.0
    is_revenue: bool = False
    behavior: SoftmaxPolicy = LEANING
    candidate: SoftmaxPolicy = LEANING_MORE

    @cached_property
    def truth(self) -> tuple[float, float]:
        """Value of the candidate and of the logging policy."""
        rng = np.random.default_rng(1)
        total = np.zeros(2)
        for _ in range(N_TRUTH // CHUNK):
            u = appeal(rng.normal(size=(CHUNK, N_FEATURES)))
            total += [(policy.of(u) * u).sum() for policy in (self.candidate, self.behavior)]
        worth = self.conversion * (np.exp(LOG_MEAN + LOG_SD**2 / 2) if self.is_revenue else 1.0)
        return float(total[0] / N_TRUTH * worth), float(total[1] / N_TRUTH * worth)

    def log(self, rng: np.random.Generator) -> LoggedDecisions:
        n = self.n_rounds
        features = rng.normal(size=(n, N_FEATURES))
        u = appeal(features)
        distribution = self.behavior.of(u)
        action = (rng.random(n)[:, None] > distribution.cumsum(axis=1)[:, :-1]).sum(axis=1)
        rows = np.arange(n)
        reward = (rng.random(n) < self.conversion * u[rows, action]).astype(np.float64)
        if self.is_revenue:
            reward *= rng.lognormal(LOG_MEAN, LOG_SD, n)
        context = Context({f"f{i}": column for i, column in enumerate(features.T)}, n)
        return LoggedDecisions(
            ACTIONS,
            action,
            reward,
            "reward",
            context,
            rows,
            distribution[rows, action],
            logged_distribution=distribution,
        )


def appeal(features: FloatArray) -> FloatArray:
    """(n, n_actions) u, in (0, 1)."""
    return np.asarray(1.0 / (1.0 + np.exp(-(features @ SLOPES + LEVELS))))
