"""Own-price elasticities: per cent of units lost or won for one per cent of price, from log-log regressions.

    log units = elasticity × log price + controls + an effect of each market × product

The market × product effect takes out that some stores sell more of everything: without it the estimate compares
stores instead of prices. Errors are clustered. Prices that a retailer chose are not randomised: the number describes
what happened under its pricing, and is causal only if nothing else moved with the price that controls leave out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from analysis.regression import RegressionResult, fit_regression
from domain.arrays import BoolArray, FloatArray, IntArray, TextArray
from domain.errors import InvalidSnapshot

PRICE = "log_price"
ALL_PRODUCTS = "all"


@dataclass(frozen=True)
class PriceHistory:
    """Sales of products at the prices they had, one row a product, market and period."""

    units: FloatArray  # (n_rows,) sold, > 0
    price_amount: FloatArray  # (n_rows,) > 0
    product: TextArray  # (n_rows,)
    market: TextArray  # (n_rows,) store, region, country
    controls: Mapping[str, FloatArray] = field(default_factory=dict)  # (n_rows,) each: promotions, features


@dataclass(frozen=True)
class Elasticity:
    """Change of log units a unit of log price, with its 95 % interval."""

    product: str  # `all` for the pooled one
    elasticity: float
    stderr: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class NoElasticity:
    """A product that has none, and why: mostly a price that never changed."""

    product: str
    reason: str


@dataclass(frozen=True)
class Elasticities:
    """The pooled one and each product's; where there is one product, it is the pooled one and `by_product` is empty."""

    pooled: Elasticity
    by_product: tuple[Elasticity, ...]
    skipped: tuple[NoElasticity, ...]


def estimate_elasticities(history: PriceHistory) -> Elasticities:
    """All clustered by market; products that cannot be told are skipped by name, and stay in the pooled regression.

    Raises:
        InvalidSnapshot: units or prices that are not positive, or too little variation in price in all products.
    """
    _check_positive(history)
    product, market = _codes(history.product), _codes(history.market)
    pair = product * (int(market.max()) + 1) + market
    everything = np.ones(len(history.units), dtype=np.bool_)
    pooled = _elasticity(ALL_PRODUCTS, _regress(history, everything, pair, market))
    names = sorted({str(name) for name in history.product})
    answers = [
        _of_product(history, name, product == code, market) for code, name in enumerate(names if len(names) > 1 else [])
    ]
    return Elasticities(
        pooled,
        tuple(a for a in answers if isinstance(a, Elasticity)),
        tuple(a for a in answers if isinstance(a, NoElasticity)),
    )


def _of_product(history: PriceHistory, name: str, rows: BoolArray, market: IntArray) -> Elasticity | NoElasticity:
    try:
        return _elasticity(name, _regress(history, rows, market, market))
    except InvalidSnapshot as error:
        return NoElasticity(name, error.message)


def _check_positive(history: PriceHistory) -> None:
    for name, values in (("units", history.units), ("price_amount", history.price_amount)):
        n_bad = int((~(values > 0) | ~np.isfinite(values)).sum())
        if n_bad:
            raise InvalidSnapshot(
                f"{name} is zero, negative or missing in {n_bad} of {len(values)} rows; logarithms need > 0",
                "leave out periods without sales, or sum over longer periods",
            )


def _regress(history: PriceHistory, rows: BoolArray, effect: IntArray, clusters: IntArray) -> RegressionResult:
    names = [PRICE, *history.controls]
    columns = [np.log(history.price_amount), *history.controls.values()]
    X = np.column_stack(columns)[rows]
    n_clusters = len(np.unique(clusters[rows]))
    return fit_regression(
        np.log(history.units[rows]),
        X,
        names,
        absorb=[effect[rows]],
        clusters=clusters[rows] if n_clusters > 1 else None,
    )


def _elasticity(product: str, fitted: RegressionResult) -> Elasticity:
    i = fitted.names.index(PRICE)
    low, high = float(fitted.low[i]), float(fitted.high[i])
    return Elasticity(product, float(fitted.coefficients[i]), float(fitted.stderr[i]), low, high, fitted.n)


def _codes(names: TextArray) -> IntArray:
    return np.asarray(np.unique(names.astype(str), return_inverse=True)[1], dtype=np.int64)
