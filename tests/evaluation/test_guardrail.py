"""The guardrail's confidence sequence: by hand, by law, and by how often it is wrong when looked at all the time."""

from statistics import NormalDist

import numpy as np
import pytest

from domain.arrays import FloatArray
from domain.records import RewardMoments
from evaluation.guardrail import MIN_UNITS, read_guardrail

ALPHA = 0.05
LOOKS, PER_LOOK, RUNS = 40, 50, 400  # looks a run, new units an arm and look, runs


def moments(rewards: FloatArray) -> RewardMoments:
    """One decision a unit."""
    n = len(rewards)
    return RewardMoments(n, n, float(rewards.sum()), float((rewards**2).sum()), float(rewards.sum()), float(n))


def test_too_few_units__say_nothing() -> None:
    few, many = moments(np.ones(MIN_UNITS - 1)), moments(np.ones(100))
    assert read_guardrail("reward", few, many, harm_margin=0, alpha=ALPHA, n_expected=500) is None


def test_plain_difference__is_its_middle() -> None:
    rng = np.random.default_rng(0)
    policy, baseline = moments(rng.normal(1, 1, 200)), moments(rng.normal(0, 1, 200))
    reading = read_guardrail("reward", policy, baseline, harm_margin=0, alpha=ALPHA, n_expected=500)
    assert reading is not None
    assert reading.difference == pytest.approx(policy.mean - baseline.mean)
    assert reading.high - reading.difference == pytest.approx(reading.difference - reading.low)
    assert not reading.is_breached


def test_another_unit_of_money__scales_the_reading() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=300), rng.normal(size=300)
    one = read_guardrail("reward", moments(x), moments(y), harm_margin=0, alpha=ALPHA, n_expected=500)
    cents = read_guardrail("reward", moments(100 * x), moments(100 * y), harm_margin=0, alpha=ALPHA, n_expected=500)
    assert one is not None
    assert cents is not None
    assert (cents.low, cents.high) == pytest.approx((100 * one.low, 100 * one.high))


def test_units_that_come_again__count_as_one_cluster_each() -> None:
    rng = np.random.default_rng(2)
    per_unit = rng.normal(size=100)
    once = moments(per_unit)
    four = RewardMoments(  # each unit decides four times with the very same reward: no more is known
        100, 400, float(4 * per_unit.sum()), float(16 * (per_unit**2).sum()), float(16 * per_unit.sum()), 1600.0
    )
    assert four.mean == pytest.approx(once.mean)
    assert four.variance_of_mean == pytest.approx(once.variance_of_mean)


def share_ever_breached(effect: float, *, is_sequence: bool = True) -> float:
    """Of RUNS, each looked at LOOKS times while both arms grow; heavy-tailed rewards, as revenue has them."""
    rng = np.random.default_rng(3)
    breached = 0
    for _ in range(RUNS):
        policy = rng.exponential(1.0, LOOKS * PER_LOOK) + effect
        baseline = rng.exponential(1.0, LOOKS * PER_LOOK)
        breached += any(
            _breaches(policy[:n], baseline[:n], is_sequence) for n in range(PER_LOOK, LOOKS * PER_LOOK, PER_LOOK)
        )
    return breached / RUNS


def _breaches(policy: FloatArray, baseline: FloatArray, is_sequence: bool) -> bool:
    if is_sequence:
        p, b = moments(policy), moments(baseline)
        reading = read_guardrail("reward", p, b, harm_margin=0.0, alpha=ALPHA, n_expected=1000)
        return reading is not None and reading.is_breached
    stderr = float(np.sqrt(policy.var() / len(policy) + baseline.var() / len(baseline)))  # the planted defect
    return bool(policy.mean() - baseline.mean() < -NormalDist().inv_cdf(1 - ALPHA) * stderr)


MAY_ERR = ALPHA + 2 * (ALPHA * (1 - ALPHA) / RUNS) ** 0.5


def test_harmless_policy__is_called_harmful_at_most_at_its_rate_however_often_one_looks() -> None:
    assert share_ever_breached(0.0) <= MAY_ERR


def test_the_check_itself__catches_a_test_that_must_not_be_peeked_at() -> None:
    assert share_ever_breached(0.0, is_sequence=False) > MAY_ERR


def test_harmful_policy__is_caught() -> None:
    assert (
        share_ever_breached(-0.2) >= 0.95
    )  # a fifth of the mean; a one-look test at the end would see it almost surely
