"""Which groups of held-out rounds must be calibrated, and under which policy.

Under a policy that gives every action the same chance a round weighs 1 / (n_actions * propensity), at most
`max_shift_weight`: the market must foretell customers who are treated otherwise than the log treats them. With logged
propensities this also finds what drove actions and outcomes unseen; with estimated ones it cannot.
"""

import numpy as np

from config.market import FidelityConfig
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.calibration import Calibration, Trend, calibrate, quantile_groups, trend
from env.model import MarketModel

CHURN, REWARD = "churn rate", "reward"
PREDICTION, PERIOD, ACTION, DATE = "prediction", "period", "action", "date"
SHIFTED = "action, were every action as likely"


def calibrations(
    model: MarketModel, log: LoggedDecisions, behavior: Policy, config: FidelityConfig
) -> tuple[Calibration, ...]:
    """Churn rate (where anybody left) and reward, each in every grouping."""
    shift = log.sample_weight * _shift_weight(log, behavior, config.max_shift_weight)
    found = []
    for what, predicted, observed in _quantities(model, log):
        similar = quantile_groups(predicted, config.n_bins)
        names = tuple(f"group {k + 1}" for k in range(config.n_bins))
        groups = [(PREDICTION, similar, names), *_groups(log, config.n_bins), (SHIFTED, log.action, log.actions.ids)]
        for by, codes, called in groups:
            weight = shift if by == SHIFTED else log.sample_weight
            bins = calibrate(predicted, observed, log.unit, codes, weight, called, is_rate=what == CHURN)
            found.append(Calibration(what, by, bins))
    return tuple(found)


def trends(model: MarketModel, log: LoggedDecisions) -> tuple[Trend, ...]:
    """Of churn rate and reward over the periods: a slow drift hides in every single one."""
    if log.panel is None:
        return ()
    found = [
        trend(what, predicted, observed, log.unit, log.panel.step, log.sample_weight)
        for what, predicted, observed in _quantities(model, log)
    ]
    return tuple(t for t in found if t is not None)


def _quantities(model: MarketModel, log: LoggedDecisions) -> list[tuple[str, FloatArray, FloatArray]]:
    """Each with its predictions (n_members, n_rounds) and what was logged."""
    churn, reward = _by_member(model, log)
    found = [(REWARD, reward, log.reward)]
    if log.panel is not None and log.panel.terminated.any():
        found.insert(0, (CHURN, churn, log.panel.terminated.astype(np.float64)))
    return found


def _groups(log: LoggedDecisions, n_bins: int) -> list[tuple[str, IntArray, tuple[str, ...]]]:
    """By action, by period, and by calendar where that is not the same."""
    found: list[tuple[str, IntArray, tuple[str, ...]]] = [(ACTION, log.action, log.actions.ids)]
    if log.panel is not None:
        last = int(log.panel.step.max())
        found.append((PERIOD, log.panel.step, tuple(f"period {step + 1}" for step in range(last + 1))))
    if log.decided_at is not None and len(np.unique(log.decided_at)) > 1:
        at = log.decided_at.astype("datetime64[us]").astype(np.int64)
        edges = np.unique(np.quantile(at, np.linspace(0, 1, n_bins + 1)[1:-1], method="nearest"))
        codes = np.searchsorted(edges, at, side="right")
        starts = [np.datetime_as_string(log.decided_at[codes == k].min(), unit="D") for k in range(len(edges) + 1)
                  if (codes == k).any()]  # fmt: skip
        if log.panel is None or not _same_groups(codes, log.panel.step):
            _, codes = np.unique(codes, return_inverse=True)
            found.append((DATE, codes, tuple(f"from {start}" for start in starts)))
    return found


def _same_groups(codes: IntArray, step: IntArray) -> bool:
    """Everybody began at once: the calendar is the period."""
    return len({(c, s) for c, s in zip(codes.tolist(), step.tolist(), strict=True)}) == len(np.unique(step))


def _shift_weight(log: LoggedDecisions, behavior: Policy, most: float) -> FloatArray:
    """(n_rounds,) how much a round counts where every action has the same chance."""
    propensity = log.propensity
    if propensity is None:
        propensity = behavior.distribution(log.context)[np.arange(len(log)), log.action]
    return np.minimum(1 / (log.n_actions * np.maximum(propensity, 1e-9)), most)


def _by_member(model: MarketModel, log: LoggedDecisions) -> tuple[FloatArray, FloatArray]:
    """Churn rate and expected reward of each logged round, each (n_members, n_rounds)."""
    columns = model.layout.encode(log.context)
    outlooks = [
        model.outlook(model.with_members(columns, np.full(len(log), member)), log.action)
        for member in range(model.n_members)
    ]
    return np.stack([o.churn_rate for o in outlooks]), np.stack([o.expected_reward for o in outlooks])
