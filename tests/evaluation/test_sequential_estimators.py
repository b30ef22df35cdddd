from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.context import Context
from domain.estimates import PolicyValueEstimate
from domain.log import LoggedDecisions
from evaluation import action_regression
from evaluation.action_regression import MAX_PENALTY, factorize
from evaluation.dm import DirectMethod
from evaluation.dr import DoublyRobust
from evaluation.episodes import lay_out
from evaluation.estimator import Estimator, collect_moments
from evaluation.estimator import estimate_value as estimate_one_period
from evaluation.evaluate import open_assessor
from evaluation.fitted_q import fit_q
from evaluation.fqe import FittedQEvaluation
from evaluation.ips import InversePropensityScoring
from evaluation.occupancy import trace_policy
from evaluation.pdis import PerDecisionImportanceSampling
from evaluation.rounds import Rounds
from evaluation.scores import mean_interval
from evaluation.sequential_estimator import SequentialEstimator, estimate_value
from evaluation.sequential_registry import SEQUENTIAL_ESTIMATORS
from evaluation.snips import SelfNormalizedInversePropensityScoring
from evaluation.snpdis import SelfNormalizedPerDecisionImportanceSampling
from evaluation.target import Target, logged_target, target_of_policy
from evaluation.trajectories import Trajectories
from tests.evaluation.worlds import ChainWorld

WORLD = ChainWorld()
CARING = np.array([[0.9, 0.1], [0.1, 0.9]])
ADDING_UP = tuple(e for e in SEQUENTIAL_ESTIMATORS if e.name != "snpdis")  # its steps are ratios
ONE_PERIOD: dict[str, Estimator] = {
    "pdis": InversePropensityScoring(),
    "snpdis": SelfNormalizedInversePropensityScoring(),
    "fqe": DirectMethod(),
    "dr": DoublyRobust(),
    "drl": DoublyRobust(),
}
seeds = st.integers(0, 2**32 - 1)
each = pytest.mark.parametrize("estimator", SEQUENTIAL_ESTIMATORS, ids=[e.name for e in SEQUENTIAL_ESTIMATORS])


