"""Purchase probability that never rises with the price, whatever the log says about single price points.

Actions that differ in nothing but their price share one curve; from the cheapest on,

    logit(context, k) = base(context) - (price[k] - price[0]) * slope(context) - sum over j <= k of drop[j]

with drop >= 0 and slope(x) = b0 + sum b+ (x - low) + sum b- (high - x), all b >= 0: every linear function that is
nonnegative on the box of the encoder's clipped features has this form (Farkas's lemma on a box), so each context it can
show is covered, and nothing but bounds is asked of the search (L-BFGS-B: Byrd et al. 1995, SIAM J. Sci. Comput. 16(5)).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from analysis.features import FeatureEncoder, NumberEncoding
from domain.actions import ActionSet
from domain.arrays import FloatArray, IntArray
from domain.errors import UsageError
from env.levels import FREE, FittedLevels, Groups, LevelOutcome, Shrinkage, count_rounds

MAX_ITERATIONS = 200
TOLERANCE = 1e-6  # largest projected gradient, per counted round
FUNCTION_TOLERANCE = 1e6  # relative change of the loss, in units of machine precision
SMALLEST = 1e-12  # width of a feature that varies


@dataclass(frozen=True)
class PriceLadder:
    """Actions that differ in their price alone; equal prices share a rung."""

    rung: IntArray  # (n_actions,) from 0 the cheapest; -1 = takes no part
    gap: FloatArray  # (n_rungs,) price less the cheapest, in standard deviations of the rungs
    low: FloatArray  # (n_plain,) of the encoder's features
    high: FloatArray  # (n_plain,)


def price_ladder(prices: Mapping[str, float], actions: ActionSet, encoder: FeatureEncoder) -> PriceLadder | None:
    """The ladder of `prices`, which may leave actions out; None where there are not two different ones.

    Raises:
        UsageError: a price that is no finite number, or of an unknown action.
    """
    for action_id, price in prices.items():
        if action_id not in actions or not np.isfinite(price):
            raise UsageError(
                f"the price of {action_id!r} is {price:g}; expected finite prices of {', '.join(actions.ids)}",
                "give each price relative to the list price, 1 = list, and only those of the log's actions",
            )
    rungs = np.unique(list(prices.values()))
    if len(rungs) < 2:
        return None
    rung = np.array([np.searchsorted(rungs, prices[a]) if a in prices else -1 for a in actions.ids], dtype=np.int64)
    low, high = np.concatenate([_box(e) for e in encoder.encodings], axis=1) if encoder.encodings else np.empty((2, 0))
    return PriceLadder(rung, (rungs - rungs[0]) / rungs.std(), low, high)


def _box(encoding: object) -> FloatArray:
    """(2, n_features) lowest and highest value of each feature of one column."""
    names = encoding.names  # type: ignore[attr-defined] # every encoding has them
    box = np.stack([np.zeros(len(names)), np.ones(len(names))])
    if isinstance(encoding, NumberEncoding):
        box[:, 0] = (np.array([encoding.low, encoding.high]) - encoding.mean) / encoding.scale
    return box


def fit_priced(
    groups: Groups,
    outcome: LevelOutcome,
    weight: FloatArray,
    shrinkage: Shrinkage,
    ladder: PriceLadder,
    fitted: FittedLevels,
) -> FittedLevels:
    """`fitted` with the ladder's actions on one curve; what all actions share is kept as center."""
    rows = ladder.rung[groups.action] >= 0
    counts = count_rounds(groups, outcome, weight)[rows]
    if fitted.shared is None or not counts.sum():
        return _pooled(fitted, ladder)
    used = groups.used(products=shrinkage.products)
    center = _difference(fitted.shared[: len(used) - 1])
    fit = _Curve(groups.features[rows][:, used], ladder.rung[groups.action[rows]], counts, center, shrinkage, ladder)
    coefficients = fitted.coefficients.copy()
    for a in np.flatnonzero(ladder.rung >= 0):
        coefficients[a] = 0.0
        coefficients[a, used, 1] = fit.logit(int(ladder.rung[a]))
    offset = fitted.offset.copy()
    offset[ladder.rung >= 0] = 0.0
    return replace(fitted, offset=offset, coefficients=coefficients)


