"""Forecasts of one series with a prediction interval and the backtest that earned it.

The history is replayed from several origins: at each, every candidate forecasts what was then the future. The one
with the smallest WAPE wins, the interval's width comes from its own errors there, and its coverage is counted with
the errors of the *other* origins, so that no origin judges itself. The candidates are simple on purpose: on short
business series they are hard to beat (Makridakis, Spiliotis, Assimakopoulos 2020, Int. J. Forecasting 36(1)).
A history too short for that gets a reason instead of a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.forecast_candidates import CANDIDATES, SEASONAL, Candidate
from domain.arrays import FloatArray
from domain.errors import InvalidSnapshot

MIN_ORIGINS = 4
MAX_ORIGINS = 12
MIN_HISTORY = 12  # periods before the first origin


@dataclass(frozen=True)
class CandidateScore:
    """One candidate over all origins of the backtest."""

    name: str
    wape: float | None  # sum of absolute errors / sum of absolute values; None where those are all zero
    mae: float  # in the series' unit


@dataclass(frozen=True)
class Forecast:
    """The next periods of a series. Interval: 95 % for each period by itself."""

    values: FloatArray  # (horizon,)
    low: FloatArray  # (horizon,)
    high: FloatArray  # (horizon,)
    method: str
    scores: tuple[CandidateScore, ...]  # best first
    coverage: float  # share of backtested values inside their interval
    n_origins: int


@dataclass(frozen=True)
class NoForecast:
    """Why there is none."""

    reason: str


def forecast_series(history: FloatArray, horizon: int, season_length: int = 1) -> Forecast | NoForecast:
    """Backtests the candidates and forecasts with the best.

    Args:
        history: (n_periods,) equally spaced, oldest first.
        horizon: periods ahead.
        season_length: periods after which the pattern repeats (7 for days, 52 for weeks); 1 = none.

    Raises:
        InvalidSnapshot: missing or infinite values.

    >>> answer = forecast_series(np.full(40, 5.0), horizon=4)
    >>> isinstance(answer, Forecast) and answer.values.round(6).tolist()
    [5.0, 5.0, 5.0, 5.0]
    """
    n_missing = int((~np.isfinite(history)).sum())
    if n_missing:
        raise InvalidSnapshot(f"the series has {n_missing} missing or infinite values", "fill or shorten it first")
    origins = _origins(len(history), horizon, season_length)
    if len(origins) < MIN_ORIGINS:
        needed = _first_origin(season_length) + horizon + MIN_ORIGINS - 1
        return NoForecast(
            f"{len(history)} periods of history; {needed} are needed to backtest {horizon} periods ahead"
            + (f" with a season of {season_length}" if season_length > 1 else "")
        )
    futures = np.array([history[o : o + horizon] for o in origins])
    errors = _backtest(history, origins, futures, season_length)
    best, scores = _rank(errors, futures)
    half_width = _half_width(errors[best])
    values = CANDIDATES[best](history, horizon, season_length)
    floor = 0.0 if history.min() >= 0 else -np.inf  # what never was negative is not forecast to be
    return Forecast(
        values=np.maximum(values, floor),
        low=np.maximum(values - half_width, floor),
        high=np.maximum(values + half_width, floor),
        method=best,
        scores=scores,
        coverage=_coverage(errors[best]),
        n_origins=len(origins),
    )


def _first_origin(season_length: int) -> int:
    return max(MIN_HISTORY, season_length + min(season_length, 8) if season_length > 1 else 0)


def _origins(n_periods: int, horizon: int, season_length: int) -> list[int]:
    """Up to MAX_ORIGINS cut points, evenly spread over what the history allows."""
    first, last = _first_origin(season_length), n_periods - horizon
    if last < first:
        return []
    n = min(MAX_ORIGINS, last - first + 1)
    return sorted({round(o) for o in np.linspace(first, last, n)})


def _backtest(
    history: FloatArray, origins: list[int], futures: FloatArray, season_length: int
) -> Mapping[str, FloatArray]:
    """Candidate -> errors (n_origins, horizon); a candidate that fails anywhere is out."""
    horizon = futures.shape[1]
    errors = {}
    for name, candidate in _competing(history, season_length).items():
        forecasts = [_try(candidate, history[:o], horizon, season_length) for o in origins]
        if all(f is not None for f in forecasts):
            errors[name] = np.array(forecasts, dtype=np.float64) - futures
    return errors


def _competing(history: FloatArray, season_length: int) -> Mapping[str, Candidate]:
    """Seasonal methods only where there is a season; a series that never moved leaves nothing to fit."""
    if np.ptp(history) == 0:
        return {"last value": CANDIDATES["last value"]}
    return {name: c for name, c in CANDIDATES.items() if season_length > 1 or name not in SEASONAL}


def _try(candidate: Candidate, history: FloatArray, horizon: int, season_length: int) -> FloatArray | None:
    values = candidate(history, horizon, season_length)
    return values if np.isfinite(values).all() else None


def _rank(errors: Mapping[str, FloatArray], futures: FloatArray) -> tuple[str, tuple[CandidateScore, ...]]:
    volume = float(np.abs(futures).sum())
    scores = [
        CandidateScore(name, float(np.abs(e).sum()) / volume if volume else None, float(np.abs(e).mean()))
        for name, e in errors.items()
    ]
    ranked = tuple(sorted(scores, key=lambda score: score.mae))
    return ranked[0].name, ranked


def _half_width(errors: FloatArray) -> FloatArray:
    """(horizon,) Student t × root mean square error, never shrinking with distance, widened for having few origins."""
    n_origins = len(errors)
    rms = np.maximum.accumulate(np.sqrt((errors**2).mean(axis=0)))
    return np.asarray(_t_quantile(n_origins - 1) * np.sqrt(1 + 1 / n_origins) * rms)


def _coverage(errors: FloatArray) -> float:
    """Share inside intervals that are built from the other origins' errors."""
    inside = [np.abs(errors[i]) <= _half_width(np.delete(errors, i, axis=0)) for i in range(len(errors))]
    return float(np.mean(inside))


def _t_quantile(df: int) -> float:
    from scipy.stats import t  # imported late: half a second

    return float(t.ppf(0.975, df))
