"""Elasticities: simulated ones come back; the reference data give the README's figures."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.elasticity import ALL_PRODUCTS, PriceHistory, estimate_elasticities
from domain.arrays import TextArray
from domain.errors import InvalidSnapshot

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")


def make_history(rng: np.random.Generator, elasticities: dict[str, float]) -> PriceHistory:
    """Large stores sell more and ask more, so that a comparison of stores would mislead."""
    n_periods, n_markets = 60, 12
    parts = []
    for name, elasticity in elasticities.items():
        for market in range(n_markets):
            price = np.exp(0.1 * market + rng.normal(scale=0.2, size=n_periods))
            units = np.exp(5 + market + elasticity * np.log(price) + rng.normal(scale=0.3, size=n_periods))
            parts.append(pd.DataFrame({"units": units, "price": price, "product": name, "market": f"m{market}"}))
    frame = pd.concat(parts)
    return PriceHistory(
        frame["units"].to_numpy(), frame["price"].to_numpy(), texts(frame["product"]), texts(frame["market"])
    )


def texts(series: pd.Series) -> TextArray:
    return series.astype(str).to_numpy(dtype=object)


def test_estimate_elasticities__simulated_ones_come_back() -> None:
    answers = estimate_elasticities(make_history(np.random.default_rng(0), {"juice": -2.5, "milk": -0.5}))
    assert answers.pooled.product == ALL_PRODUCTS
    assert [a.product for a in answers.by_product] == ["juice", "milk"]
    assert answers.skipped == ()
    for answer, truth in zip(answers.by_product, (-2.5, -0.5), strict=True):
        assert answer.low <= truth <= answer.high
        assert answer.high - answer.low < 0.4


def test_estimate_elasticities__units_of_price_do_not_matter() -> None:
    history = make_history(np.random.default_rng(0), {"juice": -2.5})
    cents = PriceHistory(history.units, 100 * history.price_amount, history.product, history.market)
    first, second = (estimate_elasticities(h).pooled.elasticity for h in (cents, history))
    assert first == pytest.approx(second)


def test_estimate_elasticities__a_product_of_one_price_is_skipped_by_name() -> None:
    history = make_history(np.random.default_rng(0), {"juice": -2.5, "milk": -0.5, "tea": -1.0})
    price = np.where(history.product == "milk", 2.0, history.price_amount)
    answers = estimate_elasticities(replace(history, price_amount=price))
    assert [a.product for a in answers.by_product] == ["juice", "tea"]
    (skipped,) = answers.skipped
    assert skipped.product == "milk"
    assert "log_price is determined" in skipped.reason


def test_estimate_elasticities__zero_units_are_refused() -> None:
    history = make_history(np.random.default_rng(0), {"juice": -2.5})
    history = replace(history, units=np.r_[0.0, history.units[1:]])
    with pytest.raises(InvalidSnapshot, match="units is zero, negative or missing in 1 of 720"):
        estimate_elasticities(history)


@needs_data
def test_estimate_elasticities__orange_juice() -> None:
    frame = pd.read_parquet(DATA / "oj_weeks_40_148.parquet")
    controls = {name: frame[name].to_numpy(dtype=np.float64) for name in ("deal", "feat")}
    units = np.exp(frame["log_units"].to_numpy())
    price = frame["own_price_per_oz"].to_numpy(dtype=np.float64)
    brand = texts(frame["brand"].astype(str).str.zfill(2))
    answers = estimate_elasticities(PriceHistory(units, price, brand, texts(frame["store"]), controls))
    pooled, brands = answers.pooled, answers.by_product
    assert pooled.elasticity == pytest.approx(-2.5, abs=0.05)
    assert pooled.stderr == pytest.approx(0.04, abs=0.005)
    readme = [-2.48, -1.40, -2.78, -3.20, -2.35, -1.77, -2.27, -2.03, -3.28, -2.81, -1.12]
    # the README's regression of each brand is specified a little differently
    np.testing.assert_allclose([b.elasticity for b in brands], readme, atol=0.2)


@needs_data
@pytest.mark.parametrize(("kind", "readme", "margin"), [("conventional", -0.72, 0.06), ("organic", -1.16, 0.14)])
def test_estimate_elasticities__avocados(kind: str, readme: float, margin: float) -> None:
    frame = pd.read_parquet(DATA / "avocado.parquet")
    frame = frame[frame["type"] == kind]
    history = PriceHistory(
        frame["units"].to_numpy(), frame["price"].to_numpy(), texts(frame["type"]), texts(frame["region"])
    )
    answer = estimate_elasticities(history).pooled
    assert answer.elasticity == pytest.approx(readme, abs=0.03)
    assert (answer.high - answer.low) / 2 == pytest.approx(margin, abs=0.015)
