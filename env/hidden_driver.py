"""A stand-in for what drove the logged actions unseen: which kind of chances the logged policy gave the customer.

Given the context, logged chances are a balancing score (Rosenbaum and Rubin 1983, Biometrika 70(1)): among customers
of equal context and equal chances the actions are as good as random. As a column of the log the kind of chances lets a
market hold the hidden driver, its effects and how it moves, where weighting would only average over it; policies never
see the column.
"""

from dataclasses import replace

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.context import Context
from domain.log import LoggedDecisions, Panel

COLUMN = "(hidden driver)"
MAX_KINDS = 6
ENOUGH = 0.95  # share of the chances' variance that the kinds hold


def with_stand_in(log: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
    """The log with the column; needs full logged distributions.

    What follows a customer's last round was not logged: it is drawn from what followed the same kind elsewhere.
    """
    assert log.logged_distribution is not None
    kind = _kinds(log.logged_distribution, log.sample_weight)
    context = _with_column(log.context, kind)
    if log.panel is None:
        return replace(log, context=context)
    following = _with_column(log.panel.next_context, _following(kind, log.panel, rng))
    return replace(log, context=context, panel=replace(log.panel, next_context=following))


def _kinds(chances: FloatArray, weight: FloatArray) -> IntArray:
    """(n_rounds,) clusters of (n_rounds, n_actions); as few as hold nearly all that varies."""
    from sklearn.cluster import KMeans

    distinct, code = np.unique(chances.round(6), axis=0, return_inverse=True)
    if len(distinct) <= MAX_KINDS:
        return np.asarray(code.ravel(), dtype=np.int64)
    total = float(weight @ ((chances - np.average(chances, axis=0, weights=weight)) ** 2).sum(axis=1))
    for k in range(2, MAX_KINDS + 1):
        found = KMeans(k, n_init=4, random_state=0).fit(chances, sample_weight=weight)
        if found.inertia_ <= (1 - ENOUGH) * total:
            break
    return np.asarray(found.labels_, dtype=np.int64)


def _following(kind: IntArray, panel: Panel, rng: np.random.Generator) -> IntArray:
    order = np.lexsort((panel.step, panel.episode))
    goes_on = np.append(np.diff(panel.episode[order]) == 0, False)
    following, is_known = kind.copy(), np.zeros(len(kind), dtype=np.bool_)
    following[order[:-1][goes_on[:-1]]] = kind[order[1:][goes_on[:-1]]]
    is_known[order[goes_on]] = True
    for k in np.unique(kind):
        known, unknown = is_known & (kind == k), ~is_known & (kind == k)
        if known.any():
            following[unknown] = rng.choice(following[known], size=int(unknown.sum()))
    return following


def _with_column(context: Context, kind: IntArray) -> Context:
    names = np.array([f"kind {k + 1}" for k in range(int(kind.max(initial=0)) + 1)], dtype=object)
    return Context({**context.columns, COLUMN: names[kind]}, context.n_rounds)
