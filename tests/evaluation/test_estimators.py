from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.estimates import PolicyValueEstimate
from evaluation.assessment import estimate_all
from evaluation.clipped_ips import ClippedInversePropensityScoring
from evaluation.dm import DirectMethod
from evaluation.dr import DoublyRobust
from evaluation.dros import ShrunkDoublyRobust
from evaluation.estimator import Estimator, collect_moments, estimate_rounds, estimate_value
from evaluation.ips import InversePropensityScoring
from evaluation.registry import ESTIMATORS, FAMILIES
from evaluation.rounds import Rounds
from evaluation.slope import tune
from evaluation.sndr import SelfNormalizedDoublyRobust
from evaluation.snips import SelfNormalizedInversePropensityScoring
from evaluation.switch_dr import SwitchDoublyRobust
from tests.evaluation.worlds import make_rounds_of, random_rounds

EVERY = (*ESTIMATORS, *(family(hyperparameter) for family in FAMILIES for hyperparameter in (0.5, 10.0, np.inf)))
SHIFTING = tuple(e for e in EVERY if not e.name.startswith("ips"))  # IPS moves by the shift times the mean weight
seeds = st.integers(0, 2**32 - 1)
each = pytest.mark.parametrize("estimator", EVERY, ids=[e.name for e in EVERY])


def estimate(estimator: Estimator, rounds: Rounds) -> PolicyValueEstimate:
    return estimate_rounds(estimator, rounds, "candidate", 0.95)


