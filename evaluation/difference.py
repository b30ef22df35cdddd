"""Candidate minus baseline, unit of observation by unit of observation, with an interval for how often one looks."""

from dataclasses import dataclass

from domain.arrays import FloatArray, IntArray
from evaluation.looks import Looks, tail
from evaluation.scores import Interval, mean_interval


@dataclass(frozen=True)
class Difference:
    """Scores of the candidate minus those of the baseline, and the looks that are taken at their mean."""

    scores: FloatArray  # (n,)
    weight: FloatArray  # (n,) 1 / keep-probability
    cluster: IntArray  # (n,) unit codes
    looks: Looks

    def interval(self, rate: float) -> Interval:
        """The interval of this look; either end is wrong at most at `rate` over all looks."""
        return mean_interval(self.scores, self.weight, self.cluster, 1 - 2 * self.tail(rate))

    def tail(self, rate: float) -> float:
        """The error that one end may have at this look."""
        return tail(self.looks, rate, len(self.scores))
