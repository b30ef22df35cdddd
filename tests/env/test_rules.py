"""Business rules: each found where no round contradicts it, none where one does, and moved by afterwards."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.market import MarketConfig
from domain.arrays import FloatArray
from domain.context import Context
from env.fit import fit_market
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from env.rules import Count, Counter, Cycle, Mean, Period, Rule, Since, Total, recognise
from tests.env.shop import shop_log

N = 400


def make_period(rng: np.random.Generator) -> Period:
    bought = rng.random(N) < 0.4
    count = rng.integers(0, 40, size=N).astype(np.float64)
    return Period(bought, np.where(bought, rng.gamma(2.0, 7.0, size=N), 0.0), lambda _: count)


def make_now(rng: np.random.Generator) -> FloatArray:
    return rng.integers(0, 30, size=N).astype(np.float64)


RULES: dict[str, Callable[[float], Rule]] = {
    "counter": Counter,
    "counter down": lambda step: Counter(-step),
    "counter to a limit": lambda step: Counter(step, high=29.0 + step / 2),
    "count": Count,
    "count to a limit": lambda step: Count(step, high=29.0 + step / 2),
    "since": lambda step: Since(step, 0.0),
    "since, from one": lambda step: Since(step, 1.0),
    "since, to a limit": lambda step: Since(step, 0.0, high=29.0 + step / 2),
    "total": lambda _: Total(),
}


@pytest.mark.parametrize("kind", list(RULES))
@given(step=st.floats(0.1, 3.0), seed=st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_rule__is_recognised_from_what_it_did_and_foretells_other_rounds(kind: str, step: float, seed: int) -> None:
    rule, rng = RULES[kind](step), np.random.default_rng(seed)
    now, period = make_now(rng), make_period(rng)
    found = recognise({"x": (now, rule.follow(now, period))}, period)["x"]
    elsewhere, other = make_now(rng), make_period(rng)
    np.testing.assert_allclose(found.follow(elsewhere, other), rule.follow(elsewhere, other), rtol=1e-9, atol=1e-9)


@given(n_levels=st.integers(2, 12), seed=st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_cycle__is_recognised_and_wraps(n_levels: int, seed: int) -> None:
    now = np.random.default_rng(seed).permutation(np.arange(N) % n_levels).astype(np.float64) + 1
    found = recognise({"x": (now, now % n_levels + 1)}, None)["x"]
    once_around = np.arange(1.0, n_levels + 1).astype(np.float64)
    period = make_period(np.random.default_rng(0))
    for _ in range(n_levels):
        once_around = found.follow(once_around, period)
    np.testing.assert_array_equal(once_around, np.arange(n_levels) + 1.0)
    assert isinstance(found, Cycle)


@given(more=st.integers(0, 1), seed=st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_mean__is_recognised_beside_its_count(more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    now, period = 10 * rng.random(N), make_period(rng)
    count = period.before("n")
    found = recognise({"n": (count, count + period.bought), "x": (now, Mean("n", more).follow(now, period))}, period)
    assert found == {"n": Count(1.0), "x": Mean("n", more)}


@pytest.mark.parametrize("kind", list(RULES))
def test_one_round_that_differs__leaves_the_column_to_learning(kind: str) -> None:
    rng = np.random.default_rng(0)
    now, period = make_now(rng), make_period(rng)
    after = RULES[kind](1.0).follow(now, period)
    after[17] += 0.01
    assert recognise({"x": (now, after)}, period) == {}


def test_too_few_rounds__tell_no_rule() -> None:
    now, none = np.arange(20.0), np.zeros(20, np.bool_)
    assert recognise({"x": (now, now + 1)}, None) == {}
    many = np.arange(400.0)
    rare = Period(np.arange(400) < 5, np.zeros(400), lambda _: many)
    assert recognise({"x": (many, np.where(rare.bought, 0.0, many + 1))}, rare) == {}
    assert recognise({}, Period(none, np.zeros(20), lambda _: now)) == {}


def test_column_that_moved_once__is_no_counter_at_its_limit() -> None:
    now = np.ones(200)
    now[3] = 0.0
    assert recognise({"x": (now, np.ones(200))}, None) == {}


def test_random_columns__stay_learned() -> None:
    log = panel_log(subscription_market(), 800, rng=np.random.default_rng(0))
    model = fit_market(log, MarketConfig(n_members=1), rng=np.random.default_rng(0))
    assert model.layout.rules == {}
    assert len(model.layout.moving_levels) == 4


def test_market_of_a_shop__knows_its_rules_and_learns_the_rest() -> None:
    model = fit_market(shop_log(), MarketConfig(n_members=2), rng=np.random.default_rng(0))
    assert {name: type(rule) for name, rule in model.layout.rules.items()} == {
        "age": Counter,
        "month": Cycle,
        "count": Count,
        "since": Since,
        "total": Total,
        "mean": Mean,
    }
    assert [column.name for _, column in model.layout.moving_levels] == ["mood"]


def test_simulated_customers__obey_the_rules() -> None:
    log = shop_log()
    model, rng = fit_market(log, MarketConfig(n_members=2), rng=np.random.default_rng(0)), np.random.default_rng(1)
    state = model.initial(300, rng)
    for _ in range(15):
        action = rng.integers(2, size=300)
        before, moved = model.context(state), model.advance(state, action, rng)
        after, stays = model.context(moved.next_state), ~moved.terminated
        assert model.hurdle is not None
        spend = moved.reward - model.hurdle.atom[action]
        bought = spend > 1e-9
        now, then = (
            {name: np.asarray(c.column(name), dtype=np.float64)[stays] for name in c.columns} for c in (before, after)
        )
        np.testing.assert_array_equal(then["age"], now["age"] + 1)
        np.testing.assert_array_equal(then["month"], now["month"] % 12 + 1)
        np.testing.assert_array_equal(then["count"], np.minimum(now["count"] + bought[stays], then["count"].max()))
        np.testing.assert_allclose(then["total"], now["total"] + np.where(bought, spend, 0.0)[stays])
        assert (then["since"][bought[stays]] == 0).all()
        state = moved.next_state


def test_text_that_cycles__is_recognised() -> None:
    log = shop_log()
    assert log.panel is not None
    names = np.array([f"month {m:02d}" for m in range(13)], dtype=object)
    before, after = (
        Context({"month": names[c.column("month").astype(np.int64)], "taste": c.column("taste")}, len(log))
        for c in (log.context, log.panel.next_context)
    )
    named = replace(log, context=before, panel=replace(log.panel, next_context=after))
    model, rng = fit_market(named, MarketConfig(n_members=1), rng=np.random.default_rng(0)), np.random.default_rng(0)
    state = model.initial(50, rng)
    moved = model.advance(state, np.zeros(50, np.int64), rng)
    was, now = (model.context(s).column("month").tolist() for s in (state, moved.next_state))
    assert [names.tolist().index(m) % 12 + 1 for m in was] == [names.tolist().index(m) for m in now]
