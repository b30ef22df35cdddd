"""Candidate minus baseline, unit of observation by unit of observation, with an interval for how often one looks."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.arrays import FloatArray, IntArray
from evaluation.confidence_sequence import progress_of
from evaluation.looks import Anytime, Looks, tail
from evaluation.scores import Interval, mean_interval


@dataclass(frozen=True)
class Difference:
    """Scores of the candidate minus those of the baseline, and the looks that are taken at their mean."""

    scores: FloatArray  # (n,)
    weight: FloatArray  # (n,) 1 / keep-probability
    cluster: IntArray  # (n,) unit codes
    order: IntArray  # (n,) their place in time
    looks: Looks

    def interval(self, rate: float) -> Interval:
        """The interval of this look; either end is wrong at most at `rate` over all looks."""
        return mean_interval(self.scores, self.weight, self.cluster, 1 - 2 * self.tail(rate))

    def tail(self, rate: float) -> float:
        """The error that one end may have at this look."""
        return tail(self.looks, rate, self._progress)

    @cached_property
    def _progress(self) -> float:
        if not isinstance(self.looks, Anytime):
            return 1.0
        influence = self.weight * (self.scores - np.average(self.scores, weights=self.weight))
        return progress_of(influence[self.order], tightest_at=self.looks.tightest_at)
