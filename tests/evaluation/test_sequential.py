from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from config.evaluation import EvaluationConfig
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.errors import InvalidSnapshot, UsageError
from domain.estimates import Evaluation, PolicyValueEstimate, Verdict
from domain.log import LoggedDecisions
from evaluation.episodes import lay_out
from evaluation.evaluate import evaluate, score_policies
from evaluation.target import Target, logged_target, target_of_policy
from tests.evaluation.worlds import ChainWorld, LookupPolicy

WORLD = ChainWorld()
CARING = np.array([[0.9, 0.1], [0.1, 0.9]])  # contacts who is at risk


def make_panel(n: int = 800, seed: int = 0, cut_rate: float = 0.0) -> LoggedDecisions:
    return WORLD.log(n, np.random.default_rng(seed), cut_rate=cut_rate)


def judge(log: LoggedDecisions, table: FloatArray = CARING, **options: object) -> Evaluation:
    candidate = target_of_policy(WORLD.policy(table))
    return evaluate(log, candidate, logged_target(), rng=np.random.default_rng(0), **options)  # type: ignore[arg-type] # passed through


def estimate_of(evaluation: Evaluation, policy: str, estimator: str) -> PolicyValueEstimate:
    return next(e for e in evaluation.estimates if (e.policy, e.estimator) == (policy, estimator))


def test_truth_of_the_chain_is_what_simulation_earns() -> None:
    log = make_panel(40_000)
    assert log.reward.sum() / 40_000 == pytest.approx(WORLD.value(WORLD.behavior), abs=0.05)


def test_better_policy_is_promoted_an_episode() -> None:
    answer = judge(make_panel(3000))
    assert answer.verdict is Verdict.PROMOTE
    assert answer.recommended_estimator == "drl"
    assert "a episode" not in answer.reasons[0]
    assert "episode of up to 6 periods" in answer.reasons[0]
    truth = WORLD.value(CARING)
    for estimator in ("pdis", "dr", "drl"):
        e = estimate_of(answer, "candidate", estimator)
        assert abs(e.value - truth) < 4 * e.stderr
        assert e.n_rounds == 3000
    assert estimate_of(answer, "candidate", "drl").stderr < 0.6 * estimate_of(answer, "candidate", "pdis").stderr


def test_discount_is_applied_a_step() -> None:
    e = estimate_of(judge(make_panel(3000), config=EvaluationConfig(discount=0.8)), "candidate", "drl")
    assert abs(e.value - WORLD.value(CARING, discount=0.8)) < 4 * e.stderr


def test_logged_policy_is_worth_what_episodes_earned() -> None:
    log = make_panel()
    assert estimate_of(judge(log), "logged", "drl").value == pytest.approx(log.reward.sum() / 800)


def test_order_of_rows_changes_nothing() -> None:
    log = make_panel()
    shuffled = log.take(np.random.default_rng(1).permutation(len(log)))
    for one, other in zip(judge(log).estimates, judge(shuffled).estimates, strict=True):
        assert (other.value, other.stderr) == pytest.approx((one.value, one.stderr), rel=1e-8)


def test_policy_against_itself_differs_by_exactly_nothing() -> None:
    candidate = target_of_policy(WORLD.policy(CARING))
    answer = evaluate(make_panel(), candidate, candidate, rng=np.random.default_rng(0))
    assert (answer.comparison.difference, answer.comparison.low, answer.comparison.high) == (0.0, 0.0, 0.0)


def test_fixed_distribution_is_valued_like_its_policy() -> None:
    log = make_panel(1500)
    fixed = Target("fixed", distribution=CARING[log.context.column("x").astype(np.int64)])
    scores = score_policies(log, [target_of_policy(WORLD.policy(CARING)), fixed], rng=np.random.default_rng(0))
    assert scores.value(1).value == pytest.approx(scores.value(0).value, abs=0.2 * scores.value(0).stderr)
    assert scores.first_row.tolist() == np.flatnonzero(log.panel.step == 0).tolist()  # type: ignore[union-attr] # a panel


def test_any_scikit_learn_regressor_may_fit_q() -> None:
    log = make_panel(500)
    plain = estimate_of(judge(log), "candidate", "drl")
    other = estimate_of(judge(log, reward_model=Ridge(alpha=1.0)), "candidate", "drl")
    assert other.value == pytest.approx(plain.value, abs=0.3 * plain.stderr)


