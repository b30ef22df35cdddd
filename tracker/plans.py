"""How a proposal would run: canary steps long enough to count, then as long as its approval holds (DESIGN section 7).

The smallest harm that a step would see is the difference a one-sided test of means at 5 % finds with power .8, policy
against the rest of the scope: z sd sqrt(1/n_policy + 1/n_rest). A test that may be looked at all the time sees a little
less; the number tells an approver what a step can and cannot show.
"""

from dataclasses import dataclass
from math import ceil, floor, sqrt
from statistics import NormalDist

from config.people import Canary
from domain.proposals import Plan

_Z = NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(0.80)
_SLACK = 1.25  # over the days that the counts need on average: half of all steps would fall short without


@dataclass(frozen=True)
class PlanInputs:
    """What the log says of the traffic that a proposal would meet."""

    decisions_per_day: float | None  # in the scope; None where the log has no times
    reward_sd: float | None = None  # of one decision's reward
    active_days: float | None = None  # after the canary; None = as long as the approval holds
    largest_loss_amount: float | None = None
    segment_share: float = 1.0  # of all units, in the segment


def build_plan(
    inputs: PlanInputs,
    canary: Canary,
    *,
    n_actions: int,
    reward_wait_days: float,
    valid_for_days: float,
    decide_within_days: float,
) -> Plan:
    """The plan that the canary's settings and the traffic ask for; whether it fits is `plan_problem`'s question."""
    step_days = _step_days(inputs, canary, n_actions)
    active_days = inputs.active_days
    if active_days is None:  # approvals are given one after the other, and the first ends the others
        spare = valid_for_days - decide_within_days - reward_wait_days - len(canary.steps) * step_days
        active_days = max(spare, 0.0)
    return Plan(
        canary_steps=canary.steps,
        step_days=step_days,
        min_per_action=canary.min_per_action,
        active_days=active_days,
        reward_wait_days=reward_wait_days,
        decisions_per_day=inputs.decisions_per_day,
        smallest_harm=tuple(_smallest_harm(inputs, share, step_days) for share in canary.steps),
        largest_loss_amount=inputs.largest_loss_amount,
    )


def plan_problem(plan: Plan, valid_for_days: float) -> str | None:
    """Why a plan cannot finish while its approval holds, with the nearest one that can."""
    if plan.days <= valid_for_days:
        return None
    n_steps = len(plan.canary_steps)
    found = f"the plan takes {plan.days:g} days, and an approval holds {valid_for_days:g}; "
    room = valid_for_days - plan.reward_wait_days - n_steps * plan.step_days
    if room >= 0:
        return f"{found}the nearest plan that fits is active for {room:g} days instead of {plan.active_days:g}"
    n_fit = floor((valid_for_days - plan.reward_wait_days) / plan.step_days) if plan.step_days else n_steps
    if n_fit >= 1:
        steps = ", ".join(f"{s:g}" for s in plan.canary_steps[-n_fit:])
        return f"{found}the nearest plan that fits has the canary steps {steps} of {plan.step_days:g} days each"
    needed = plan.step_days + plan.reward_wait_days
    return f"{found}one step and the reward wait alone take {needed:g} days: approvals would have to hold that long"


def _step_days(inputs: PlanInputs, canary: Canary, n_actions: int) -> float:
    if not inputs.decisions_per_day:
        return float(canary.min_days)
    needed = _SLACK * canary.min_per_action * n_actions / (canary.steps[0] * inputs.decisions_per_day)
    return float(max(canary.min_days, ceil(needed)))


def _smallest_harm(inputs: PlanInputs, share: float, step_days: float) -> float | None:
    if inputs.reward_sd is None or not inputs.decisions_per_day or not 0 < share < 1 or not step_days:
        return None
    n = inputs.decisions_per_day * step_days
    return _Z * inputs.reward_sd * sqrt(1 / (share * n) + 1 / ((1 - share) * n))
