import numpy as np
import pytest
from scipy.stats import t

from evaluation.intervals import Spread, interval, spread_of_influences, studentized
from evaluation.scores import mean_interval


def test_without_skewness_it_is_students_interval() -> None:
    low, high = interval(1.0, Spread(0.5, 0.0, 20), 0.9)
    assert (low, high) == pytest.approx((1 - 0.5 * t(19).ppf(0.95), 1 + 0.5 * t(19).ppf(0.95)))


@pytest.mark.parametrize("skewness", [-0.9, -0.2, 1e-7, 0.05, 0.3, 1.0])
def test_the_transform_is_inverted(skewness: float) -> None:
    for z in (-2.5, -1.0, 0.0, 1.3, 2.0):
        x = studentized(z, skewness)
        g = x + skewness / 6 + skewness * x**2 / 3 + skewness**2 * x**3 / 27
        assert g == pytest.approx(z, abs=1e-6)


def test_a_long_right_tail_stretches_the_upper_end() -> None:
    influence = np.random.default_rng(0).lognormal(0, 1, 200) - np.exp(0.5)
    low, high = interval(0.0, spread_of_influences(influence / 200), 0.95)
    assert high > -1.05 * low


def test_no_end_is_nearer_than_students() -> None:
    for skewness in (-0.8, -0.1, 0.2, 0.9):
        low, high = interval(0.0, Spread(1.0, skewness, 100), 0.95)
        assert low <= -t(99).ppf(0.975) + 1e-12
        assert high >= t(99).ppf(0.975) - 1e-12


def test_law__negated_scores_mirror_the_interval() -> None:
    scores = np.random.default_rng(1).lognormal(0, 1, 50)
    weight, unit = np.ones(50), np.arange(50)
    one, other = mean_interval(scores, weight, unit, 0.95), mean_interval(-scores, weight, unit, 0.95)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


def test_coverage_of_a_skewed_mean__where_students_interval_fails_on_one_side() -> None:
    rng = np.random.default_rng(2)
    n, runs, truth = 60, 4000, float(np.exp(0.5))
    unit, weight = np.arange(n), np.ones(n)
    missed_above = students_missed_above = 0
    for _ in range(runs):
        scores = rng.lognormal(0, 1, n)
        answer = mean_interval(scores, weight, unit, 0.9)
        missed_above += answer.high < truth
        students_missed_above += answer.value + t(n - 1).ppf(0.95) * answer.stderr < truth
    assert missed_above / runs < 0.09
    assert students_missed_above / runs > 0.11  # nominal: .05
