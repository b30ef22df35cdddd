"""First averages: by hand, weighted, clustered by unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.summary import summarise_log
from domain.actions import ActionSet
from domain.arrays import FloatArray, IntArray
from domain.context import Context
from domain.log import LoggedDecisions


def make_log(
    reward: FloatArray,
    action: IntArray,
    *,
    unit: IntArray | None = None,
    weight: FloatArray | None = None,
    days: list[str] | None = None,
) -> LoggedDecisions:
    n = len(reward)
    return LoggedDecisions(
        ActionSet(("a", "b")),
        action,
        reward,
        "spend",
        Context({}, n),
        np.arange(n) if unit is None else unit,
        weight=weight,
        decided_at=None if days is None else np.array(days, dtype="datetime64[us]"),
    )


def test_summarise_log__by_hand() -> None:
    summary = summarise_log(make_log(np.array([1.0, 3.0, 10.0, 20.0]), np.array([0, 0, 1, 1])))
    a, b = summary.actions
    assert (a.action, a.n_rounds, a.share, a.mean_reward) == ("a", 2, 0.5, 2.0)
    # standard error of (1, 3) is sqrt(2)/sqrt(2) = 1
    assert a.low == pytest.approx(2 - 1.96, abs=1e-3)
    assert b.mean_reward == 15
    assert summary.mean_reward == 8.5
    assert summary.trend is None
    assert a.mean_cost is None


def test_summarise_log__rows_of_one_unit_are_one_observation() -> None:
    once = summarise_log(make_log(np.array([1.0, 3.0]), np.array([0, 0])))
    fivefold = summarise_log(
        make_log(np.array([1.0, 3.0] * 5), np.zeros(10, dtype=np.int64), unit=np.array([0, 1] * 5))
    )
    assert fivefold.low == pytest.approx(once.low)
    assert fivefold.n_units == 2


def test_summarise_log__one_unit_has_no_interval() -> None:
    summary = summarise_log(make_log(np.array([1.0, 3.0]), np.array([0, 1])))
    assert (summary.actions[0].low, summary.actions[0].high) == (None, None)


def test_summarise_log__subsampling_weights_count() -> None:
    summary = summarise_log(make_log(np.array([1.0, 4.0]), np.array([0, 1]), weight=np.array([2.0, 1.0])))
    assert summary.mean_reward == 2
    assert summary.actions[0].share == pytest.approx(2 / 3)


def test_summarise_log__days_in_order() -> None:
    days = ["2025-01-02T23:00", "2025-01-01T01:00", "2025-01-02T01:00"]
    trend = summarise_log(make_log(np.array([1.0, 5.0, 3.0]), np.array([0, 0, 1]), days=days)).trend
    assert trend is not None
    assert [str(day) for day in trend.day] == ["2025-01-01", "2025-01-02"]
    assert trend.mean_reward.tolist() == [5, 2]
    assert trend.n_rounds.tolist() == [1, 2]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_summarise_log__scaling_the_reward_scales_means_and_intervals(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    reward, action = rng.normal(size=50), rng.integers(0, 2, 50)
    plain, scaled = summarise_log(make_log(reward, action)), summarise_log(make_log(factor * reward, action))
    assert plain.low is not None
    assert scaled.low == pytest.approx(factor * plain.low)
    assert scaled.mean_reward == pytest.approx(factor * plain.mean_reward)
