"""Can simulated customers be told from logged ones? A classifier tries, on whole histories.

Each held-out episode has a simulated twin that begins where it began. Boosted trees see what became of both: how long
they stayed, the columns at the end and on average, how often which action. Rewards are left out: whoever plans in the
market sees their means alone, which calibration judges, while a trace of their rounding would tell the two apart. The
area under the curve is cross-validated by customer, so that a twin never helps to recognise its original; its error is
by DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44(3)). A market as good as the data has one half.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions
from env.curves import survival_of
from env.layout import LayoutFeatures

N_FOLDS = 4


@dataclass(frozen=True)
class Lookalike:
    auc: float
    stderr: float
    n_episodes: int  # of either kind

    def is_told_apart(self, limit: float, max_auc: float) -> bool:
        """Provably above what is tolerated; a few customers prove nothing."""
        return self.auc - max_auc > limit * self.stderr


def tell_apart(
    features: LayoutFeatures, columns: tuple[FloatArray, FloatArray], logs: tuple[LoggedDecisions, LoggedDecisions],
    origin: IntArray, rng: np.random.Generator,
) -> Lookalike:  # fmt: skip
    """Logged against simulated episodes.

    Args:
        features: of the layout's columns.
        columns: each (n_rounds, n_columns) after the period, of the logged and of the simulated rounds.
        logs: logged and simulated panels; the simulated episodes are numbered like the logged ones in their order.
        origin: (n_episodes,) customers of the logged episodes, which fall into one fold with their twins.
        rng: of the folds.
    """
    histories = [_histories(features.transform(c), log) for c, log in zip(columns, logs, strict=True)]
    return lookalike(histories[0], histories[1], origin, rng)


def lookalike(logged: FloatArray, simulated: FloatArray, origin: IntArray, rng: np.random.Generator) -> Lookalike:
    """What became of logged (n, n_told) and simulated customers; `origin` (n,) says who share a fold."""
    X = np.concatenate([logged, simulated])
    is_logged = np.arange(len(X)) < len(logged)
    score, fold = np.empty(len(X)), _folds(np.concatenate([origin, origin]), rng)
    for k in range(N_FOLDS):
        score[fold == k] = _fit_and_score(X[fold != k], is_logged[fold != k], X[fold == k])
    parts = [_area(score[(fold == k) & is_logged], score[(fold == k) & ~is_logged]) for k in range(N_FOLDS)]
    auc = float(np.mean([a for a, _ in parts]))
    return Lookalike(auc, float(np.sqrt(sum(v for _, v in parts)) / N_FOLDS), int(is_logged.sum()))


def censor_like(simulated: LoggedDecisions, logged: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
    """Ends each simulated episode when its original's observation ended, or would have.

    For originals that left, the end is drawn from the observed ones as Kaplan and Meier (1958) weigh them.
    """
    end = _observed_until(logged, rng)
    assert simulated.panel is not None
    return simulated.take(simulated.panel.step < end[simulated.panel.episode])


def _observed_until(log: LoggedDecisions, rng: np.random.Generator) -> IntArray:
    """(n_episodes,) periods after which an episode's observation ended or would have ended."""
    panel = log.panel
    assert panel is not None
    episodes, code = np.unique(panel.episode, return_inverse=True)
    length = np.bincount(code)
    has_left = np.bincount(code, weights=panel.terminated) > 0
    ends = np.sort(length[~has_left])
    if not len(ends):
        return np.full(len(episodes), int(length.max()))
    chance = 1 / np.maximum(survival_of(log, int(length.max()))[ends - 1], 1e-3)
    until = length.copy()
    for n in np.unique(length[has_left]).tolist():
        rows = np.flatnonzero(has_left & (length == n))
        first = int(np.searchsorted(ends, n))
        if first == len(ends):
            until[rows] = int(length.max())
        else:
            until[rows] = rng.choice(ends[first:], size=len(rows), p=chance[first:] / chance[first:].sum())
    return until


def _histories(features: FloatArray, log: LoggedDecisions) -> FloatArray:
    """(n_episodes, n) what became of an episode."""
    panel = log.panel
    assert panel is not None
    order = np.lexsort((panel.step, panel.episode))
    _, first, n_periods = np.unique(panel.episode[order], return_index=True, return_counts=True)
    last = first + n_periods - 1
    told = np.column_stack([features, np.eye(log.n_actions)[log.action]])[order]
    told[panel.terminated[order], : features.shape[1]] = 0.0  # what follows who left means nothing
    mean = np.add.reduceat(told, first, axis=0) / n_periods[:, None]
    return np.column_stack([n_periods, panel.terminated[order][last], mean, told[last]])


def _folds(group: IntArray, rng: np.random.Generator) -> IntArray:
    groups, code = np.unique(group, return_inverse=True)
    return np.asarray((rng.permutation(len(groups)) % N_FOLDS)[code], dtype=np.int64)


def _fit_and_score(X: FloatArray, is_logged: BoolArray, unseen: FloatArray) -> FloatArray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=60, max_depth=3, learning_rate=0.1, early_stopping=False, random_state=0
    ).fit(X, is_logged)
    return np.asarray(trees.predict_proba(unseen)[:, 1])


def _area(ours: FloatArray, others: FloatArray) -> tuple[float, float]:
    """Area under the curve and its variance, from the placements of each among the others."""
    if min(len(ours), len(others)) < 2:
        return 0.5, 0.25
    low, high = np.sort(others), np.sort(ours)
    above = (np.searchsorted(low, ours, "left") + np.searchsorted(low, ours, "right")) / (2 * len(low))
    below = (np.searchsorted(high, others, "left") + np.searchsorted(high, others, "right")) / (2 * len(high))
    variance = above.var(ddof=1) / len(ours) + below.var(ddof=1) / len(others)
    return float(above.mean()), float(variance)
