"""Forecasts: the right candidate wins, the interval's coverage is counted, short histories get a reason."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.forecast import Forecast, NoForecast, forecast_series
from analysis.forecast_candidates import CANDIDATES, level_and_season, seasonal_naive
from domain.arrays import FloatArray
from domain.errors import InvalidSnapshot

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
LARGE_REGIONS = (
    "TotalUS", "West", "SouthCentral", "Northeast", "Southeast", "GreatLakes", "Midsouth", "Plains", "California",
)  # fmt: skip


def forecast(history: FloatArray, horizon: int, season_length: int = 1) -> Forecast:
    answer = forecast_series(history, horizon, season_length)
    assert isinstance(answer, Forecast)
    return answer


def weekly(rng: np.random.Generator, n_weeks: int = 20, noise: float = 1.0) -> FloatArray:
    season = np.array([10.0, 12.0, 14.0, 16.0, 30.0, 40.0, 20.0])
    return np.asarray(np.tile(season, n_weeks) + noise * rng.normal(size=7 * n_weeks))


def test_seasonal_naive__by_hand() -> None:
    assert seasonal_naive(np.array([9.0, 1.0, 2.0, 3.0]), 5, 3).tolist() == [1, 2, 3, 1, 2]


def test_level_and_season__by_hand() -> None:
    # season (2, 4), the two periods before it had mean 1.5, the last two 3: ratio 2; mean of 4 and (4, 8)
    assert level_and_season(np.array([1.0, 2.0, 2.0, 4.0]), 2, 2).tolist() == [4, 6]


def test_forecast_series__sees_the_week() -> None:
    answer = forecast(weekly(np.random.default_rng(0)), 7, 7)
    assert answer.method != "last value"
    np.testing.assert_allclose(answer.values, [10, 12, 14, 16, 30, 40, 20], atol=2.5)
    scores = {score.name: score.mae for score in answer.scores}
    assert scores[answer.method] == min(scores.values())
    assert scores["last value"] > 3 * scores[answer.method]
    assert (answer.low < answer.values).all()
    assert (answer.values < answer.high).all()


@pytest.mark.slow
def test_forecast_series__interval_of_a_random_walk_covers_the_future() -> None:
    # walks are independent, steps within one are not: 40 walks, standard error of the mean below .03
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(40):
        walk = 100 + np.cumsum(rng.normal(size=72))
        answer = forecast(walk[:60], 12)
        inside.append(((walk[60:] >= answer.low) & (walk[60:] <= answer.high)).mean())
    assert np.mean(inside) > 0.85


def test_forecast_series__short_history_gets_a_reason() -> None:
    answer = forecast_series(np.arange(20.0), horizon=12, season_length=7)
    assert isinstance(answer, NoForecast)
    assert "20 periods of history; 29 are needed" in answer.reason
    assert isinstance(forecast_series(weekly(np.random.default_rng(0))[:29], 12, 7), Forecast)


def test_forecast_series__missing_values_are_refused() -> None:
    with pytest.raises(InvalidSnapshot, match="1 missing"):
        forecast_series(np.array([1.0, np.nan, 2.0]), 1)


def test_forecast_series__zeros_forecast_zero_without_a_wape() -> None:
    answer = forecast(np.zeros(40), 4)
    assert answer.values.tolist() == [0] * 4
    assert answer.scores[0].wape is None


def test_forecast_series__what_never_was_negative_stays_so() -> None:
    rng = np.random.default_rng(0)
    assert (forecast(rng.poisson(0.5, 60).astype(float), 6).low >= 0).all()


@pytest.mark.parametrize("factor", [0.25, 1024.0])
def test_forecast_series__scaling_the_series_scales_the_forecast(factor: float) -> None:
    history = 100 + np.cumsum(np.random.default_rng(0).normal(size=24))
    plain, scaled = forecast(history, 3), forecast(factor * history, 3)
    assert scaled.method == plain.method
    np.testing.assert_allclose(scaled.values, factor * plain.values, rtol=1e-3)
    assert scaled.coverage == pytest.approx(plain.coverage)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")
@pytest.mark.parametrize(
    ("kind", "last", "season", "mean"), [("conventional", 0.218, 0.185, 0.152), ("organic", 0.307, 0.392, 0.245)]
)
def test_candidates__avocados_last_twelve_weeks(kind: str, last: float, season: float, mean: float) -> None:
    frame = pd.read_parquet(DATA / "avocado.parquet").sort_values("date")
    frame = frame[(frame["type"] == kind) & ~frame["region"].isin(LARGE_REGIONS)]
    for name, readme in (("last value", last), ("seasonal naive", season), ("level and season", mean)):
        errors, volume = 0.0, 0.0
        for _, region in frame.groupby("region"):
            units = region["units"].to_numpy()
            errors += float(np.abs(CANDIDATES[name](units[:-12], 12, 52) - units[-12:]).sum())
            volume += float(units[-12:].sum())
        # 166 of 169 weeks exist in one region, and the README rescales over its own window
        assert errors / volume == pytest.approx(readme, abs=0.006)
