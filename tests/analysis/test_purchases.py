"""Panels from purchase histories: by hand, and the account of rows that are no purchase."""

import numpy as np
import pandas as pd
import pytest

from analysis.periods import Calendar, calendar_of, n_complete, suggested_length
from analysis.purchases import FREQUENCY, JUST, MEAN, RATE, RECENCY, panel_of, read_purchases
from config.purchases import PeriodLength, PurchaseColumns
from domain.errors import InvalidSnapshot, MissingColumn, UsageError


def make_frame() -> pd.DataFrame:
    """Ann buys in January (twice) and March, Bob in February, Cid in April only."""
    rows = [
        ("ann", "2025-01-03", 10.0),
        ("ann", "2025-01-20", 20.0),
        ("bob", "2025-02-10", 5.0),
        ("ann", "2025-03-01", 60.0),
        ("cid", "2025-04-30", 7.0),
    ]
    return pd.DataFrame(rows, columns=["unit_id", "time", "amount"])


def months(first: str, last: str) -> Calendar:
    return calendar_of(PeriodLength.MONTH, np.datetime64(first), np.datetime64(last))


def test_panel__is_what_one_writes_by_hand() -> None:
    panel = panel_of(read_purchases(make_frame()), months("2025-01-03", "2025-04-30"))
    log = panel.log(4)
    assert log.panel is not None
    rows = [(log.unit[i], int(log.panel.step[i]), log.reward[i], bool(log.panel.truncated[i])) for i in range(len(log))]
    assert rows == [(0, 0, 0, False), (0, 1, 60, False), (0, 2, 0, True), (1, 0, 0, False), (1, 1, 0, True)]
    known = {name: np.round(np.exp(log.context.column(name)), 9).tolist() for name in (RECENCY, FREQUENCY, RATE, MEAN)}
    assert known == {
        RECENCY: [1, 2, 1, 1, 2],  # 1 + periods since
        FREQUENCY: [1, 1, 2, 1, 1],
        RATE: [1, 0.5, pytest.approx(2 / 3), 1, 0.5],
        MEAN: [30, 30, 45, 5, 5],
    }
    assert log.context.column(JUST).tolist() == [1, 0, 1, 1, 0]
    assert not log.panel.terminated.any()


def test_next_context__is_the_context_of_the_next_row() -> None:
    log = panel_of(read_purchases(make_frame()), months("2025-01-03", "2025-04-30")).log(4)
    assert log.panel is not None
    going_on = np.flatnonzero(~log.panel.truncated)
    for name in log.context.columns:
        assert np.array_equal(log.panel.next_context.column(name)[going_on], log.context.column(name)[going_on + 1])


def test_dirt__is_counted_with_its_reason() -> None:
    frame = pd.DataFrame(
        {
            "who": ["a", None, "a", "b", "b", "c", "c"],
            "when": ["2025-01-01", "2025-01-01", "never", "2025-01-02", "2025-01-02", "2025-01-03", "2025-01-03"],
            "n": [1, 1, 1, -1, 2, 0, 2],
            "each": ["2", "2", "2", "3", "3", "3", "dear"],
        }
    )
    history = read_purchases(frame, PurchaseColumns(unit="who", time="when", amount="n*each"))
    assert history.amount.tolist() == [2.0, 6.0]
    assert history.n_rows == 7
    assert history.rejected == {
        "amount missing or no number": 1,
        "amount zero": 1,
        "no customer id": 1,
        "return or cancellation (amount below zero)": 1,
        "time missing or unreadable": 1,
    }


def test_history_without_purchases__is_refused_with_the_counts() -> None:
    frame = make_frame().assign(amount=-1.0)
    with pytest.raises(InvalidSnapshot, match=r"amount below zero.*: 5"):
        read_purchases(frame)
    with pytest.raises(MissingColumn, match="'price'"):
        read_purchases(make_frame(), PurchaseColumns(amount="amount*price"))


def test_customers_of_the_last_period_alone__make_no_panel() -> None:
    frame = make_frame().iloc[:1]
    with pytest.raises(InvalidSnapshot, match="nobody bought before"):
        panel_of(read_purchases(frame), months("2025-01-03", "2025-01-03")).log(1)


@pytest.mark.parametrize(("gap", "length"), [(40, PeriodLength.MONTH), (10, PeriodLength.WEEK), (2, PeriodLength.DAY)])
def test_period__follows_the_rhythm_of_customers_who_come_back(gap: int, length: PeriodLength) -> None:
    day = np.datetime64("2025-01-01") + np.arange(0, 300, gap).astype("m8[D]")
    unit = np.zeros(len(day), dtype=np.int64)
    once = np.arange(1, 4)  # customers who never came back say nothing about the rhythm
    assert suggested_length(np.append(unit, once), np.append(day, np.repeat(day[0], 3))) is length


def test_last_month__counts_when_its_silence_is_no_longer_than_others() -> None:
    day = np.array(["2025-01-01", "2025-01-05", "2025-02-04", "2025-02-26"], dtype="M8[D]")
    calendar = months("2025-01-01", "2025-02-26")
    assert n_complete(calendar, day) == 2  # 3 days to March, after 30 days without a purchase once
    assert n_complete(calendar, np.array(["2025-01-30", "2025-01-31", "2025-02-09"], dtype="M8[D]")) == 1


def test_weeks__can_end_with_a_given_day() -> None:
    weeks = calendar_of(
        PeriodLength.WEEK, np.datetime64("2025-01-01"), np.datetime64("2025-02-10"), np.datetime64("2025-01-20")
    )
    assert weeks.cut(np.datetime64("2025-01-19")) == 3
    with pytest.raises(UsageError, match=r"no last day of a week.*2025-01-20"):
        weeks.cut(np.datetime64("2025-01-20"))


def test_periods__know_their_months() -> None:
    quarter = calendar_of(PeriodLength.QUARTER, np.datetime64("2025-02-03"), np.datetime64("2025-04-03"))
    assert quarter.months_of_year == [frozenset({1, 2, 3}), frozenset({4, 5, 6})]