@pytest.mark.parametrize("cut_rate", [0.0, 0.1])
def test_intervals_cover_at_their_nominal_rate(cut_rate: float) -> None:
    n_logs, covered = 60, dict.fromkeys(("candidate", "logged", "difference"), 0)
    truth, logged = WORLD.value(CARING), WORLD.value(WORLD.behavior)
    for seed in range(n_logs):
        answer = judge(make_panel(600, seed, cut_rate))
        for name, value in (("candidate", truth), ("logged", logged)):
            e = estimate_of(answer, name, "drl")
            covered[name] += e.low <= value <= e.high
        assert answer.comparison.low is not None
        assert answer.comparison.high is not None
        covered["difference"] += answer.comparison.low <= truth - logged <= answer.comparison.high
    for name, hits in covered.items():  # binomial: .95 less 3 Monte-Carlo errors
        assert hits / n_logs >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_logs), name


def test_policy_that_the_panel_hardly_resembles_cannot_tell() -> None:
    answer = judge(make_panel(20), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert answer.verdict is Verdict.CANNOT_TELL
    assert any("effective sample size" in reason for reason in answer.reasons)


def test_gaps_in_the_steps_are_refused() -> None:
    log = make_panel(50)
    assert log.panel is not None
    broken = replace(log, panel=replace(log.panel, step=log.panel.step * 2))
    with pytest.raises(InvalidSnapshot, match="where 1 was expected"):
        judge(broken)


# Cut off without a next context


def cut_panel(n: int, seed: int = 0) -> LoggedDecisions:
    return WORLD.log(n, np.random.default_rng(seed), cut_rate=0.25, is_next_recorded=False)


def test_truncation_without_next_contexts_leaves_no_bias() -> None:
    truth, z, fqe = WORLD.value(CARING), [], []
    for seed in range(12):
        answer = judge(cut_panel(4000, seed))
        e = estimate_of(answer, "candidate", "drl")
        z.append((e.value - truth) / e.stderr)
        fqe.append(estimate_of(answer, "candidate", "fqe").value)
    assert abs(np.mean(z)) < 3 / np.sqrt(len(z))
    assert np.mean(fqe) == pytest.approx(truth, rel=0.02)  # Q is trained on what is known only


def test_rounds_whose_future_is_unknown_drop_out_and_others_stand_for_them() -> None:
    log = cut_panel(2000)
    episodes = lay_out(log)
    is_cut = (episodes.successor < 0) & episodes.goes_on
    assert not episodes.transition[is_cut].any()
    last = episodes.step == episodes.horizon - 1
    assert not episodes.transition[last].any()  # it shows only those who left
    by_step = np.bincount(episodes.step[~last], weights=episodes.transition[~last])
    assert by_step == pytest.approx(np.bincount(episodes.step[~last]))
    assert (lay_out(make_panel(300, cut_rate=0.2)).transition == 1).all()


def test_policy_is_never_asked_about_a_context_that_was_not_recorded() -> None:
    class Careful(LookupPolicy):
        def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
            assert not np.isnan(context.column("x").astype(np.float64)).any()
            return super().distribution(context, eligible)

    policy = Careful(CARING, WORLD.actions, "careful")
    assert evaluate(cut_panel(800), target_of_policy(policy), logged_target(), rng=np.random.default_rng(0)).estimates


# Estimators in place of the ridge


def test_sample_weights_reach_an_estimator_that_takes_them() -> None:
    log = make_panel(500)
    weighted = replace(log, weight=np.where(log.context.column("x") == 1, 3.0, 1.0))
    flat = DummyRegressor()  # its mean shows the weights
    plain = estimate_of(judge(weighted), "candidate", "fqe")
    mean = estimate_of(judge(weighted, config=EvaluationConfig(n_folds=2), reward_model=flat), "candidate", "fqe")
    naive = estimate_of(judge(weighted, config=EvaluationConfig(n_folds=2), reward_model=Naive()), "candidate", "fqe")
    assert mean.value < naive.value - 0.5  # those at risk, who pay less, count three times
    assert plain.value == pytest.approx(mean.value, rel=0.5)


class Naive(DummyRegressor):  # type: ignore[misc] # scikit-learn has no types
    def fit(self, X: FloatArray, y: FloatArray) -> "Naive":
        super().fit(X, y)
        return self


def test_classifier_cannot_predict_values_of_episodes() -> None:
    with pytest.raises(UsageError, match="LogisticRegression is a classifier"):
        judge(make_panel(50), reward_model=LogisticRegression())
