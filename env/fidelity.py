"""Does a fitted market resemble its data? Asked of customers that it was not fitted on.

One-step calibration: churn, reward and next values as predicted for the held-out customers' own contexts and actions,
against what happened, in groups by predicted value and in periods. A group's gap is judged by a chi-square over the
groups, with errors clustered by customer and widened for the error of the fit itself (1 + held-out / fitted customers).
A test fails when its gaps are both proven (family-wise) and material: larger than `tolerance` times the spread of what
is predicted (churn: of the mean rate). What it cannot see: actions whose effect the log itself confounds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import chi2

from config.market import FidelityConfig, MarketConfig
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from env.fit import fit_market
from env.layout import LevelColumn
from env.model import MarketModel

MIN_ROUNDS = 20  # a smaller group joins its neighbour


@dataclass(frozen=True)
class FidelityTest:
    """One comparison of prediction and data over groups of rounds."""

    name: str
    predicted: tuple[float, ...]  # mean of each group
    observed: tuple[float, ...]
    p_value: float
    gap: float  # root mean square over groups, weighted by rounds
    tolerated_gap: float
    passes: bool


@dataclass(frozen=True)
class FidelityReport:
    """All tests of one market."""

    tests: tuple[FidelityTest, ...]
    n_fitted: int  # customers
    n_heldout: int

    @property
    def is_faithful(self) -> bool:
        return all(test.passes for test in self.tests)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is off, in words."""
        return tuple(
            f"{t.name}: off by {t.gap:.3g} (tolerated {t.tolerated_gap:.3g}, p = {t.p_value:.1g})"
            for t in self.tests
            if not t.passes
        )

    def to_data(self) -> dict[str, object]:
        """JSON-able."""
        return {
            "is_faithful": self.is_faithful,
            "reasons": list(self.reasons),
            "n_fitted": self.n_fitted,
            "n_heldout": self.n_heldout,
            "tests": [asdict(test) for test in self.tests],
        }


@dataclass(frozen=True)
class _Question:
    """One quantity on the held-out rounds where it is defined; all (n,)."""

    name: str
    predicted: FloatArray
    observed: FloatArray
    rows: IntArray  # of the held-out log
    scale: float  # what a gap is measured against


def check_fidelity(
    log: LoggedDecisions,
    config: FidelityConfig | None = None,
    *,
    rng: np.random.Generator,
    market: MarketConfig | None = None,
) -> FidelityReport:
    """Fits a market to most customers of `log` and tests it on the others.

    Raises:
        InvalidSnapshot: too few customers or actions to fit a market at all.
    """
    config = FidelityConfig() if config is None else config
    units, code = np.unique(log.unit, return_inverse=True)
    is_heldout = (rng.permutation(len(units)) < config.heldout_share * len(units))[code]
    model = fit_market(log.take(~is_heldout), market, rng=rng)
    heldout = log.take(is_heldout)
    n_heldout = len(np.unique(heldout.unit))
    n_fitted = len(units) - n_heldout
    comparisons = list(_comparisons(model, heldout, config))
    alpha = config.alpha / max(len(comparisons), 1)
    widening = 1 + n_heldout / max(n_fitted, 1)
    tests = [_test(name, q, groups, heldout, widening, alpha, config.tolerance) for name, q, groups in comparisons]
    return FidelityReport(tuple(tests), n_fitted, n_heldout)


def _comparisons(
    model: MarketModel, log: LoggedDecisions, config: FidelityConfig
) -> Iterator[tuple[str, _Question, IntArray]]:
    """Every question, by predicted value and, on a panel, by period."""
    for question in _questions(model, log):
        if len(question.rows) < 2 * MIN_ROUNDS:
            continue
        yield f"{question.name} by predicted value", question, _by_value(question.predicted, config.n_groups)
        if log.panel is not None:
            yield f"{question.name} by period", question, log.panel.step[question.rows]


