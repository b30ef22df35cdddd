"""What customers with a purchase history do next, simulated by a market fitted on purchases before.

Two questions. Without a market index, what comes is simulated under shocks drawn in blocks of the fitted calendar:
everyone's history up to the cut fits the market, everyone is foretold. With the realised index, customers fall into
folds: a market fitted on the other folds' history up to the cut foretells a fold, period by period under the shocks
that the *other* customers showed (env/shared.py), so that neither the customer nor the time that is judged was fitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.purchases import PurchasePanel
from config.market import MarketConfig
from config.purchases import ForecastConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions
from env.fit import fit_market
from env.model import MarketModel
from env.process import MarketProcess
from env.purchase_rules import PURCHASE_RULES
from env.shared import shocks_of


@dataclass(frozen=True)
class PurchaseForecast:
    """Simulated spend of customers who were known at the cut."""

    unit: IntArray  # (n_customers,) rows of the panel
    spend: FloatArray  # (n_simulations, n_customers, n_periods)
    index: FloatArray  # (n_periods,) mean shock of the purchase log-odds
    index_spread: float  # standard deviation of a period's shock between simulations


def forecast_purchases(
    panel: PurchasePanel,
    cut: int,
    n_periods: int,
    *,
    realised_index: bool,
    config: ForecastConfig | None = None,
    market: MarketConfig | None = None,
    rng: np.random.Generator,
) -> PurchaseForecast:
    """The `n_periods` after the first `cut` ones.

    Raises:
        InvalidSnapshot: too few customers.
    """
    config, market = ForecastConfig() if config is None else config, MarketConfig() if market is None else market
    known = panel.entered < cut
    if not realised_index:
        model = _fitted(panel, cut, known, market, rng)
        draws = _under_drawn_index(model, panel, cut, n_periods, np.flatnonzero(known), config, market, rng)
        return _stacked(np.flatnonzero(known), draws)
    fold = np.where(known, rng.permutation(len(known)) % config.n_folds, -1)
    unit = np.concatenate([np.flatnonzero(fold == k) for k in range(config.n_folds)])
    parts = [
        _stacked(
            np.flatnonzero(fold == k), _under_realised_index(panel, cut, n_periods, fold == k, config, market, rng)
        )
        for k in range(config.n_folds)
    ]
    index = np.mean([part.index for part in parts], axis=0)
    return PurchaseForecast(unit, np.concatenate([part.spend for part in parts], axis=1), index, 0.0)


def _fitted(
    panel: PurchasePanel, cut: int, units: BoolArray, market: MarketConfig, rng: np.random.Generator
) -> MarketModel:
    return fit_market(panel.log(cut, units), market, rng=rng, allow_one_action=True, rules=PURCHASE_RULES)


def _under_realised_index(
    panel: PurchasePanel,
    cut: int,
    n_periods: int,
    judged: BoolArray,
    config: ForecastConfig,
    market: MarketConfig,
    rng: np.random.Generator,
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Simulations of `judged`, each with its index, by a market that knows the others."""
    model = _fitted(panel, cut, ~judged, market, rng)
    process = _calendar(model, panel.log(cut + n_periods, ~judged))
    ahead = process.given(process.history[:, -n_periods:])
    for draw in range(config.n_simulations):
        yield _simulate(model, ahead, panel, cut, np.flatnonzero(judged), draw % model.n_members, n_periods, rng)


def _under_drawn_index(
    model: MarketModel,
    panel: PurchasePanel,
    cut: int,
    n_periods: int,
    units: IntArray,
    config: ForecastConfig,
    market: MarketConfig,
    rng: np.random.Generator,
) -> Iterator[tuple[FloatArray, FloatArray]]:
    process = _calendar(model, panel.log(cut))
    for draw in range(config.n_paths):
        ahead = process.resampled(n_periods, market.block_periods, rng)
        yield _simulate(model, ahead, panel, cut, units, draw % model.n_members, n_periods, rng)


def _calendar(model: MarketModel, log: LoggedDecisions) -> MarketProcess:
    """The shocks of every period of `log`, kept whether or not they could be chance: here they are the question."""
    assert log.decided_at is not None, "panels of purchases have a calendar"
    decided_at, period = np.unique(log.decided_at, return_inverse=True)
    history, _ = shocks_of(model, log, period, len(decided_at))
    return MarketProcess((), (), decided_at, history, history)


def _simulate(
    model: MarketModel,
    ahead: MarketProcess,
    panel: PurchasePanel,
    cut: int,
    units: IntArray,
    member: int,
    n_periods: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """(n_customers, n_periods) spend, and (n_periods,) the index behind it."""
    playing = replace(model, process=ahead)
    columns = model.layout.encode(panel.context_at(units, np.full(len(units), cut)))
    state = playing.with_members(columns, np.full(len(units), member), np.zeros(len(units)))
    nothing, spend = np.zeros(len(units), dtype=np.int64), np.empty((len(units), n_periods))
    for period in range(n_periods):
        moved = playing.advance(state, nothing, rng)
        spend[:, period], state = moved.reward, moved.next_state
    return spend, ahead.paths[member, :, -2]


def _stacked(unit: IntArray, draws: Iterator[tuple[FloatArray, FloatArray]]) -> PurchaseForecast:
    spend, index = zip(*draws, strict=True)
    paths = np.stack(index)
    return PurchaseForecast(unit, np.stack(spend), paths.mean(axis=0), float(paths.std(axis=0).mean()))
