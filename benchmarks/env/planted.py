"""Logs with a defect that the market's form cannot hold, made from logs of the subscription market.

Each takes a panel and its generator, and gives back a panel in which everything else is as it was.
"""

from dataclasses import replace

import numpy as np

from domain.arrays import BoolArray, FloatArray
from domain.log import LoggedDecisions

RENEWAL_PERIODS = (6, 12)
RENEWAL_LOSS = 0.12  # leave in these, of who would have stayed
DRIVER_HOLD, DRIVER_DRIFT, DRIVER_NOISE = 0.95, 0.25, 0.4  # of an unlogged mood, a period
DRIVER_CHURN, DRIVER_AMOUNT = 0.08, 1.0  # a unit of mood: probability to leave, EUR not paid


def with_renewals(log: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
    """Wrong shape of the hazard: contracts end after six and twelve periods, and no column shows it."""
    assert log.panel is not None
    is_renewal = np.isin(log.panel.step + 1, RENEWAL_PERIODS)
    return _ended(log, is_renewal & (rng.random(len(log)) < RENEWAL_LOSS))


def with_unlogged_driver(log: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
    """A mood that no column shows wanders from customer to customer, drifts for all, drives away and pays less."""
    assert log.panel is not None
    mood = _mood(int(log.panel.episode.max()) + 1, int(log.panel.step.max()) + 1, rng)
    felt = mood[log.panel.episode, log.panel.step]
    leaves = rng.random(len(log)) < np.clip(DRIVER_CHURN * felt, 0, 1)
    return _ended(replace(log, reward=log.reward - DRIVER_AMOUNT * felt), leaves)


def with_shuffled_actions(log: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
    """The action column of other rows; logged propensities stay where they were."""
    return replace(log, action=rng.permutation(log.action))


def without_propensities(log: LoggedDecisions) -> LoggedDecisions:
    return replace(log, propensity=None, logged_distribution=None)


def _mood(n: int, n_periods: int, rng: np.random.Generator) -> FloatArray:
    mood = np.empty((n, n_periods))
    now = rng.normal(0, DRIVER_NOISE, n)
    for t in range(n_periods):
        mood[:, t] = now
        now = DRIVER_HOLD * now + DRIVER_DRIFT + rng.normal(0, DRIVER_NOISE, n)
    return mood


def _ended(log: LoggedDecisions, leaves: BoolArray) -> LoggedDecisions:
    """Customers leave where told to, and are not seen after."""
    panel = log.panel
    assert panel is not None
    last = np.full(int(panel.episode.max()) + 1, len(log))
    np.minimum.at(last, panel.episode[leaves], panel.step[leaves])
    terminated = panel.terminated | (panel.step == last[panel.episode])
    changed = replace(panel, terminated=terminated, truncated=panel.truncated & ~terminated)
    return replace(log, panel=changed).take(panel.step <= last[panel.episode])
