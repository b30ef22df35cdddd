"""The protocol by which our agent and stable-baselines3's are timed."""

import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from benchmarks.agents.peer import (
    Clock,
    Exam,
    Examiner,
    config_of,
    finished,
    in_units_of,
    reward_deviation,
    seconds_to_target,
    train_peer,
)
from benchmarks.agents.peer_search import BY_HAND, N_FINALISTS, RANGES, Row, draw_config, winner
from benchmarks.env.one_customer import customer_tables
from env.reference import exact
from env.reference.subscription import subscription_market


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.9, 0.96, 0.96, 0.96], 1.0),
        ([0.96, 0.94, 0.95, 0.95, 0.95], 2.0),
        ([0.96, 0.94, 0.96, 0.96], None),
        ([0.96, 0.96], None),
    ],
)
def test_target__counts_from_the_first_exam_of_three_in_a_row(scores: list[float], expected: float | None) -> None:
    assert seconds_to_target([Exam(float(i), score) for i, score in enumerate(scores)]) == expected


def test_target__reached_at_the_end_of_the_training_is_reached() -> None:
    exams = [Exam(0.0, 0.9), Exam(1.0, 0.96)]
    assert seconds_to_target(exams) is None
    assert seconds_to_target(finished(exams)) == 1.0


def test_clock__stands_still_while_paused() -> None:
    def work() -> None:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass

    clock = Clock()
    with clock.paused():
        work()
    assert clock.seconds < 0.025
    work()
    assert clock.seconds >= 0.05


def test_examiner__gives_the_exact_score() -> None:
    market = subscription_market()
    distribution = exact.constant(market, "retention_contact")
    assert Examiner(market).score(distribution) == pytest.approx(exact.score_distribution(market, distribution))


def test_unit_of_rewards__makes_their_deviation_one_and_keeps_the_optimum() -> None:
    market = subscription_market()
    deviation = reward_deviation(customer_tables(market), seed=0)
    scaled = in_units_of(deviation, market)
    assert reward_deviation(customer_tables(scaled), seed=0) == pytest.approx(1.0)
    np.testing.assert_array_equal(exact.solve(scaled).distribution, exact.solve(market).distribution)


def test_search__draws_the_same_trials_every_time_from_the_ranges_and_then_around_the_leader() -> None:
    drawn = [draw_config(trial, BY_HAND) for trial in range(30)]
    assert drawn == [draw_config(trial, BY_HAND) for trial in range(30)]
    assert len(set(drawn)) == 30
    for config in drawn:
        assert all(getattr(config, name) in values for name, values in RANGES.items())
        assert 3e-4 <= config.learning_rate <= 1e-2
    kept = [sum(getattr(config, name) == getattr(BY_HAND, name) for name in RANGES) for config in drawn]
    assert np.mean(kept[1:11]) < 0.6 * len(RANGES) < 0.7 * len(RANGES) < np.mean(kept[11:])


def test_search__the_best_median_wins_and_the_config_survives_the_record() -> None:
    def row(trial: int, seconds: float | None) -> Row:
        return {"trial": trial, "cpu_seconds": seconds, "config": asdict(BY_HAND)}

    trials = [row(0, 30.0), row(1, 9.0), row(2, 10.0), row(3, None)]
    finals = [row(1, None), row(1, 40.0), row(2, 11.0), row(2, 12.0), row(0, 31.0), row(0, 29.0)]
    assert winner(trials, finals[:-1]) is None
    best = winner(trials, finals)
    assert best is not None
    assert best["trial"] == 2
    assert config_of(best) == BY_HAND
    assert N_FINALISTS == 3


def test_peer__learns_until_its_limit() -> None:
    config = replace(BY_HAND, n_envs=4, total_timesteps=2_000, learning_starts=100, batch_size=16)
    exams = train_peer(subscription_market(), config, seed=1000, limit_seconds=10.0)
    assert len(exams) == 52
    assert exams[-1] == exams[-2] == exams[-3] != exams[-4]
    assert np.isfinite([exam.score for exam in exams]).all()
    assert len(train_peer(subscription_market(), config, seed=1000, limit_seconds=0.0)) == 1