def _questions(model: MarketModel, log: LoggedDecisions) -> Iterator[_Question]:
    everyone = np.arange(len(log))
    outlook = _mean_outlook(model, log)
    reward = outlook["reward"]
    yield _Question("reward", reward, log.reward, everyone, float(reward.std()) or float(log.reward.std()))
    if log.panel is None:
        return
    churn = outlook["churn"]
    yield _Question("churn", churn, log.panel.terminated.astype(np.float64), everyone, float(churn.mean()))
    stays = np.flatnonzero(~log.panel.terminated)
    after = model.layout.encode(log.panel.next_context.take(stays))
    for place, level in model.layout.moving_levels:
        observed = _level_values(level)[after[:, place].astype(np.int64)]
        yield _next(level.name, outlook, observed, stays)
    for place, number in model.layout.moving_numbers:
        yield _next(number.name, outlook, after[:, place], stays)


def _next(name: str, outlook: Mapping[str, FloatArray], observed: FloatArray, stays: IntArray) -> _Question:
    predicted = outlook[name][stays]
    return _Question(f"next {name}", predicted, observed, stays, float(predicted.std()))


def _mean_outlook(model: MarketModel, log: LoggedDecisions) -> Mapping[str, FloatArray]:
    """What the members expect on average of the logged contexts and actions; each (n_rounds,)."""
    columns = model.layout.encode(log.context)
    total: dict[str, FloatArray] = {}
    for member in range(model.n_members):
        state = model.with_members(columns, np.full(len(columns), member))
        outlook = model.outlook(state, log.action)
        found = {"reward": outlook.expected_reward, "churn": outlook.churn_rate}
        for (_, level), rates in zip(model.layout.moving_levels, outlook.levels, strict=True):
            found[level.name] = rates @ _level_values(level)
        for j, (_, number) in enumerate(model.layout.moving_numbers):
            found[number.name] = outlook.numbers[:, j]
        for name, values in found.items():
            total[name] = total.get(name, np.zeros(len(columns))) + values / model.n_members
    return total


def _level_values(column: LevelColumn) -> FloatArray:
    """(n_levels,) the number itself; for text, and where missing is a level, whether it is the most frequent one."""
    if column.levels.dtype != object and np.isfinite(column.levels.astype(np.float64)).all():
        return column.levels.astype(np.float64)
    return np.asarray(np.arange(len(column.levels)) == 0, dtype=np.float64)


def _by_value(predicted: FloatArray, n_groups: int) -> IntArray:
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, n_groups + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, predicted, side="right"), dtype=np.int64)


def _test(
    name: str,
    question: _Question,
    groups: IntArray,
    log: LoggedDecisions,
    widening: float,
    alpha: float,
    tolerance: float,
) -> FidelityTest:
    """Chi-square over groups of the weighted mean residuals."""
    weight, unit = log.sample_weight[question.rows], log.unit[question.rows]
    residual = question.observed - question.predicted
    statistic, predicted, observed, size = 0.0, [], [], []
    for group in _large_enough(groups):
        inside = np.isin(groups, group)
        total = float(weight[inside].sum())
        mean = float(np.average(residual[inside], weights=weight[inside]))
        _, place = np.unique(unit[inside], return_inverse=True)
        sums = np.bincount(place, weights=weight[inside] * (residual[inside] - mean))
        variance = widening * float((sums**2).sum()) / total**2
        statistic += mean**2 / variance if variance > 0 else 0.0
        predicted.append(float(np.average(question.predicted[inside], weights=weight[inside])))
        observed.append(predicted[-1] + mean)
        size.append(total)
    p_value = float(chi2.sf(statistic, len(size)))
    gap = float(np.sqrt(np.average((np.array(observed) - np.array(predicted)) ** 2, weights=size)))
    tolerated = tolerance * question.scale
    passes = p_value >= alpha or gap <= tolerated
    return FidelityTest(name, tuple(predicted), tuple(observed), p_value, gap, tolerated, passes)


def _large_enough(groups: IntArray) -> list[list[int]]:
    """Groups in order, small ones joined to the next."""
    joined: list[list[int]] = [[]]
    count = 0
    for group, n in zip(*np.unique(groups, return_counts=True), strict=True):
        if count >= MIN_ROUNDS:
            joined.append([])
            count = 0
        joined[-1].append(int(group))
        count += int(n)
    if count < MIN_ROUNDS and len(joined) > 1:
        last = joined.pop()
        joined[-1] += last
    return joined
