"""Segments: leaves share out every row there can be, follow effects instead of levels, and noise gives none."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.segments import find_segments
from analysis.splits import readable_cut
from domain.actions import ActionSet
from domain.context import Context
from domain.log import LoggedDecisions
from domain.segments import ALL, predicate_from_data, predicate_to_data


def make_log(
    rng: np.random.Generator, n_rows: int = 3000, effect: float = 2.0, level: float = 0.0, missing: float = 0.1
) -> LoggedDecisions:
    """Action `yes` helps young customers and monthly or unknown plans, and hurts the others."""
    age = rng.uniform(18, 80, n_rows)
    age[rng.random(n_rows) < missing] = np.nan
    plans = np.array(["monthly", "yearly", "family", None], dtype=object)
    plan = rng.choice(plans, n_rows, p=[0.4, 0.3, 0.3 - missing, missing])
    action = rng.integers(0, 2, n_rows)
    helps = (np.isnan(age) | (age < 40)).astype(float) + ((plan == "monthly") | (plan == None)) - 1  # noqa: E711 # elementwise
    reward = level * np.nan_to_num(age, nan=50) + effect * action * helps + rng.normal(size=n_rows)
    context = Context({"age": age, "plan": plan, "noise": rng.normal(size=n_rows)}, n_rows)
    return LoggedDecisions(
        ActionSet(("no", "yes")), action, reward, "reward", context, np.arange(n_rows), np.full(n_rows, 0.5)
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([0.0, 0.1, 0.25]))
def test_find_segments__every_row_is_in_exactly_one(seed: int, max_leaves: int, missing: float) -> None:
    log = make_log(np.random.default_rng(seed), 2000, missing=missing)
    segments = find_segments(log, max_leaves, min_leaf_rounds=150)
    masks = np.array([s.predicate.mask(log.context) for s in segments])
    assert (masks.sum(axis=0) == 1).all()
    assert len(segments) <= max_leaves
    assert len(segments) == 1 or masks.sum(axis=1).min() >= 150


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_find_segments__text_never_seen_before_falls_into_exactly_one(seed: int) -> None:
    log = make_log(np.random.default_rng(seed), 2000)
    new = Context(
        {
            "age": np.array([20.0, 70.0, np.nan, -1e9, 1e9]),
            "plan": np.array(["lifetime", "weekly", None, "monthly", ""], dtype=object),
            "noise": np.zeros(5),
        },
        5,
    )
    masks = np.array([s.predicate.mask(new) for s in find_segments(log, 6)])
    assert (masks.sum(axis=0) == 1).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_find_segments__predicates_survive_json(seed: int) -> None:
    log = make_log(np.random.default_rng(seed), 2000)
    for segment in find_segments(log, 6):
        again = predicate_from_data(json.loads(json.dumps(predicate_to_data(segment.predicate))))
        assert again == segment.predicate
        assert (again.mask(log.context) == segment.predicate.mask(log.context)).all()


def test_find_segments__finds_where_effects_differ() -> None:
    log = make_log(np.random.default_rng(0), 8000, missing=0.0)
    segments = find_segments(log, 4)
    assert {c.column for s in segments for c in s.predicate.conditions} == {"age", "plan"}
    cuts = {c.max for s in segments for c in s.predicate.conditions if c.max is not None}
    assert all(abs(cut - 40) < 1.5 for cut in cuts)


def test_find_segments__follows_effects_not_levels() -> None:
    log = make_log(np.random.default_rng(0), 8000, effect=0.0, level=1.0)
    assert find_segments(log) == (ALL,)


def test_find_segments__splits_on_the_reward_where_there_is_one_action() -> None:
    log = make_log(np.random.default_rng(0), 4000, effect=0.0, level=1.0, missing=0.0)
    single = LoggedDecisions(
        ActionSet(("no",)), np.zeros(4000, dtype=np.int64), log.reward, "reward", log.context, log.unit
    )
    assert {c.column for s in find_segments(single) for c in s.predicate.conditions} == {"age"}


def test_find_segments__noise_seldom_gives_any() -> None:
    # splits are confirmed at 5 % over a tree: 30 logs, more than 6 would have probability .1 %
    found = [find_segments(make_log(np.random.default_rng(s), 1500, effect=0.0)) != (ALL,) for s in range(30)]
    assert sum(found) <= 6


def test_find_segments__subsampling_weights_decide_where_effects_differ() -> None:
    """One row in ten stands for a hundred and turns at 40; the light nine turn the other way at 60."""
    rng = np.random.default_rng(0)
    n = 6000
    age, action, is_heavy = rng.uniform(20, 80, n), rng.integers(0, 2, n), rng.random(n) < 0.1
    effect = np.where(is_heavy, np.where(age < 40, 3.0, -3.0), np.where(age < 60, -3.0, 3.0))
    reward, weight = action * effect + rng.normal(size=n), np.where(is_heavy, 100.0, 1.0)
    log = LoggedDecisions(
        ActionSet(("no", "yes")), action, reward, "reward", Context({"age": age}, n), np.arange(n), weight=weight
    )
    (cut,) = {c.max for s in find_segments(log, 2) for c in s.predicate.conditions if c.max is not None}
    assert abs(cut - 40) < 3


def test_find_segments__repeating_the_rows_of_units_proves_nothing() -> None:
    """Noise of 150 units, each seen twenty times: more than 4 of 20 splits would have probability .3 % at 5 %."""
    found = 0
    for seed in range(20):
        log = make_log(np.random.default_rng(seed), 150, effect=0.0)
        found += find_segments(log.take(np.repeat(np.arange(150), 20))) != (ALL,)
    assert found <= 4


def test_find_segments__order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    log = make_log(rng)
    assert find_segments(log.take(rng.permutation(len(log)))) == find_segments(log)


def test_find_segments__scaling_the_reward_changes_nothing() -> None:
    log = make_log(np.random.default_rng(0))
    scaled = LoggedDecisions(
        log.actions, log.action, 1000 * log.reward, "reward", log.context, log.unit, log.propensity
    )
    assert find_segments(scaled) == find_segments(log)


def test_find_segments__few_rows_or_no_context_give_all() -> None:
    log = make_log(np.random.default_rng(0), 150)
    assert find_segments(log) == (ALL,)
    bare = LoggedDecisions(log.actions, log.action, log.reward, "reward", Context({}, 150), log.unit)
    assert find_segments(bare) == (ALL,)


def test_find_segments__works_without_logged_propensities() -> None:
    log = make_log(np.random.default_rng(0), 4000)
    unlogged = LoggedDecisions(log.actions, log.action, log.reward, "reward", log.context, log.unit)
    assert len(find_segments(unlogged)) > 1


def test_readable_cut__between_integers_is_an_integer() -> None:
    assert readable_cut(np.array([1.0, 4.0, np.nan]), 2.5) == 3
