"""A shop with known laws, for tests: who buys, how much, and columns that business rules move."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.context import Context
from domain.log import LoggedDecisions, Panel

ACTIONS = ActionSet(("list", "coupon"))
COST = np.array([0.0, 0.5])  # of executing each action


def purchase_rate(taste: FloatArray, coupon: FloatArray) -> FloatArray:
    """(n,) of who stays."""
    return np.asarray(1 / (1 + np.exp(1.2 - 0.8 * taste - 0.7 * coupon)))


def mean_spend(taste: FloatArray) -> FloatArray:
    """(n,) of a purchase."""
    return np.asarray(np.exp(2.0 + 0.4 * taste + 0.8**2 / 2))


@cache
def shop_log(n_customers: int = 600, n_periods: int = 10, *, seed: int = 0) -> LoggedDecisions:
    """A panel, rows by period; taste is fixed, spend log-normal with sigma .8, one in fifty leaves."""
    rng = np.random.default_rng(seed)
    taste, alive = rng.normal(size=n_customers), np.arange(n_customers)
    columns = {
        "age": rng.integers(0, 30, size=n_customers).astype(np.float64),
        "month": rng.integers(1, 13, size=n_customers).astype(np.float64),
        "count": np.zeros(n_customers),
        "since": np.full(n_customers, np.nan),
        "total": np.zeros(n_customers),
        "mean": np.zeros(n_customers),
        "mood": rng.integers(0, 4, size=n_customers).astype(np.float64),
    }
    rows: list[dict[str, FloatArray]] = []
    for t in range(n_periods):
        action = rng.integers(2, size=n_customers)
        bought = rng.random(n_customers) < purchase_rate(taste, action.astype(np.float64))
        spend = np.where(bought, np.exp(2.0 + 0.4 * taste + 0.8 * rng.normal(size=n_customers)), 0.0)
        after = _after(columns, bought, spend, rng)
        left = rng.random(n_customers) < 0.02
        row = {**columns, **{f"next_{name}": values for name, values in after.items()}, "taste": taste}
        row |= {"unit": np.arange(n_customers), "step": np.full(n_customers, t), "action": action, "left": left}
        row |= {"reward": np.where(left, 0.0, spend) - COST[action]}
        rows.append({name: values[alive] for name, values in row.items()})
        alive, columns = alive[~left[alive]], after
    return _log({name: np.concatenate([row[name] for row in rows]) for name in rows[0]}, tuple(columns), n_periods)


def tastes_only(log: LoggedDecisions) -> LoggedDecisions:
    """The same without the columns that move."""
    assert log.panel is not None
    taste = Context({"taste": log.context.column("taste")}, len(log))
    return replace(log, context=taste, panel=replace(log.panel, next_context=taste))


def _after(
    now: Mapping[str, FloatArray],
    bought: np.ndarray[tuple[int], np.dtype[np.bool_]],
    spend: FloatArray,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    total, count = now["total"] + spend, now["count"] + bought
    return {
        "age": now["age"] + 1,
        "month": now["month"] % 12 + 1,
        "count": count,
        "since": np.where(bought, 0.0, now["since"] + 1),
        "total": total,
        "mean": np.where(bought, total / np.maximum(count, 1), now["mean"]),
        "mood": np.clip(now["mood"] + rng.integers(-1, 2, size=len(bought)), 0, 3),
    }


def _log(row: Mapping[str, FloatArray], names: tuple[str, ...], n_periods: int) -> LoggedDecisions:
    n = len(row["reward"])
    codes = {name: row[name].astype(np.int64) for name in ("unit", "step", "action")}
    context = Context({name: row[name] for name in (*names, "taste")}, n)
    following = Context({**{name: row[f"next_{name}"] for name in names}, "taste": row["taste"]}, n)
    left = row["left"].astype(np.bool_)
    panel = Panel(codes["unit"], codes["step"], following, left, ~left & (codes["step"] == n_periods - 1))
    return LoggedDecisions(ACTIONS, codes["action"], row["reward"], "reward", context, codes["unit"], panel=panel)
