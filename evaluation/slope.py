"""SLOPE: the member of a family of ever less variable, ever more biased estimators that is still believed.

Candidates in order of falling interval half-width c; walk down as long as every newcomer's value lies within
c_new + (sqrt(6) - 1) c_earlier of each earlier one; the last that does is taken. No bias has to be bounded.
References: Su, Srinath, Krishnamurthy (2020), ICML; Tucker and Lee (2021), "Improved estimator selection" (SLOPE++),
whose order by width is used.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

from evaluation.estimator import Estimator, locate
from evaluation.rounds import Rounds

GRID = (0.5, 1.0, 2.0, 5.0, 10.0, 50.0, np.inf)
ERROR_RATE = 0.1  # one-sided, of each candidate's half-width
SLACK = float(np.sqrt(6.0) - 1.0)

Family = Callable[[float], Estimator]  # from its hyperparameter


def tune(family: Family, rounds: Rounds, grid: Sequence[float] = GRID) -> Estimator:
    """The family's member that SLOPE picks on these rounds."""
    candidates = [family(hyperparameter) for hyperparameter in grid]
    values, widths = np.array([_value_and_width(c, rounds) for c in candidates]).T
    order = np.argsort(widths)[::-1]
    for i in range(1, len(order)):
        earlier, new = order[:i], order[i]
        if (np.abs(values[earlier] - values[new]) > widths[new] + SLACK * widths[earlier]).any():
            return candidates[int(order[i - 1])]
    return candidates[int(order[-1])]


def _value_and_width(estimator: Estimator, rounds: Rounds) -> tuple[float, float]:
    point = locate(estimator, rounds)
    return point.value, point.spread.stderr * float(stdtrit(point.spread.n_clusters - 1, 1.0 - ERROR_RATE))
