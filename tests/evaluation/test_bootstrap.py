from dataclasses import replace

import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_intervals
from evaluation.estimator import estimate_rounds
from evaluation.registry import ESTIMATORS
from tests.evaluation.worlds import make_rounds_of, random_rounds


def test_agrees_with_the_delta_method_where_nothing_is_skewed() -> None:
    rounds = random_rounds(np.random.default_rng(0), 8000)
    single = replace(rounds, cluster=np.arange(8000))
    found = bootstrap_intervals(ESTIMATORS, single, "candidate", confidence=0.95, rng=np.random.default_rng(1))
    for one, estimator in zip(found, ESTIMATORS, strict=True):
        analytic = estimate_rounds(estimator, single, "candidate", 0.95)
        assert one.value == analytic.value
        assert one.stderr == pytest.approx(analytic.stderr, rel=0.1)
        assert one.high - one.low == pytest.approx(analytic.high - analytic.low, rel=0.12)


def test_resamples_customers_not_rounds() -> None:
    reward = np.repeat(np.random.default_rng(0).normal(size=50), 40)
    rounds = make_rounds_of(reward=reward.tolist(), weight=[1.0] * 2000)
    by_unit = replace(rounds, cluster=np.repeat(np.arange(50), 40))
    rng = np.random.default_rng(1)
    one, other = (bootstrap_intervals(ESTIMATORS[:1], r, "c", confidence=0.95, rng=rng)[0] for r in (rounds, by_unit))
    assert other.stderr == pytest.approx(one.stderr * np.sqrt(40), rel=0.25)


def test_same_seed_gives_the_same_interval() -> None:
    rounds = random_rounds(np.random.default_rng(0))
    one, other = (
        bootstrap_intervals(ESTIMATORS, rounds, "c", confidence=0.9, rng=np.random.default_rng(3)) for _ in range(2)
    )
    assert one == other