def make_trajectories_of(lengths: IntArray, rng: np.random.Generator) -> Trajectories:
    """Episodes of those lengths, of half as many units, with sample weights; some end, others are cut off."""
    n, m = int(lengths.sum()), len(lengths)
    start = np.r_[0, np.cumsum(lengths)[:-1]]
    step = np.arange(n) - np.repeat(start, lengths)
    is_last = step == np.repeat(lengths, lengths) - 1
    return Trajectories(
        start=start,
        step=step,
        terminated=is_last & (rng.random(n) < 0.6),
        reward=rng.normal(2.0, 1.0, n),
        importance_weight=rng.lognormal(-0.1, 0.5, n),
        visitation=np.where(step == 0, 1.0, rng.lognormal(-0.1, 0.4, n)),
        kept=0.9**step,
        error_weight=rng.uniform(0.5, 1.5, n),
        error=rng.normal(0.0, 1.0, n),
        first_value=rng.normal(5.0, 1.0, m),
        influence=rng.normal(0.0, 1.0, m),
        sample_weight=rng.uniform(0.5, 3.0, m),
        cluster=rng.integers(0, max(m // 2, 2), m),
        discount=0.95,
    )


def random_trajectories(seed: int, n_episodes: int = 30) -> Trajectories:
    rng = np.random.default_rng(seed)
    return make_trajectories_of(np.r_[4, rng.integers(1, 5, n_episodes - 1)], rng)


def take(t: Trajectories, episodes: IntArray) -> Trajectories:
    """Some episodes, in that order."""
    lengths = np.diff(np.r_[t.start, len(t.step)])[episodes]
    start = np.r_[0, np.cumsum(lengths)[:-1]]
    rounds = np.repeat(t.start[episodes] - start, lengths) + np.arange(lengths.sum())
    kept: dict[str, object] = {"start": start}
    for field in fields(t):
        value = getattr(t, field.name)
        if field.name != "start" and isinstance(value, np.ndarray):
            kept[field.name] = value[rounds if len(value) == len(t.step) else episodes]
    return replace(t, **kept)  # type: ignore[arg-type] # arrays under the names of their fields


def estimate(estimator: SequentialEstimator, t: Trajectories) -> PolicyValueEstimate:
    return estimate_value(estimator, t, "candidate", ess=0.0, confidence=0.95)


def scaled(t: Trajectories, factor: float) -> Trajectories:
    names = ("reward", "error", "first_value", "influence")
    return replace(t, **{name: factor * getattr(t, name) for name in names})


def value_of(estimator: SequentialEstimator, t: Trajectories) -> float:
    return float(np.average(estimator.scores(t), weights=t.sample_weight))


# By hand


def test_snpdis_by_hand__an_ended_episode_keeps_its_weight_and_earns_nothing() -> None:
    one, two = np.ones(3), np.ones(2)
    t = Trajectories(
        start=np.array([0, 1]), step=np.array([0, 0, 1]), terminated=np.array([True, False, False]),
        reward=np.array([1.0, 1.0, 3.0]), importance_weight=np.array([2.0, 1.0, 1.0]), visitation=one, kept=one,
        error_weight=one, error=0 * one, first_value=two, influence=0 * two, sample_weight=two, cluster=np.arange(2),
    )  # fmt: skip
    assert t.weight_by_step.tolist() == [3.0, 3.0]
    assert value_of(SelfNormalizedPerDecisionImportanceSampling(), t) == pytest.approx(3 / 3 + 3 / 3)


def test_pdis_by_hand() -> None:
    one = np.ones(3)
    t = Trajectories(
        start=np.array([0, 2]), step=np.array([0, 1, 0]), terminated=np.array([False, False, True]),
        reward=np.array([1.0, 10.0, 4.0]), importance_weight=np.array([2.0, 3.0, 0.5]), visitation=one, kept=one,
        error_weight=one, error=one, first_value=np.ones(2), influence=np.ones(2), sample_weight=np.ones(2),
        cluster=np.arange(2), discount=0.5,
    )  # fmt: skip
    assert PerDecisionImportanceSampling().scores(t).tolist() == pytest.approx([2 * 1 + 0.5 * 6 * 10, 0.5 * 4])


# Conformance: every sequential estimator


@each
@given(seed=seeds)
def test_conformance__order_of_episodes_changes_nothing(estimator: SequentialEstimator, seed: int) -> None:
    t = random_trajectories(seed)
    one, other = estimate(estimator, t), estimate(estimator, take(t, np.random.default_rng(seed).permutation(30)))
    assert (other.value, other.stderr) == pytest.approx((one.value, one.stderr), rel=1e-9)


@each
@given(seed=seeds)
def test_conformance__negated_rewards_negate_the_value(estimator: SequentialEstimator, seed: int) -> None:
    t = random_trajectories(seed)
    one, other = estimate(estimator, t), estimate(estimator, scaled(t, -1.0))
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low), rel=1e-9)


@each
@given(seed=seeds, factor=st.floats(0.01, 100))
def test_conformance__units_of_reward_are_those_of_the_value(
    estimator: SequentialEstimator, seed: int, factor: float
) -> None:
    t = random_trajectories(seed)
    one, other = estimate(estimator, t), estimate(estimator, scaled(t, factor))
    expected = (factor * one.value, factor * one.low, factor * one.high)
    assert (other.value, other.low, other.high) == pytest.approx(expected, rel=1e-9)


@each
@given(seed=seeds)
def test_conformance__doubled_episodes_change_nothing(estimator: SequentialEstimator, seed: int) -> None:
    t = random_trajectories(seed)
    one, other = estimate(estimator, t), estimate(estimator, take(t, np.tile(np.arange(30), 2)))
    assert (other.value, other.stderr) == pytest.approx((one.value, one.stderr), rel=1e-9)


