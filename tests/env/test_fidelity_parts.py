"""The parts of the fidelity report, by hand and by small simulation: each finds what it is for and keeps its size."""

from dataclasses import replace

import numpy as np
import pytest

from domain.log import LoggedDecisions
from env.calibration import calibrate, trend
from env.fit import fit_market, heldout_customers
from env.gaps import Gap, ask, joint_limit
from env.layout import LayoutFeatures
from env.logged_behavior import fit_behavior
from env.lookalike import censor_like, tell_apart
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from env.rollout import roll_out
from env.state_shares import state_shares


def make_log(seed: int, n_customers: int = 1_000) -> LoggedDecisions:
    return panel_log(subscription_market(), n_customers, rng=np.random.default_rng(seed))


def make_gap(what: str, off_by: float, tolerance: float = 0.0) -> Gap:
    return Gap(what, "here", 1.0 + off_by, 1.0, 1.0, tolerance)


def test_questions__share_alpha_first_and_their_groups_then() -> None:
    """Two questions at .05: one number is allowed z(.0125), each of ten z(.00125)."""
    one, ten = ask([make_gap("one", 2.3), *[make_gap("ten", 2.3)] * 10], alpha_each=0.025)
    assert one.limit == pytest.approx(2.2414, abs=1e-4)
    assert ten.limit == pytest.approx(joint_limit(0.025, 10))
    assert (one.n_off, ten.n_off) == (1, 0)
    assert one.reason == "one is off: 3.3 simulated, 1 logged"
    assert ten.reason is None


def test_gap__is_immaterial_below_the_tolerance() -> None:
    assert ask([make_gap("a", 5.0, tolerance=6.0)], 0.05)[0].n_off == 0
    assert ask([make_gap("a", 7.0, tolerance=6.0)], 0.05)[0].n_off == 1


def test_rate__has_the_error_of_its_prediction_where_it_happened_seldom() -> None:
    """One of 100 left where a tenth was to: the error is sqrt(.1 * .9 / 100), not sqrt(.01 * .99 / 100)."""
    left = (np.arange(100) == 0).astype(np.float64)
    (found,) = calibrate(np.full((1, 100), 0.1), left, np.arange(100), np.zeros(100, np.int64), is_rate=True)
    assert found.stderr == pytest.approx(0.03)


def test_weighted_calibration__by_hand() -> None:
    (found,) = calibrate(
        np.array([[0.0, 1.0]]), np.array([0.0, 4.0]), np.arange(2), np.zeros(2, np.int64), np.array([3.0, 1.0])
    )
    assert (found.predicted, found.observed) == (0.25, 1.0)


def test_trend__is_the_slope_over_the_periods() -> None:
    step = np.tile(np.arange(4), 50)
    flat, rising = np.ones((2, 200)), np.asarray(1.0 + 0.5 * step, dtype=np.float64)
    found = trend("reward", flat, rising, np.repeat(np.arange(50), 4), step, np.ones(200))
    assert found is not None
    assert (found.simulated, found.logged) == pytest.approx((0.0, 0.5))
    assert trend("reward", flat, rising, np.arange(200), np.zeros(200, np.int64), np.ones(200)) is None


def test_trend__keeps_its_size() -> None:
    """400 panels without a trend: five in a hundred exceed 1.96 errors."""
    rng, n_off = np.random.default_rng(0), 0
    step, unit = np.tile(np.arange(5), 60), np.repeat(np.arange(60), 5)
    for _ in range(400):
        reward = np.asarray(np.repeat(rng.normal(size=60), 5) + rng.normal(size=300), dtype=np.float64)
        found = trend("reward", np.zeros((1, 300)), reward, unit, step, np.ones(300))
        assert found is not None
        n_off += abs(found.simulated - found.logged) > 1.96 * found.stderr
    assert 10 <= n_off <= 35


def twins(seed: int) -> tuple[LoggedDecisions, LoggedDecisions, LayoutFeatures]:
    """Two panels of the same customers and market, and features of their columns."""
    market, rng = subscription_market(), np.random.default_rng(seed)
    log = make_log(seed, 800)
    model = fit_market(log, rng=rng)
    start = market.initial(800, rng)
    first, second = (roll_out(market, fit_behavior(log, model.encoder, 64), 6, rng, state=start) for _ in range(2))
    return first, second, LayoutFeatures(model.layout, model.encoder)


def auc_of(first: LoggedDecisions, second: LoggedDecisions, features: LayoutFeatures) -> tuple[float, float]:
    layout = fit_market(make_log(0, 200), rng=np.random.default_rng(0)).layout
    assert first.panel is not None
    assert second.panel is not None
    columns = (layout.encode(first.panel.next_context), layout.encode(second.panel.next_context))
    found = tell_apart(features, columns, (first, second), np.arange(800), np.random.default_rng(1))
    return found.auc, found.stderr


def test_twins__cannot_be_told_apart_unless_one_kind_leaves_sooner() -> None:
    logged, twin, features = twins(0)
    auc, stderr = auc_of(logged, twin, features)
    assert abs(auc - 0.5) < 4 * stderr
    assert twin.panel is not None
    hasty = twin.take(twin.panel.step < 2)
    auc, stderr = auc_of(logged, hasty, features)
    assert auc > 0.6
    assert auc - 0.5 > 4 * stderr


def test_twin__ends_where_the_observation_of_its_original_ended() -> None:
    logged, twin, _ = twins(1)
    assert logged.panel is not None
    short = logged.take((logged.panel.episode % 2 == 0) | (logged.panel.step < 3))
    assert short.panel is not None
    left = np.unique(short.panel.episode[short.panel.terminated])
    ended = censor_like(twin, short, np.random.default_rng(0))
    assert ended.panel is not None
    length = np.bincount(ended.panel.episode, minlength=800)
    stayed = np.setdiff1d(np.arange(800), left)
    assert length[stayed[stayed % 2 == 1]].max() == 3
    assert length[stayed[stayed % 2 == 0]].max() == 6


def test_state_shares__agree_for_twins_and_differ_where_a_column_moved() -> None:
    logged, twin, _ = twins(2)
    layout = fit_market(make_log(0, 200), rng=np.random.default_rng(0)).layout
    member, weight = np.arange(800) % 5, np.ones(len(logged))

    def worst(played: LoggedDecisions) -> dict[str, float]:
        found = state_shares(layout, played, member, logged, weight, (1, 6), 100, np.random.default_rng(0))
        assert {(s.column, s.n_periods) for s in found} == {
            (c.name, n) for _, c in layout.moving_levels for n in (1, 6)
        }
        gaps = [gap for s in found if s.n_periods == 1 for gap in s.gaps(0.0)]
        return {g.what.split()[2]: abs(g.simulated - g.logged) / g.stderr for g in gaps}

    assert max(worst(twin).values()) < 4
    assert twin.panel is not None
    after = twin.panel.next_context
    moved = replace(after, columns={**after.columns, "engagement": np.minimum(after.column("engagement") + 1, 3.0)})
    changed = worst(replace(twin, panel=replace(twin.panel, next_context=moved)))
    assert changed["engagement"] > 6


def test_heldout_customers__are_never_on_both_sides() -> None:
    log = make_log(3, 200)
    held = heldout_customers(log.unit, 0.4, np.random.default_rng(0))
    assert not set(log.unit[held]) & set(log.unit[~held])