def take(rounds: Rounds, index: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Rounds:
    return Rounds(*(getattr(rounds, name)[index] for name in Rounds.__dataclass_fields__))


def test_values_by_hand() -> None:
    rounds = make_rounds_of(reward=[1.0, 0.0, 2.0], weight=[2.0, 1.0, 0.5], q=[1.0, 1.0, 1.0], v=[0.5, 1.5, 1.0])
    assert estimate(InversePropensityScoring(), rounds).value == pytest.approx((2 + 0 + 1) / 3)
    assert estimate(SelfNormalizedInversePropensityScoring(), rounds).value == pytest.approx(3 / 3.5)
    assert estimate(DirectMethod(), rounds).value == pytest.approx(1.0)
    assert estimate(DoublyRobust(), rounds).value == pytest.approx((0.5 + 0.5 + 1.5) / 3)
    assert estimate(ClippedInversePropensityScoring(1.5), rounds).value == pytest.approx((1.5 + 0 + 1) / 3)
    assert estimate(SelfNormalizedDoublyRobust(), rounds).value == pytest.approx(1 + (0 - 1 + 0.5) / 3.5)
    assert estimate(SwitchDoublyRobust(0.6), rounds).value == pytest.approx((0.5 + 1.5 + 1.5) / 3)
    assert estimate(ShrunkDoublyRobust(4.0), rounds).value == pytest.approx((0.5 + 0.7 + 1 + 2 / 4.25) / 3)
    assert estimate(DoublyRobust(), rounds).ess == pytest.approx(3.5**2 / 5.25)


def test_stderr_of_ips_is_that_of_a_mean() -> None:
    rounds = make_rounds_of(reward=[1.0, 0.0, 2.0, 5.0], weight=[1.0, 1.0, 1.0, 1.0])
    assert estimate(InversePropensityScoring(), rounds).stderr == pytest.approx(np.std([1, 0, 2, 5], ddof=1) / 2)


def test_stderr_of_repeated_units_is_that_of_their_sums() -> None:
    rounds = random_rounds(np.random.default_rng(3), 40)
    doubled = take(rounds, np.repeat(np.arange(40), 2))
    for estimator in EVERY:
        assert estimate(estimator, doubled).stderr == pytest.approx(estimate(estimator, rounds).stderr)


@each
@given(seed=seeds)
def test_conformance__gradient_is_the_derivative_of_the_value(estimator: Estimator, seed: int) -> None:
    total = collect_moments(estimator, random_rounds(np.random.default_rng(seed))).total
    gradient = estimator.gradient(total)
    for i, h in enumerate(1e-6 * np.abs(total) + 1e-9):
        step = np.zeros(len(total))
        step[i] = h
        slope = (estimator.value(total + step) - estimator.value(total - step)) / (2 * h)
        assert gradient[i] == pytest.approx(slope, rel=1e-4, abs=1e-7)


@each
def test_conformance__says_whether_its_interval_can_be_trusted(estimator: Estimator) -> None:
    trusted = estimate(estimator, random_rounds(np.random.default_rng(0))).trusted
    assert trusted == (estimator.name in {"ips", "snips", "dr", "sndr", "switch_dr(inf)", "dros(inf)"})


@each
@given(seed=seeds)
def test_conformance__moments_of_shards_add_up(estimator: Estimator, seed: int) -> None:
    rounds = random_rounds(np.random.default_rng(seed))
    left, right = (np.flatnonzero(side) for side in (rounds.cluster < 10, rounds.cluster >= 10))
    parts = collect_moments(estimator, take(rounds, left)) + collect_moments(estimator, take(rounds, right))
    merged = estimate_value(estimator, parts, "candidate", 0.95)
    whole = estimate(estimator, rounds)
    assert merged.value == pytest.approx(whole.value, rel=1e-12)
    assert merged.stderr == pytest.approx(whole.stderr, rel=1e-9)
    assert (merged.low, merged.high) == pytest.approx((whole.low, whole.high), rel=1e-9)
    assert merged.ess == pytest.approx(whole.ess, rel=1e-12)
    assert merged.n_rounds == whole.n_rounds


@each
@given(seed=seeds)
def test_law__order_of_rounds_changes_nothing(estimator: Estimator, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rounds = random_rounds(rng)
    shuffled = estimate(estimator, take(rounds, rng.permutation(len(rounds))))
    assert shuffled.value == pytest.approx(estimate(estimator, rounds).value, rel=1e-12)
    assert shuffled.stderr == pytest.approx(estimate(estimator, rounds).stderr, rel=1e-9)


@each
@given(seed=seeds)
def test_law__negated_rewards_negate_the_value(estimator: Estimator, seed: int) -> None:
    rounds = random_rounds(np.random.default_rng(seed))
    negated = replace(
        rounds, reward=-rounds.reward, expected_reward=-rounds.expected_reward, policy_value=-rounds.policy_value
    )
    one, other = estimate(estimator, rounds), estimate(estimator, negated)
    assert other.value == pytest.approx(-one.value)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


@pytest.mark.parametrize("estimator", SHIFTING, ids=[e.name for e in SHIFTING])
@given(seed=seeds, shift=st.floats(-50, 50))
def test_law__a_constant_added_to_every_reward_adds_itself(estimator: Estimator, seed: int, shift: float) -> None:
    rounds = random_rounds(np.random.default_rng(seed))
    shifted = replace(
        rounds,
        reward=rounds.reward + shift,
        expected_reward=rounds.expected_reward + shift,
        policy_value=rounds.policy_value + shift,
    )
    one, other = estimate(estimator, rounds), estimate(estimator, shifted)
    assert other.value == pytest.approx(one.value + shift, abs=1e-8)
    assert other.stderr == pytest.approx(one.stderr, rel=1e-5, abs=1e-6)


@given(seed=seeds)
def test_constant_reward_one_has_value_one_by_snips(seed: int) -> None:
    rounds = replace(random_rounds(np.random.default_rng(seed)), reward=np.ones(60))
    answer = estimate(SelfNormalizedInversePropensityScoring(), rounds)
    assert answer.value == pytest.approx(1.0)
    assert answer.stderr == pytest.approx(0.0, abs=1e-7)


def test_moments_of_huge_rewards__are_not_trusted_where_rounding_is_all_that_is_left() -> None:
    rounds = random_rounds(np.random.default_rng(0), 2000)
    far = replace(rounds, reward=rounds.reward + 1e9, importance_weight=np.ones(2000), cluster=np.arange(2000))
    snips = SelfNormalizedInversePropensityScoring()
    assert estimate(snips, far).trusted
    assert not estimate_value(snips, collect_moments(snips, far), "candidate", 0.95).trusted


def test_without_any_weight_only_the_direct_method_speaks() -> None:
    rounds = make_rounds_of(reward=[1.0, 2.0], weight=[0.0, 0.0], v=[1.0, 3.0])
    assert [e.estimator for e in estimate_all(rounds, "candidate", 0.95)] == ["dm"]


GOLDEN: dict[Estimator, float] = {  # G1, computed once by Open Bandit Pipeline 0.5.7
    InversePropensityScoring(): 0.5939719350597241,
    ClippedInversePropensityScoring(2.0): 0.5557194665738595,
    SelfNormalizedInversePropensityScoring(): 0.5928798684822039,
    DirectMethod(): 0.5747395752660254,
    DoublyRobust(): 0.5793467744571039,
    SelfNormalizedDoublyRobust(): 0.5793383037399612,
    SwitchDoublyRobust(2.0): 0.5792957790758164,
    SwitchDoublyRobust(0.5): 0.5784159595250676,
    ShrunkDoublyRobust(10.0): 0.5820540384244075,
    ShrunkDoublyRobust(0.5): 0.5773241344471545,
}


@pytest.mark.parametrize(("estimator", "value"), GOLDEN.items(), ids=[e.name for e in GOLDEN])
def test_parity_with_open_bandit_pipeline(estimator: Estimator, value: float) -> None:
    answer = estimate(estimator, golden_rounds())
    assert answer.value == pytest.approx(value, abs=1e-12)
    assert answer.ess == pytest.approx(686.8852979659445, abs=1e-9)


def test_parity_with_open_bandit_pipeline__slope_picks_the_same_hyperparameters() -> None:
    chosen = [tune(family, golden_rounds(), grid=(0.5, 1.0, 2.0, 5.0, 10.0, 50.0, np.inf)) for family in FAMILIES]
    assert chosen == [SwitchDoublyRobust(0.5), ShrunkDoublyRobust(0.5)]


def test_slope_stops_where_less_variance_costs_too_much_bias() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    weight = np.where(
        rng.random(n) < 0.1, 9.0, 1 / 9
    )  # the reward model is wrong by one, and only where weights are large
    reward = np.where(weight > 1, 1.0, 0.0) + rng.normal(size=n)
    rounds = make_rounds_of(reward=reward.tolist(), weight=weight.tolist())
    chosen = tune(SwitchDoublyRobust, rounds)
    assert estimate(chosen, rounds).value == pytest.approx(0.9, abs=0.1)
    assert estimate(SwitchDoublyRobust(5.0), rounds).value == pytest.approx(
        0.0, abs=0.1
    )  # what less variance would say


def golden_rounds() -> Rounds:
    """1,000 rounds, 10 actions, from NumPy's legacy generator: the recipe of the parity values."""
    legacy = np.random.RandomState(12345)  # the recipe fixes the generator
    z, u = legacy.normal(size=(1000, 10)), legacy.uniform(size=(1000, 1))
    q = 1 / (1 + np.exp(-legacy.normal(size=(1000, 10))))
    drawn = legacy.uniform(size=1000)
    behavior, rows = _softmax(z), np.arange(1000)
    action = (behavior.cumsum(axis=1) > u).argmax(axis=1)
    reward = (drawn < q[rows, action]).astype(float)
    candidate = _softmax(0.5 * z + 2 * q)
    model = np.clip(q + 0.1 * legacy.normal(size=(1000, 10)), 0, 1)
    assert action.sum() == 4512
    return Rounds(
        reward,
        candidate[rows, action] / behavior[rows, action],
        model[rows, action],
        (candidate * model).sum(axis=1),
        np.ones(1000),
        rows,
    )


def _softmax(z: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
