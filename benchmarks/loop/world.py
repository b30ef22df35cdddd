"""A business of one decision point whose best actions change on a day: what the loop must notice by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray

ACTIONS = ("nothing", "discount", "bundle", "upsell")
KINDS = ("saver", "spender")  # each half of the customers
MEAN = {  # EUR a decision: kind x action
    "before": np.array([[0.0, 2.0, 0.5, -0.5], [0.0, -0.5, 2.0, 0.5]]),
    "after": np.array([[0.0, -0.5, 0.5, 2.0], [0.0, -0.5, 2.0, 0.5]]),  # savers want the upsell now
}
NOISE = 2.0  # standard deviation of a decision's reward
VISITS_PER_DAY = 0.1  # a customer's: each asks every tenth day on average
MEAN_DELAY_DAYS = 3.0  # until a reward is known
DUPLICATED = 0.05  # of the outcomes come twice


@dataclass(frozen=True)
class World:
    """Customers who visit at random, and what they would pay."""

    kind: IntArray  # (n_customers,) index into KINDS
    age: FloatArray  # (n_customers,) a feature that tells nothing
    shift_day: int

    @staticmethod
    def of(n_customers: int, shift_day: int, rng: np.random.Generator) -> "World":
        return World(rng.permutation(np.arange(n_customers) % 2), rng.uniform(18, 80, n_customers).round(), shift_day)

    def visitors(self, rng: np.random.Generator) -> IntArray:
        """Who asks today."""
        return np.flatnonzero(rng.random(len(self.kind)) < VISITS_PER_DAY)

    def features(self, customer: int) -> Mapping[str, float | str]:
        return {"kind": KINDS[self.kind[customer]], "age": float(self.age[customer])}

    def mean(self, day: int) -> FloatArray:
        """(n_kinds, n_actions) expected reward of a decision."""
        return MEAN["after" if day >= self.shift_day else "before"]

    def expected(self, day: int, customers: Sequence[int], actions: Sequence[str]) -> float:
        """What these decisions are worth in expectation."""
        places = [ACTIONS.index(a) for a in actions]
        return float(self.mean(day)[self.kind[list(customers)], places].sum())

    def optimum(self) -> float:
        """Expected reward a customer and day after the shift, always acting best."""
        return VISITS_PER_DAY * float(MEAN["after"].max(axis=1).mean())

    def uniform(self) -> float:
        """The same, acting at random."""
        return VISITS_PER_DAY * float(MEAN["after"].mean())
