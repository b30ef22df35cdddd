"""How raw purchase histories are read, cut into periods, and foretold."""

from dataclasses import dataclass
from enum import StrEnum


class PeriodLength(StrEnum):
    """One row of the panel; months and quarters are the calendar's, the others are counted from the first day."""

    DAY = "day"
    WEEK = "week"
    FOUR_WEEKS = "four_weeks"
    MONTH = "month"
    QUARTER = "quarter"


@dataclass(frozen=True)
class PurchaseColumns:
    """What the file calls its columns; an amount may be a product of two columns, as `quantity*price`."""

    unit: str = "unit_id"
    time: str = "time"
    amount: str = "amount"


@dataclass(frozen=True)
class ForecastConfig:
    """How a market fitted to purchases is judged; set before any judged span was looked at (docs/env.md)."""

    judged_share: float = 0.25  # of the periods, the last ones, where no `until` is given
    n_folds: int = 5  # groups of customers; each is foretold by a market fitted on the others
    n_simulations: int = 20  # of every judged customer, spread over the members
    n_paths: int = 40  # resampled market indices where the realised one is not given
    n_bootstraps: int = 400  # of customers, for the bands
    level: float = 0.95  # of the bands
    active_tolerance: float = 0.04  # largest gap of the active share
    spend_tolerance: float = 0.20  # largest gap of mean spend, relative
    max_auc: float = 0.60  # of a classifier of real against simulated customers
    min_customers: int = 100  # judged; fewer tell nothing
