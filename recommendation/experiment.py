"""The design of an experiment, for where the data cannot tell: units, days and the smallest difference it would see.

Two-sample normal approximation with power .8 at a two-sided 5 % level, Bonferroni over the actions compared with the
baseline (Lehr 1992, Statistics in Medicine 11: n = 16 sd² / difference² an arm at one comparison).
"""

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

POWER = 0.8
LEVEL = 0.05


@dataclass(frozen=True)
class ExperimentDesign:
    """Equal randomisation over the actions of one segment."""

    actions: tuple[str, ...]
    units_per_action: int
    days: float | None  # at the log's traffic; None where the log has no times
    smallest_difference: float  # a unit, in reward
    largest_loss: float  # if every tried action were as bad as the worst interval end allows; in reward


def design_experiment(
    actions: tuple[str, ...],
    *,
    reward_sd: float,
    n_units: int,
    units_per_day: float | None,
    worst_loss_per_unit: float,
) -> ExperimentDesign:
    """The experiment that `n_units` units of the segment allow, split evenly over `actions`.

    Args:
        actions: the actions to randomise over, the baseline among them; two or more.
        reward_sd: standard deviation of one unit's reward.
        n_units: units available; each arm gets its even share.
        units_per_day: traffic of the segment.
        worst_loss_per_unit: what a unit may lose against the baseline, >= 0.
    """
    assert len(actions) >= 2
    units_per_action = max(n_units // len(actions), 1)
    comparisons = len(actions) - 1
    z = NormalDist().inv_cdf(1 - LEVEL / (2 * comparisons)) + NormalDist().inv_cdf(POWER)
    days = None if units_per_day is None else ceil(10 * n_units / units_per_day) / 10
    loss = worst_loss_per_unit * units_per_action * comparisons
    return ExperimentDesign(actions, units_per_action, days, z * reward_sd * sqrt(2 / units_per_action), loss)
