"""Do the logged actions occur as often as their logged propensities say?

Pearson's chi-square of counts against expected counts, added up over cells; where units repeat, it is shrunk by the
design effect (Rao and Scott 1984, Annals of Statistics 12(1)). A mismatch means that rows were lost, or that the
propensities are wrong: either way no number from this log can be believed.
"""

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from evaluation.clusters import sum_by_cluster

ROUNDING = 1e-9  # relative; the machine's own differs from processor to processor by more than a rank's default allows
MIN_EXPECTED = 5.0  # expected count of an action in a cell; below, chi-square is no approximation


def sample_ratio_p_value(log: LoggedDecisions) -> float | None:
    """The probability of shares at least this far off; None where the full distribution is not known."""
    behavior = logged_behavior(log)
    if behavior is None:
        return None
    chosen = np.zeros((len(log), log.n_actions))
    chosen[np.arange(len(log)), log.action] = 1.0
    cells = [slice(None)] if log.cell is None else [log.cell == cell for cell in np.unique(log.cell)]
    statistic, freedom = 0.0, 0
    for rows in cells:
        one, degrees = _chi_square(chosen[rows], behavior[rows], log.sample_weight[rows], log.unit[rows])
        statistic, freedom = statistic + one, freedom + degrees
    return float(chdtrc(freedom, statistic)) if freedom else None


def logged_behavior(log: LoggedDecisions) -> FloatArray | None:
    """(n_rounds, n_actions) the distribution that the log claims, as far as its propensities determine it."""
    if log.logged_distribution is not None:
        return log.logged_distribution
    if log.propensity is None:
        return None
    if log.n_actions == 2:
        behavior = np.repeat(1.0 - log.propensity[:, None], 2, axis=1)
        behavior[np.arange(len(log)), log.action] = log.propensity
        return behavior
    return _constant_in_cells(log, log.propensity)


def _constant_in_cells(log: LoggedDecisions, propensity: FloatArray) -> FloatArray | None:
    cells = np.zeros(len(log), dtype=np.int64) if log.cell is None else log.cell
    shape = (int(cells.max()) + 1, log.n_actions)
    place = cells * log.n_actions + log.action
    low, high = np.full(shape, np.inf).ravel(), np.zeros(shape).ravel()
    np.minimum.at(low, place, propensity)
    np.maximum.at(high, place, propensity)
    seen = np.isfinite(low)
    table = np.where(seen, high, 0.0).reshape(shape)
    is_constant = bool(np.allclose(low[seen], high[seen], rtol=1e-6))
    return table[cells] if is_constant and (np.abs(table.sum(axis=1)[np.unique(cells)] - 1) < 1e-3).all() else None


def _chi_square(chosen: FloatArray, behavior: FloatArray, weight: FloatArray, unit: IntArray) -> tuple[float, int]:
    enough = behavior.sum(axis=0) >= MIN_EXPECTED
    if enough.sum() < 2:
        return 0.0, 0
    b = behavior if enough.all() else behavior[:, enough]
    weighted = weight[:, None] * b
    excess = weight[:, None] * (chosen if enough.all() else chosen[:, enough]) - weighted
    covariance = np.diag(weight @ weighted) - weighted.T @ weighted
    if np.trace(covariance) <= 0:  # nothing was drawn by chance
        return 0.0, 0
    design_effect = 1.0
    if not pd.Index(unit).is_unique:
        design_effect = max(float((sum_by_cluster(excess, unit) ** 2).sum() / np.trace(covariance)), 1.0)
    total = excess.sum(axis=0)
    spread, direction = np.linalg.eigh(covariance)
    free = spread > ROUNDING * spread.max()  # shares add up to one, so one direction has no spread but rounding
    statistic = float(((direction[:, free].T @ total) ** 2 / spread[free]).sum()) / design_effect
    return statistic, int(free.sum())
