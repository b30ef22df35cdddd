"""The design of an experiment, for where the data cannot tell: units, days and the smallest difference it would see.

Two-sample normal approximation with power .8 at a two-sided 5 % level, Bonferroni over the actions compared with the
baseline, or over all pairs where the baseline is no action (Lehr 1992, Statistics in Medicine 11: n = 16 sd² /
difference² an arm at one comparison).
"""

from dataclasses import dataclass
from math import ceil, comb, sqrt
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
    largest_loss: float | None  # if every tried action were as bad as its interval allows, in reward; None = no bound


def design_experiment(
    actions: tuple[str, ...],
    *,
    reward_sd: float,
    n_units: int,
    units_per_day: float | None,
    worst_loss_per_unit: float | None,
    has_baseline: bool = True,
) -> ExperimentDesign:
    """The experiment that `n_units` units of the segment allow, split evenly over `actions`.

    Args:
        actions: the actions to randomise over; two or more.
        reward_sd: standard deviation of one unit's reward.
        n_units: units available; each arm gets its even share.
        units_per_day: traffic of the segment.
        worst_loss_per_unit: what a unit may lose against the baseline, >= 0; None where the log sets no bound.
        has_baseline: whether the baseline is among `actions`; a share of the log's own choices is none.
    """
    assert len(actions) >= 2
    units_per_action = max(n_units // len(actions), 1)
    n_tried = len(actions) - has_baseline
    comparisons = n_tried if has_baseline else comb(len(actions), 2)
    z = NormalDist().inv_cdf(1 - LEVEL / (2 * comparisons)) + NormalDist().inv_cdf(POWER)
    days = None if units_per_day is None else ceil(10 * n_units / units_per_day) / 10
    loss = None if worst_loss_per_unit is None else worst_loss_per_unit * units_per_action * n_tried
    return ExperimentDesign(actions, units_per_action, days, z * reward_sd * sqrt(2 / units_per_action), loss)
