"""The forecasting methods that compete: (history, horizon, season_length) -> (horizon,) values, NaN if one fails.

last value, seasonal naive, and their mean, where the season is rescaled to the present level; exponential smoothing
with a damped trend (Gardner and McKenzie 1985) and Theta (Assimakopoulos and Nikolopoulos 2000) from statsmodels.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np

from domain.arrays import FloatArray

Candidate = Callable[[FloatArray, int, int], FloatArray]
MAX_SMOOTHED_SEASON = 24  # a smoothing state for each of 52 weeks learns nothing from two years
LEVEL_PERIODS = 8  # recent periods whose level rescales the last season


def last_value(history: FloatArray, horizon: int, season_length: int) -> FloatArray:  # noqa: ARG001 # one form for all
    return np.full(horizon, history[-1])


def seasonal_naive(history: FloatArray, horizon: int, season_length: int) -> FloatArray:
    """The value one season before."""
    season = history[-season_length:]
    return season[np.arange(horizon) % season_length]


def level_and_season(history: FloatArray, horizon: int, season_length: int) -> FloatArray:
    """Mean of the last value and the last season, rescaled by how the level moved since."""
    n = min(LEVEL_PERIODS, len(history) - season_length)
    if n < 1:
        return np.full(horizon, np.nan)
    then = history[-season_length - n : -season_length].mean() if season_length else np.nan
    ratio = history[-n:].mean() / then if then > 0 and history.min() >= 0 else 1.0
    season = seasonal_naive(history, horizon, season_length) * ratio
    return np.asarray((last_value(history, horizon, season_length) + season) / 2)


def smoothing(history: FloatArray, horizon: int, season_length: int) -> FloatArray:
    """Additive exponential smoothing with a damped trend, and seasons where they are short enough to be learned."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing  # three seconds, only when forecasting

    is_seasonal = 1 < season_length <= MAX_SMOOTHED_SEASON and len(history) >= 2 * season_length
    season = {"seasonal": "add", "seasonal_periods": season_length} if is_seasonal else {}
    scale = float(np.abs(history).mean()) or 1.0  # the optimiser likes numbers near one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that did not converge is judged by its backtest, like any other
        model = ExponentialSmoothing(
            history / scale, trend="add", damped_trend=True, initialization_method="estimated", **season
        )
        return np.asarray(model.fit().forecast(horizon), dtype=np.float64) * scale


def theta(history: FloatArray, horizon: int, season_length: int) -> FloatArray:
    """Theta, on the seasonally adjusted series where two seasons are there."""
    from statsmodels.tsa.forecasting.theta import ThetaModel  # as above

    is_seasonal = season_length > 1 and len(history) >= 2 * season_length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        model = ThetaModel(
            history,
            period=season_length if is_seasonal else None,
            deseasonalize=is_seasonal,
            use_test=False,
            method="auto" if history.min() > 0 else "additive",
        )
        return np.asarray(model.fit().forecast(horizon), dtype=np.float64)


CANDIDATES: Mapping[str, Candidate] = {
    "last value": last_value,
    "seasonal naive": seasonal_naive,
    "level and season": level_and_season,
    "exponential smoothing": smoothing,
    "theta": theta,
}
SEASONAL = frozenset({"seasonal naive", "level and season"})
