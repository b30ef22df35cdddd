"""Common support: a policy may only be judged on actions that the log tried in the same stratum."""

import numpy as np

from domain.arrays import BoolArray, FloatArray
from domain.log import LoggedDecisions


def logged_support(log: LoggedDecisions) -> BoolArray:
    """(n_rounds, n_actions) whether the action was ever logged in the round's cell (without cells: at all).

    Where the log keeps the full distribution, an action it says was impossible has no support either.
    """
    if log.cell is None:
        seen = np.bincount(log.action, minlength=log.n_actions) > 0
        support = np.broadcast_to(seen, (len(log), log.n_actions))
    else:
        table = np.zeros((int(log.cell.max()) + 1, log.n_actions), dtype=np.bool_)
        table[log.cell, log.action] = True
        support = table[log.cell]
    return support if log.logged_distribution is None else support & (log.logged_distribution > 0)


def unsupported_rounds(log: LoggedDecisions, distribution: FloatArray) -> dict[str, int]:
    """Action -> rounds where the policy may choose it although the log never did there; only those above zero."""
    counts = ((distribution > 0) & ~logged_support(log)).sum(axis=0)
    return {action: int(n) for action, n in zip(log.actions.ids, counts, strict=True) if n}


def unsupported_share(log: LoggedDecisions, distribution: FloatArray) -> float:
    """Share of the policy's choices that fall on actions without support."""
    outside = np.where(logged_support(log), 0.0, distribution).sum(axis=1)
    return float(np.average(outside, weights=log.sample_weight))
