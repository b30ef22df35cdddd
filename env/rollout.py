"""Letting a policy act on a customer base and keeping the log: any dynamics, fitted or known."""

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions, Panel, concatenate
from domain.policy import Policy, draw_actions
from env.market import Dynamics


def roll_out(
    dynamics: Dynamics,
    policy: Policy,
    n_periods: int,
    rng: np.random.Generator,
    *,
    state: FloatArray,
) -> LoggedDecisions:
    """The panel that `policy` leaves on the customers of `state` (n, n_state), one episode each, until they leave.

    Rows are ordered by episode, then step; propensities are the policy's own; the market's support mask binds.
    """
    alive = np.arange(len(state))
    periods: list[LoggedDecisions] = []
    for step in range(n_periods):
        period, state = _one_period(dynamics, policy, state, alive, step, rng, is_last=step == n_periods - 1)
        periods.append(period)
        assert period.panel is not None
        alive = alive[~period.panel.terminated]
        if not len(alive):
            break
    return _stack(periods)


def _one_period(
    dynamics: Dynamics,
    policy: Policy,
    state: FloatArray,
    alive: IntArray,
    step: int,
    rng: np.random.Generator,
    *,
    is_last: bool,
) -> tuple[LoggedDecisions, FloatArray]:
    context = dynamics.context(state)
    eligible = policy_mask(dynamics, policy, state)
    distribution = policy.actions.align(policy.distribution(context, eligible), to=dynamics.actions)
    action = draw_actions(distribution, rng)
    moved = dynamics.advance(state, action, rng)
    panel = Panel(
        episode=alive,
        step=np.full(len(alive), step, dtype=np.int64),
        next_context=dynamics.context(moved.next_state),
        terminated=moved.terminated,
        truncated=~moved.terminated & is_last,
    )
    log = LoggedDecisions(
        actions=dynamics.actions,
        action=action,
        reward=moved.reward,
        reward_name="reward",
        context=context,
        unit=alive,
        propensity=distribution[np.arange(len(action)), action],
        logged_distribution=distribution,
        panel=panel,
    )
    return log, moved.next_state[~moved.terminated]


def policy_mask(dynamics: Dynamics, policy: Policy, state: FloatArray) -> BoolArray | None:
    """(n, n_actions of the policy) what the market's data support; None where everything is.

    A customer for whom nothing the policy knows was ever tried keeps all its actions: there is no better advice.
    """
    supported = dynamics.supported(state)
    if supported.all():
        return None
    mask = dynamics.actions.align_mask(supported, to=policy.actions)
    mask[~mask.any(axis=1)] = True
    return mask


def _stack(periods: list[LoggedDecisions]) -> LoggedDecisions:
    joined = concatenate(periods)
    assert joined.panel is not None
    return joined.take(np.lexsort((joined.panel.step, joined.panel.episode)))
