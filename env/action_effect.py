"""Do the actions of the log matter to what the market foretells? Shuffled actions cannot.

On held-out rounds the market foretells rewards, leaving and the next state once for the action that was logged, once
for one drawn as the log drew it from such customers. Where the logged actions do not foretell better, either they do
nothing or they stand beside the wrong rows: there is nothing to learn either way, and the log alone cannot say which.
"""

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions
from domain.policy import Policy, draw_actions
from env.model import MarketModel, Outlook


def action_effect(model: MarketModel, log: LoggedDecisions, behavior: Policy, rng: np.random.Generator) -> float:
    """By how many standard errors, clustered by customer, the logged actions foretell better than redrawn ones."""
    columns = model.layout.encode(log.context)
    redrawn = draw_actions(behavior.distribution(log.context, log.eligible), rng)
    gain = log.sample_weight * (_loss(model, columns, log, redrawn) - _loss(model, columns, log, log.action))
    _, code = np.unique(log.unit, return_inverse=True)
    by_customer = np.bincount(code, weights=gain)
    error = float(np.sqrt(len(by_customer)) * by_customer.std(ddof=1)) if len(by_customer) > 1 else 0.0
    return float(by_customer.sum()) / error if error > 0 else 0.0


def _loss(model: MarketModel, columns: FloatArray, log: LoggedDecisions, action: IntArray) -> FloatArray:
    """(n_rounds,) log loss of what takes levels, squared error over its variance of what does not."""
    outlooks = [
        model.outlook(model.with_members(columns, np.full(len(log), k)), action) for k in range(model.n_members)
    ]
    loss = _squared(np.mean([o.expected_reward for o in outlooks], axis=0), log.reward)
    if log.panel is None:
        return loss
    stays = ~log.panel.terminated
    churn = np.clip(np.mean([o.churn_rate for o in outlooks], axis=0), 1e-9, 1 - 1e-9)
    loss += -np.where(stays, np.log(1 - churn), np.log(churn))
    after = model.layout.encode(log.panel.next_context)
    return loss + np.where(stays, _moves_loss(model, outlooks, after, stays), 0.0)


def _moves_loss(model: MarketModel, outlooks: list[Outlook], after: FloatArray, stays: BoolArray) -> FloatArray:
    loss = np.zeros(len(after))
    for i, (place, _) in enumerate(model.layout.moving_levels):
        rate = np.mean([o.levels[i] for o in outlooks], axis=0)[np.arange(len(after)), after[:, place].astype(np.int64)]
        loss -= np.log(np.maximum(rate, 1e-9))
    for i, (place, _) in enumerate(model.layout.moving_numbers):
        told = stays & np.isfinite(after[:, place])
        expected = np.mean([o.numbers[:, i] for o in outlooks], axis=0)
        loss[told] += _squared(expected[told], after[told, place])
    return loss


def _squared(expected: FloatArray, found: FloatArray) -> FloatArray:
    variance = float(found.var()) if len(found) else 0.0
    return np.asarray((found - expected) ** 2 / (variance or 1.0), dtype=np.float64)
