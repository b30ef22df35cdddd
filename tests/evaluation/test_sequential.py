from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.errors import InvalidSnapshot
from domain.estimates import Evaluation, PolicyValueEstimate, Verdict
from domain.log import LoggedDecisions
from evaluation.evaluate import evaluate, score_policies
from evaluation.target import Target, logged_target, target_of_policy
from tests.evaluation.worlds import ChainWorld

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