def _pooled(fitted: FittedLevels, ladder: PriceLadder) -> FittedLevels:
    """Where everybody bought, or nobody, every rung has the same rate."""
    offset, on_ladder = fitted.offset.copy(), ladder.rung >= 0
    offset[on_ladder] = offset[on_ladder].mean(axis=0)
    return replace(fitted, offset=offset)


def _difference(coefficients: FloatArray) -> FloatArray:
    """(n,) of the logit, from those of rest and buy."""
    return np.asarray(coefficients[:, 1] - coefficients[:, 0])


class _Curve:
    """The bounded search: base (features, then level), then b0, b+, b-, then a drop for each rung but the cheapest."""

    def __init__(
        self,
        features: FloatArray,
        rung: IntArray,
        counts: FloatArray,
        center: FloatArray,
        shrinkage: Shrinkage,
        ladder: PriceLadder,
    ) -> None:
        self._ladder, self._center = ladder, np.append(center, 0.0)
        n_base, n_plain, n_drops = len(self._center), len(ladder.low), len(ladder.gap) - 1
        plain, gap = features[:, :n_plain], ladder.gap[rung][:, None]
        slope = np.column_stack([np.ones(len(rung)), plain - ladder.low, ladder.high - plain])
        drops = (rung[:, None] > np.arange(n_drops)).astype(np.float64)
        self._design = np.column_stack([features, -gap * slope, -drops])
        pull = np.array(shrinkage.action)
        self._pull = np.concatenate([pull, [FREE, FREE], pull[:n_plain], pull[:n_plain], np.full(n_drops, FREE)])
        free, nonnegative, nothing = (None, None), (0.0, None), (0.0, 0.0)
        bends = [nonnegative if wide else nothing for wide in ladder.high > ladder.low + SMALLEST]
        self._bounds: list[tuple[float | None, float | None]] = [free] * n_base
        self._bounds += [nonnegative, *bends, *bends, *[nonnegative] * n_drops]
        ends = np.cumsum([0, n_base, 1, n_plain, n_plain, n_drops]).tolist()
        self._parts = [slice(*ends_of) for ends_of in pairwise(ends)]
        self._solution = self._solve(counts)

    def logit(self, rung: int) -> FloatArray:
        """(n features used,) coefficients of the action on a rung, the level last."""
        base, b0, up, down, drops = (self._solution[part] for part in self._parts)
        gap, low, high = self._ladder.gap[rung], self._ladder.low, self._ladder.high
        bent: FloatArray = base.copy()
        bent[: len(up)] -= gap * (up - down)
        bent[-1] -= gap * (b0[0] - up @ low + down @ high) + drops[:rung].sum()
        return bent

    def _solve(self, counts: FloatArray) -> FloatArray:
        n_rounds, bought, total = counts.sum(axis=1), counts[:, 1], float(counts.sum())
        start = np.concatenate([self._center, np.zeros(self._design.shape[1] - len(self._center))])

        def loss(theta: FloatArray) -> tuple[float, FloatArray]:
            logit, away = self._design @ theta, theta - start
            fit = float((n_rounds * np.logaddexp(0.0, logit) - bought * logit).sum())
            rate = 1 / (1 + np.exp(-np.clip(logit, -700, 700)))
            gradient = self._design.T @ (n_rounds * rate - bought) + self._pull * away
            return (fit + float((self._pull * away**2).sum()) / 2) / total, gradient / total

        solution, _, _ = fmin_l_bfgs_b(
            loss, start, bounds=self._bounds, maxiter=MAX_ITERATIONS, pgtol=TOLERANCE, factr=FUNCTION_TOLERANCE
        )
        return np.asarray(solution, dtype=np.float64)
