"""How the columns of a purchase panel (analysis/purchases.py) move: known from their definition, not recognised."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.purchases import FREQUENCY, JUST, MEAN, RATE, RECENCY
from domain.arrays import FloatArray
from env.rules import Period, Rule


@dataclass(frozen=True)
class LogSince:
    def follow(self, now: FloatArray, period: Period, /) -> FloatArray:
        return np.where(period.bought, 0.0, np.log1p(np.exp(now)))


@dataclass(frozen=True)
class LogCount:
    def follow(self, now: FloatArray, period: Period, /) -> FloatArray:
        return np.where(period.bought, np.log1p(np.exp(now)), now)


@dataclass(frozen=True)
class LogRate:
    """Purchases over periods; how many periods there were follows from the two columns together."""

    def follow(self, now: FloatArray, period: Period, /) -> FloatArray:
        n_purchases = np.exp(period.before(FREQUENCY))
        n_periods = n_purchases / np.exp(now)
        return np.asarray(np.log((n_purchases + period.bought) / (n_periods + 1)), dtype=np.float64)


@dataclass(frozen=True)
class LogMean:
    def follow(self, now: FloatArray, period: Period, /) -> FloatArray:
        n_purchases = np.exp(period.before(FREQUENCY))
        return np.where(period.bought, np.log((np.exp(now) * n_purchases + period.spend) / (n_purchases + 1)), now)


@dataclass(frozen=True)
class JustBought:
    def follow(self, _now: FloatArray, period: Period, /) -> FloatArray:
        return period.bought.astype(np.float64)


PURCHASE_RULES: Mapping[str, Rule] = {
    RECENCY: LogSince(),
    FREQUENCY: LogCount(),
    RATE: LogRate(),
    MEAN: LogMean(),
    JUST: JustBought(),
}
