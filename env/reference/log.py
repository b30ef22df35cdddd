"""Decision logs of a reference market: what a business would have kept, with the truth known to us."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from domain.arrays import Column, FloatArray, TimeArray
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.reference.behavior import TargetedBehavior
from env.reference.tabular import TabularMarket
from env.rollout import roll_out

if TYPE_CHECKING:
    import pandas as pd

N_CUSTOMERS = 4_000  # of the demo's panel
N_PERIODS = 12
FIRST_MONTH = np.datetime64("2025-01", "M")


def panel_log(
    market: TabularMarket,
    n_customers: int = N_CUSTOMERS,
    n_periods: int = N_PERIODS,
    behavior: Policy | None = None,
    *,
    rng: np.random.Generator,
) -> LoggedDecisions:
    """One row a customer and month until the customer leaves or the log ends; propensities are logged.

    The behavior sees hidden columns too: people knew what they never wrote down. The log does not keep them.
    """
    log = _roll_out(market, n_customers, n_periods, behavior, rng)
    assert log.panel is not None
    months = FIRST_MONTH + log.panel.step.astype("timedelta64[M]")
    return _with_records(market, log, months.astype("datetime64[us]"))


def one_period_log(
    market: TabularMarket, n: int, behavior: Policy | None = None, *, rng: np.random.Generator
) -> LoggedDecisions:
    """`n` customers of the initial distribution, one decision and one month's reward each."""
    log = replace(_roll_out(market, n, 1, behavior, rng), panel=None)
    days = (np.arange(n) * 28 // n).astype("timedelta64[D]")
    return _with_records(market, log, FIRST_MONTH.astype("datetime64[us]") + days)


def one_period_value(market: TabularMarket, distribution: FloatArray) -> float:
    """The truth behind `one_period_log`: expected reward of one month under (n_states, n_actions)."""
    return float(market.initial_distribution @ (distribution * market.expected_reward).sum(axis=1))


def to_frame(log: LoggedDecisions) -> "pd.DataFrame":
    """The log in the columns of DESIGN section 5, ready for Parquet."""
    import pandas as pd

    columns: dict[str, Column | TimeArray] = {
        "decision_id": _texts("d", np.arange(len(log))),
        "unit_id": _texts("u", log.unit),
        "action": np.array(log.actions.ids, dtype=object)[log.action],
        "reward": log.reward,
    }
    columns |= {f"x_{name}": values for name, values in log.context.columns.items()}
    if log.decided_at is not None:
        columns["decided_at"] = log.decided_at
    if log.cost is not None:
        columns["cost"] = log.cost
    if log.propensity is not None:
        columns["propensity"] = log.propensity
    if log.logged_distribution is not None:
        columns |= {f"p_{a}": log.logged_distribution[:, i] for i, a in enumerate(log.actions.ids)}
    frame = pd.DataFrame(columns)
    return frame if log.panel is None else pd.concat([frame, _panel_frame(log)], axis=1)


def _roll_out(
    market: TabularMarket, n_customers: int, n_periods: int, behavior: Policy | None, rng: np.random.Generator
) -> LoggedDecisions:
    behavior = TargetedBehavior() if behavior is None else behavior
    log = roll_out(market.unveiled(), behavior, n_periods, rng, state=market.initial(n_customers, rng))
    assert log.panel is not None
    panel = replace(log.panel, next_context=log.panel.next_context.without(market.hidden))
    return replace(log, context=log.context.without(market.hidden), panel=panel)


def _panel_frame(log: LoggedDecisions) -> "pd.DataFrame":
    import pandas as pd

    panel = log.panel
    assert panel is not None
    following = {f"next_x_{name}": values for name, values in panel.next_context.columns.items()}
    return pd.DataFrame(
        {
            "episode_id": _texts("e", panel.episode),
            "step": panel.step,
            **following,
            "terminated": panel.terminated,
            "truncated": panel.truncated,
        }
    )


def _with_records(market: TabularMarket, log: LoggedDecisions, decided_at: TimeArray) -> LoggedDecisions:
    return replace(log, cost=market.cost_amount[log.action], decided_at=decided_at)


def _texts(prefix: str, codes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Column:
    return np.array([f"{prefix}{code:07d}" for code in codes.tolist()], dtype=object)
