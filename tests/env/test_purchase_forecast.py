"""Purchase histories foretold: rules of the panel, a known world recovered, a season that was never seen."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.periods import calendar_of
from analysis.purchases import PurchasePanel
from config.purchases import ForecastConfig, PeriodLength
from domain.log import LoggedDecisions
from env.purchase_fidelity import PurchaseFidelity, judge_purchases, unseen_months
from env.purchase_forecast import forecast_purchases
from env.purchase_rules import PURCHASE_RULES
from env.rules import Period

QUICK = ForecastConfig(n_folds=2, n_simulations=10, n_paths=30, n_bootstraps=50)


def make_panel(n_units: int = 1_500, n_periods: int = 12, autumn: float = 0.0, seed: int = 0) -> PurchasePanel:
    """Customers with gamma rates and a chance to stop a month; `autumn` lifts rates from the tenth month, October."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.5, 0.2, size=n_units)[:, None] * np.exp(autumn * (np.arange(n_periods) >= 9))
    entry, stops = rng.integers(3, size=n_units)[:, None], rng.geometric(0.06, size=n_units)[:, None]
    age = np.arange(n_periods) - entry
    bought = ((age > 0) & (age <= stops) & (rng.random((n_units, n_periods)) < 1 - np.exp(-rate))) | (age == 0)
    typical = rng.lognormal(3.0, 0.5, size=n_units)[:, None]
    spend = bought * typical * rng.lognormal(0.0, 0.4, size=(n_units, n_periods))
    first = np.datetime64("2025-01-01")
    calendar = calendar_of(PeriodLength.MONTH, first, (first.astype("M8[M]") + n_periods).astype("M8[D]") - 1)
    return PurchasePanel(calendar, spend)


def judged(panel: PurchasePanel, cut: int, *, realised_index: bool) -> PurchaseFidelity:
    rng = np.random.default_rng(1)
    n_periods = len(panel.calendar) - cut
    forecast = forecast_purchases(panel, cut, n_periods, realised_index=realised_index, config=QUICK, rng=rng)
    return judge_purchases(forecast, panel, cut, index_given=realised_index, config=QUICK, rng=rng)


def panel_log() -> LoggedDecisions:
    return make_panel(60).log(12)


@pytest.mark.parametrize("name", sorted(PURCHASE_RULES))
def test_rules__hold_on_the_built_panel(name: str) -> None:
    log = panel_log()
    assert log.panel is not None
    period = Period(log.reward > 0, log.reward, lambda column: log.context.column(column).astype(np.float64))
    now = log.context.column(name).astype(np.float64)
    assert PURCHASE_RULES[name].follow(now, period) == pytest.approx(log.panel.next_context.column(name), abs=1e-9)


def test_customers_of_a_steady_world__are_foretold() -> None:
    fidelity = judged(make_panel(), 9, realised_index=True)
    assert abs(fidelity.active.gap) < 0.04
    assert abs(fidelity.spend.gap) < 0.15 * fidelity.spend.observed
    assert fidelity.lookalike.auc < 0.58
    assert fidelity.is_faithful
    assert fidelity.n_customers == 1_500


def test_season_never_observed__is_named_and_refused() -> None:
    panel = make_panel(autumn=1.0)
    blind = judged(panel, 9, realised_index=False)
    assert not blind.is_faithful
    assert "never observed" in blind.reasons[-1]
    assert "October, November, December" in blind.reasons[-1]
    assert blind.active.observed > blind.active.high  # it could not know
    told = judged(panel, 9, realised_index=True)
    assert told.unseen_months == (10, 11, 12)
    assert told.is_faithful
    assert min(told.index) > 0.5


def test_months__are_seen_once_they_were_fitted() -> None:
    calendar = make_panel(5, 24).calendar
    assert unseen_months(calendar, 9, 3) == (10, 11, 12)
    assert unseen_months(calendar, 13, 11) == ()
    assert unseen_months(calendar, 12, 3) == (1,)  # the first period only let customers in


def test_index_of_unlike_past__widens_the_bands() -> None:
    panel = make_panel()
    swing = np.where(np.arange(12) % 2, 1.0, 0.3)
    restless = PurchasePanel(panel.calendar, panel.spend * (np.random.default_rng(0).random(panel.spend.shape) < swing))
    calm, wide = (judged(p, 9, realised_index=False) for p in (panel, restless))
    assert wide.index_spread > 3 * calm.index_spread
    assert wide.active.high - wide.active.low > 1.5 * (calm.active.high - calm.active.low)


def test_few_customers__cannot_judge() -> None:
    panel = make_panel(400)
    few = replace(QUICK, min_customers=500)
    rng = np.random.default_rng(0)
    forecast = forecast_purchases(panel, 9, 3, realised_index=True, config=few, rng=rng)
    fidelity = judge_purchases(forecast, panel, 9, index_given=True, config=few, rng=rng)
    assert fidelity.reasons[0].startswith("400 customers were judged")


def test_same_seed__same_forecast() -> None:
    panel = make_panel(300)
    once, again = (
        forecast_purchases(panel, 9, 3, realised_index=True, config=QUICK, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert np.array_equal(once.spend, again.spend)
