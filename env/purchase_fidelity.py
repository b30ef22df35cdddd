"""Does a market fitted to purchase histories foretell customers? Judged on periods, and customers, it never saw.

Figures come with predictive bands: simulations differ by member (a bootstrap of customers), by path of the market
index, and by the chance of every purchase, so their spread is that of the truth around the forecast, had the
market been right. The truth's own sampling error is a bootstrap of customers. A classifier tries to tell real from
simulated customers by what became of them (env/lookalike.py). A gap above its tolerance is a reason not to believe the
market. So is a month of the year that no fitted period held, unless the index of that time is known from others: no
other month says what a season does.
"""

from calendar import month_name
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist

import numpy as np

from analysis.periods import Calendar
from analysis.purchases import PurchasePanel
from config.purchases import ForecastConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from env.lookalike import Lookalike, lookalike
from env.purchase_forecast import PurchaseForecast

Counts = BoolArray | IntArray | FloatArray


@dataclass(frozen=True)
class Foreseen:
    """A figure's forecast with its predictive band, and what came with its sampling error."""

    predicted: float
    low: float
    high: float
    observed: float
    stderr: float

    @property
    def gap(self) -> float:
        return self.predicted - self.observed

    @property
    def is_inside(self) -> bool:
        return self.low <= self.observed <= self.high


@dataclass(frozen=True)
class PurchaseFidelity:
    """How the judged span went, and why the market is not to be believed (`reasons`), if so."""

    n_fitted_periods: int
    n_periods: int  # judged
    n_customers: int  # judged
    index_given: bool  # the judged span was simulated under the index of the other customers
    active: Foreseen  # share of customers with a purchase in the span
    spend: Foreseen  # a customer, mean
    purchases: Foreseen  # periods with a purchase, mean
    by_period: tuple[Foreseen, ...]  # share of customers with a purchase in each period
    reached: tuple[Foreseen, ...]  # share with a purchase up to each period
    index: tuple[float, ...]  # mean shock of the purchase log-odds by period
    index_spread: float
    lookalike: Lookalike
    unseen_months: tuple[int, ...]  # of the year, judged but never fitted
    reasons: tuple[str, ...]

    @property
    def is_faithful(self) -> bool:
        return not self.reasons

    def to_data(self) -> dict[str, object]:
        """JSON-able."""
        return {"is_faithful": self.is_faithful, **asdict(self)}


def judge_purchases(
    forecast: PurchaseForecast,
    panel: PurchasePanel,
    cut: int,
    *,
    index_given: bool,
    config: ForecastConfig | None = None,
    rng: np.random.Generator,
) -> PurchaseFidelity:
    """Compares a forecast of the periods after `cut` with what came."""
    config = ForecastConfig() if config is None else config
    n_periods = forecast.spend.shape[2]
    truth = panel.spend[forecast.unit, cut : cut + n_periods]
    weight = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=config.n_bootstraps) / len(truth)
    z = NormalDist().inv_cdf((1 + config.level) / 2)

    def foreseen(simulated: Counts, observed: Counts) -> Foreseen:
        """Of a figure by customer: (n_simulations, n_customers) and (n_customers,)."""
        means, spread = simulated.mean(axis=1), (weight @ observed).std(ddof=1)
        center, width = float(means.mean()), z * float(means.std(ddof=1))
        return Foreseen(center, center - width, center + width, float(observed.mean()), float(spread))

    bought, really = forecast.spend > 0, truth > 0
    reached, truly = np.maximum.accumulate(bought, axis=2), np.maximum.accumulate(really, axis=1)
    unseen = unseen_months(panel.calendar, cut, n_periods)
    told = lookalike(_summaries(truth), _summaries(forecast.spend[0]), forecast.unit, rng)
    figures = PurchaseFidelity(
        n_fitted_periods=cut,
        n_periods=n_periods,
        n_customers=len(truth),
        index_given=index_given,
        active=foreseen(reached[:, :, -1], truly[:, -1]),
        spend=foreseen(forecast.spend.sum(axis=2), truth.sum(axis=1)),
        purchases=foreseen(bought.sum(axis=2), really.sum(axis=1)),
        by_period=tuple(foreseen(bought[:, :, t], really[:, t]) for t in range(n_periods)),
        reached=tuple(foreseen(reached[:, :, t], truly[:, t]) for t in range(n_periods)),
        index=tuple(forecast.index.tolist()),
        index_spread=forecast.index_spread,
        lookalike=told,
        unseen_months=unseen,
        reasons=(),
    )
    return replace(figures, reasons=_reasons(figures, config))


def unseen_months(calendar: Calendar, cut: int, n_periods: int) -> tuple[int, ...]:
    """Months of the year, 1..12, that were judged but never fitted; the first period only lets customers in."""
    months = calendar.months_of_year
    fitted, judged = frozenset[int]().union(*months[1:cut]), frozenset[int]().union(*months[cut : cut + n_periods])
    return tuple(sorted(judged - fitted))


def _reasons(figures: PurchaseFidelity, config: ForecastConfig) -> tuple[str, ...]:
    reasons = []
    if figures.n_customers < config.min_customers:
        reasons.append(
            f"{figures.n_customers} customers were judged; fewer than {config.min_customers} cannot judge a market"
        )
    if abs(figures.active.gap) > config.active_tolerance:
        reasons.append(
            f"{figures.active.predicted:.1%} of customers were foretold to buy, {figures.active.observed:.1%} did; "
            f"at most {100 * config.active_tolerance:g} points between them are tolerated"
        )
    if abs(figures.spend.gap) > config.spend_tolerance * figures.spend.observed:
        reasons.append(
            f"{figures.spend.predicted:.2f} a customer was foretold, {figures.spend.observed:.2f} was spent; "
            f"at most {config.spend_tolerance:.0%} between them is tolerated"
        )
    if figures.lookalike.auc > config.max_auc:
        reasons.append(
            f"simulated customers can be told from real ones (area under the curve {figures.lookalike.auc:.2f}; "
            f"at most {config.max_auc:.2f} is tolerated)"
        )
    if figures.unseen_months and not figures.index_given:
        names = ", ".join(month_name[m] for m in figures.unseen_months)
        reasons.append(
            f"the season was never observed: no fitted period lies in {names}; the bands assume market shocks "
            f"like the fitted ones (standard deviation {figures.index_spread:.2f} of the log-odds of a purchase)"
        )
    return tuple(reasons)


def _summaries(spend: FloatArray) -> FloatArray:
    """(n_customers, 6) of spend (n_customers, n_periods): what a classifier gets to see of a customer."""
    bought = spend > 0
    n_purchases, n_periods = bought.sum(axis=1), spend.shape[1]
    total, buyer = spend.sum(axis=1), n_purchases > 0
    last = np.where(buyer, n_periods - bought[:, ::-1].argmax(axis=1), 0)
    first = np.where(buyer, bought.argmax(axis=1) + 1, 0)
    return np.column_stack(
        [n_purchases, total, total / np.maximum(n_purchases, 1), spend.max(axis=1), n_periods - last, first]
    )