@each
@given(seed=seeds)
def test_conformance__scores_are_the_influence_of_an_episodes_weight(estimator: SequentialEstimator, seed: int) -> None:
    t = replace(random_trajectories(seed, 8), influence=np.zeros(8))  # Q stays what it is
    total, value, step = t.sample_weight.sum(), value_of(estimator, t), 1e-5
    for i, score in enumerate(estimator.scores(t)):
        moved = [replace(t, sample_weight=t.sample_weight + h * np.eye(8)[i]) for h in (step, -step)]
        slope = (value_of(estimator, moved[0]) - value_of(estimator, moved[1])) / (2 * step)
        assert slope == pytest.approx((score - value) / total, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("estimator", ADDING_UP, ids=[e.name for e in ADDING_UP])
@given(seed=seeds)
def test_conformance__values_of_shards_add_up(estimator: SequentialEstimator, seed: int) -> None:
    t = random_trajectories(seed)
    left, right = take(t, np.arange(12)), take(t, np.arange(12, 30))
    weight = [left.sample_weight.sum(), right.sample_weight.sum()]
    merged = np.average([value_of(estimator, left), value_of(estimator, right)], weights=weight)
    assert value_of(estimator, t) == pytest.approx(merged, rel=1e-9)


@each
@given(seed=seeds)
def test_conformance__one_step_gives_the_one_period_estimator(estimator: SequentialEstimator, seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = make_trajectories_of(np.ones(30, dtype=np.int64), rng)
    t = replace(t, error_weight=np.ones(30), influence=np.zeros(30))
    rounds = Rounds(t.reward, t.importance_weight, t.reward - t.error, t.first_value, t.sample_weight, t.cluster)
    twin = ONE_PERIOD[estimator.name]
    expected = estimate_one_period(twin, collect_moments(twin, rounds), "candidate", 0.95)
    found = estimate(estimator, t)
    assert (found.value, found.stderr) == pytest.approx((expected.value, expected.stderr), rel=1e-9)


@pytest.mark.parametrize("cut_rate", [0.0, 0.2])
def test_conformance__logged_policy_is_worth_the_same_to_all(cut_rate: float) -> None:
    log = WORLD.log(500, np.random.default_rng(0), cut_rate=cut_rate)
    answer = open_assessor(log, EvaluationConfig(discount=0.9), np.random.default_rng(0)).assess(logged_target())
    drl = answer.estimates[-1]
    assert [e.estimator for e in answer.estimates] == [e.name for e in SEQUENTIAL_ESTIMATORS]
    for e in answer.estimates:
        assert e.value == pytest.approx(drl.value, rel=1e-9)
    if cut_rate == 0:
        assert drl.value == pytest.approx((0.9**log.panel.step * log.reward).sum() / 500)  # type: ignore[union-attr] # a panel


@pytest.mark.parametrize("factor", [-1.0, 1000.0])
def test_conformance__whole_path_from_a_log_follows_the_unit_of_its_rewards(factor: float) -> None:
    log, target = WORLD.log(500, np.random.default_rng(0), cut_rate=0.1), target_of_policy(WORLD.policy(CARING))
    other = replace(log, reward=factor * log.reward)
    for e, scaled_e in zip(assess(log, target), assess(other, target), strict=True):
        assert scaled_e.value == pytest.approx(factor * e.value), e.estimator
        assert scaled_e.stderr == pytest.approx(abs(factor) * e.stderr), e.estimator


def test_only_fqe_with_the_built_in_ridge_and_drl_are_ever_trusted() -> None:
    log, target = WORLD.log(500, np.random.default_rng(0)), target_of_policy(WORLD.policy(CARING))
    own = open_assessor(log, EvaluationConfig(), np.random.default_rng(0), Ridge()).assess(target).estimates
    assert {e.estimator for e in assess(log, target) if e.trusted} == {"fqe", "drl"}
    assert {e.estimator for e in own if e.trusted} == {"drl"}


def test_behavior_as_candidate_is_worth_what_was_earned_by_weights_alone() -> None:
    log = WORLD.log(500, np.random.default_rng(0))
    target = target_of_policy(WORLD.policy(WORLD.behavior))
    estimates = {e.estimator: e for e in assess(log, target)}
    assert estimates["pdis"].value == pytest.approx(log.reward.sum() / 500)
    assert estimates["snpdis"].value == pytest.approx(log.reward.sum() / 500)
    assert estimates["snpdis"].stderr == pytest.approx(estimates["pdis"].stderr)


def test_weights_alone_have_no_answer_where_no_episode_resembles_the_policy() -> None:
    t = random_trajectories(0)
    nowhere = replace(t, importance_weight=np.where(t.step == 2, 0.0, t.importance_weight), terminated=t.step < 0)
    assert [e.name for e in SEQUENTIAL_ESTIMATORS if e.has_answer(nowhere)] == ["fqe", "dr", "drl"]


# The influence of fitted Q


def assess(log: LoggedDecisions, target: Target, seed: int = 0) -> tuple[PolicyValueEstimate, ...]:
    return open_assessor(log, EvaluationConfig(), np.random.default_rng(seed)).assess(target).estimates


def test_pulls_on_rewards_make_up_the_value_that_the_recursion_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_regression, "PENALTIES", np.array([MAX_PENALTY]))
    episodes = lay_out(WORLD.log(400, np.random.default_rng(0), cut_rate=0.1))
    log, n = episodes.log, len(episodes.log)
    now, after = (CARING[np.rint(_level(c)).astype(np.int64)] for c in (log.context, episodes.panel.next_context))
    after = np.where(episodes.goes_on[:, None], after, 0.0)
    folds = (log.unit % 2).astype(np.int64)
    regressions, seen = factorize(episodes, folds), folds != 0
    pulls = trace_policy(episodes, seen, regressions[0], now, after)
    weight = np.where(seen, episodes.transition, 0.0)
    shares = [weight * pull(episodes.features)[np.arange(n), log.action] for pull in pulls]
    dual = sum(float(share @ log.reward) * 0.9**t for t, share in enumerate(shares))
    q = fit_q(episodes, 1 - folds, [regressions[0]], now, after, discount=0.9)  # Q of that fold on what it saw
    primal = q.of_policy[episodes.start][seen[episodes.start]].mean()
    assert dual == pytest.approx(primal, rel=1e-9)


def _level(context: Context) -> FloatArray:
    return context.column("x").astype(np.float64)


def test_interval_of_fqe_covers_and_without_its_influence_falls_short() -> None:
    truth, n_logs = WORLD.value(CARING), 60
    covered = {"with": 0, "without": 0, "trusted": 0}
    for seed in range(n_logs):
        log = WORLD.log(400, np.random.default_rng(seed))
        target = target_of_policy(WORLD.policy(CARING))
        fqe = next(e for e in assess(log, target) if e.estimator == "fqe")
        covered["with"] += fqe.low <= truth <= fqe.high
        covered["trusted"] += fqe.trusted
        narrow = _without_influence(log)
        covered["without"] += abs(fqe.value - truth) <= narrow
    slack = 3 * np.sqrt(0.95 * 0.05 / n_logs)
    assert covered["with"] / n_logs >= 0.95 - slack
    assert covered["trusted"] / n_logs >= 0.95 - slack
    assert covered["without"] / n_logs < 0.95 - slack


def _without_influence(log: LoggedDecisions) -> float:
    """Half width of an interval that takes Q for the truth."""
    assessor = open_assessor(log, EvaluationConfig(), np.random.default_rng(0))
    episodes, folds = assessor.episodes, assessor.folds  # type: ignore[attr-defined] # of a panel
    distribution = CARING[_level(episodes.log.context).astype(np.int64)]
    after = np.where(
        episodes.goes_on[:, None], CARING[np.nan_to_num(_level(episodes.panel.next_context)).astype(np.int64)], 0.0
    )
    q = fit_q(episodes, folds, assessor.regressions, distribution, after, discount=1.0)  # type: ignore[attr-defined] # of a panel
    first = q.of_policy[episodes.start]
    return 1.96 * mean_interval(first, np.ones(len(first)), np.arange(len(first)), 0.95).stderr


@given(seed=seeds)
def test_fqe_is_not_trusted_where_weights_find_its_model_wrong(seed: int) -> None:
    t = random_trajectories(seed, 200)
    t = replace(t, importance_weight=np.ones(len(t.step)), visitation=np.ones(len(t.step)))
    centered = replace(t, error=t.error - np.average(t.error, weights=_share(t)))
    assert FittedQEvaluation().is_trusted(centered, 0.95)
    assert not FittedQEvaluation().is_trusted(replace(centered, error=centered.error + 1.0), 0.95)
    assert not FittedQEvaluation().is_trusted(replace(centered, is_influence_known=False), 0.95)


def _share(t: Trajectories) -> FloatArray:
    return np.asarray(t.spread(t.sample_weight) * t.discount**t.step * t.error_weight)
