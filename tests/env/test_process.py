"""What all customers share: found in the log, put together from its calendar, the same for all."""

from dataclasses import replace

import numpy as np
import pytest

from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.context import Context
from domain.log import LoggedDecisions, Panel
from env.fit import fit_market
from env.model import MarketModel
from env.process import UNKNOWN, Foretold, MarketProcess, resample, shared_columns, shocks

JANUARY = np.datetime64("2025-01", "M")
RIVAL = np.array([9.0, 9.5, 8.0, 8.5, 7.0, 9.0, 6.5, 7.5])  # a competitor's price by month


def make_log(n_customers: int = 400, boom: float = 0.0, seed: int = 0) -> LoggedDecisions:
    """Customers of unlike taste who see a rival's price; `boom` raises all log-odds in every third month."""
    rng, n_periods = np.random.default_rng(seed), len(RIVAL) - 1
    taste = np.repeat(rng.normal(size=n_customers), n_periods)
    unit, month = np.divmod(np.arange(n_customers * n_periods), n_periods)
    logit = -0.5 + taste + 0.4 * (RIVAL[month] - 8) + boom * (month % 3 == 1)
    bought = rng.random(len(unit)) < 1 / (1 + np.exp(-logit))
    reward = bought * rng.gamma(2.0, 10.0, size=len(unit))
    return LoggedDecisions(
        actions=ActionSet(("nothing",)),
        action=np.zeros(len(unit), dtype=np.int64),
        reward=reward,
        reward_name="spend",
        context=Context({"taste": taste, "rival_price": RIVAL[month]}, len(unit)),
        unit=unit,
        decided_at=(JANUARY + month).astype("M8[us]"),
        panel=Panel(
            episode=unit,
            step=month,
            next_context=Context({"taste": taste, "rival_price": RIVAL[month + 1]}, len(unit)),
            terminated=np.zeros(len(unit), dtype=np.bool_),
            truncated=month == n_periods - 1,
        ),
    )


def fitted(log: LoggedDecisions) -> MarketModel:
    return fit_market(log, rng=np.random.default_rng(1), allow_one_action=True)


def process_of(model: MarketModel) -> MarketProcess:
    assert model.process is not None
    return model.process


def test_blocks__keep_neighbors_in_time_together() -> None:
    history = np.column_stack([np.arange(9.0), 10 * np.arange(9.0)])
    path = resample(history, 7, 3, np.random.default_rng(0))
    assert path.shape == (7, 2)
    assert np.array_equal(path[:, 1], 10 * path[:, 0])  # all series of a time move together
    steps = np.diff(path[:, 0])
    assert (steps[[0, 1, 3, 4]] == 1).all()
    assert np.isin(path, history).all()


def test_history_shorter_than_a_block__is_repeated_whole() -> None:
    path = resample(np.array([[1.0], [2.0]]), 5, 12, np.random.default_rng(0))
    assert path.ravel().tolist() == [1, 2, 1, 2, 1]


def test_shared_columns__are_those_equal_for_all_who_decide_at_once() -> None:
    log = make_log()
    assert shared_columns(log) == {"rival_price"}
    alone = replace(log, decided_at=np.datetime64("2025-01-01", "us") + np.arange(len(log)))
    assert not shared_columns(alone)  # equal to nobody else's is no evidence
    still = replace(log, context=Context({"vat": np.full(len(log), 0.2)}, len(log)))
    assert not shared_columns(still)


def test_customers_of_a_member__see_the_same_price_at_the_same_time() -> None:
    model, rng = fitted(make_log()), np.random.default_rng(2)
    process = process_of(model)
    assert process.columns == ("rival_price",)
    assert set(np.unique(process.paths[:, :, 0]).tolist()) <= set(RIVAL.tolist())
    state = model.initial(300, rng)
    for _ in range(4):
        price = model.context(state).column("rival_price")
        member, time = state[:, 0].astype(np.int64), state[:, -1].astype(np.int64)
        assert np.array_equal(price, process.paths[member, time, 0])
        state = model.advance(state, np.zeros(300, dtype=np.int64), rng).next_state


def test_customers_whose_calendar_is_unknown__join_the_path_after_an_average_period() -> None:
    model, rng = fitted(make_log(boom=1.5)), np.random.default_rng(2)
    columns = model.initial(50, rng)[:, 1:]
    state = model.with_members(columns, np.zeros(50, dtype=np.int64))
    assert (state[:, -1] == UNKNOWN).all()
    assert not process_of(model).shocks(np.zeros(50, dtype=np.int64), state[:, -1]).any()
    after = model.advance(state, np.zeros(50, dtype=np.int64), rng).next_state
    assert (after[:, -1] >= 0).all()


def test_shocks__are_kept_where_periods_differ_and_only_there() -> None:
    quiet = [process_of(fitted(make_log(seed=s))).history[:, :, 1:] for s in range(5)]
    assert not any(history.any() for history in quiet)
    loud = process_of(fitted(make_log(boom=1.5))).history[:, :, 1].mean(axis=0)
    boom = np.arange(len(loud)) % 3 == 1
    assert loud[boom].min() > loud[~boom].max() + 0.7


def test_shock__makes_a_period_expected_to_have_what_it_had() -> None:
    rate, spend = np.array([0.5, 0.5, 0.2, 0.2]), np.array([30.0, 0.0, 5.0, 15.0])
    foretold = Foretold(rate, np.full(4, 20.0), in_logs=True)
    found, chances = shocks(foretold, spend, np.array([0, 0, 1, 1]), 3)
    assert found[0] == pytest.approx([0.0, np.log(1.5)])  # one of two buys, as expected, and pays half as much again
    assert found[1, 0] > 5  # both buy: no shift is large enough
    assert found[1, 1] == pytest.approx(np.log(0.5))
    assert found[2].tolist() == [0, 0]  # nobody was there
    assert ((chances >= 0) & (chances <= 1)).all()
    plain, _ = shocks(replace(foretold, in_logs=False), spend, np.array([0, 0, 1, 1]), 3)
    assert plain[:, 1] == pytest.approx([10.0, -10.0, 0.0])


def test_given_path__moves_everyone() -> None:
    model = fitted(make_log(boom=1.5))
    process, rng = process_of(model), np.random.default_rng(0)

    def bought(shift: float) -> float:
        path: FloatArray = np.tile(np.array([8.0, shift, 0.0]), (model.n_members, 4, 1))
        playing = replace(model, process=process.given(path))
        state = playing.initial(2_000, rng)
        return float((playing.advance(state, np.zeros(2_000, dtype=np.int64), rng).reward > 0).mean())

    assert bought(-1.0) < bought(0.0) - 0.1 < bought(1.0) - 0.2
