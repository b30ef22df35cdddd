from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from config.evaluation import EvaluationConfig
from domain.actions import ActionSet
from domain.errors import ConfigError, InvalidSnapshot, MissingColumn, UnsupportedAction
from domain.estimates import Evaluation, PolicyValueEstimate, Verdict
from domain.log import LoggedDecisions, LogRead
from evaluation.evaluate import evaluate, score_policies
from evaluation.gate import rule
from evaluation.refusals import read_refusals
from evaluation.sample_ratio import sample_ratio_p_value
from evaluation.scores import Interval
from evaluation.target import Target, logged_target, probabilities_target, target_of_policy
from policies.baselines import ConstantPolicy, UniformPolicy
from tests.evaluation.worlds import ABC, BanditWorld, LookupPolicy, bandit_world, click_world, greedy_table

WORLD = bandit_world()
BEST = target_of_policy(LookupPolicy(greedy_table(WORLD), name="best"))
seeds = st.integers(0, 2**32 - 1)


def judge(
    log: LoggedDecisions, candidate: Target = BEST, baseline: Target | None = None, **options: object
) -> Evaluation:
    baseline = logged_target() if baseline is None else baseline
    return evaluate(log, candidate, baseline, rng=np.random.default_rng(0), **options)  # type: ignore[arg-type] # passed through


def make_log(n: int = 2000, seed: int = 0, n_units: int | None = None) -> LoggedDecisions:
    return WORLD.log(n, np.random.default_rng(seed), n_units=n_units)


def estimate_of(evaluation: Evaluation, policy: str, estimator: str) -> PolicyValueEstimate:
    return next(e for e in evaluation.estimates if (e.policy, e.estimator) == (policy, estimator))


def test_better_policy_is_promoted_with_numbers_and_reasons() -> None:
    answer = judge(make_log())
    assert answer.verdict is Verdict.PROMOTE
    assert answer.recommended_estimator == "dr"
    assert answer.comparison.low is not None
    assert answer.comparison.low > 0
    assert "best earns" in answer.reasons[0]
    assert "effective sample size" in answer.reasons[1]
    names = {e.estimator.split("(")[0] for e in answer.estimates}
    assert names == {"ips", "ips_clipped", "snips", "dm", "dr", "sndr", "switch_dr", "dros"}


def test_worse_policy_is_rejected_and_an_equal_one_held() -> None:
    log = make_log()
    worst = target_of_policy(LookupPolicy(np.eye(3)[WORLD.mean.argmin(axis=1)], name="worst"))
    assert judge(log, worst).verdict is Verdict.REJECT
    assert judge(log, target_of_policy(LookupPolicy(WORLD.behavior, name="same"))).verdict is Verdict.HOLD


def test_margin_must_be_beaten_by_the_whole_interval() -> None:
    assert judge(make_log(), config=EvaluationConfig(margin=0.3)).verdict is Verdict.PROMOTE
    assert judge(make_log(), config=EvaluationConfig(margin=5.0)).verdict is Verdict.REJECT


def test_policy_against_itself_differs_by_exactly_nothing() -> None:
    answer = judge(make_log(), BEST, BEST)
    assert (answer.comparison.difference, answer.comparison.low, answer.comparison.high) == (0.0, 0.0, 0.0)
    assert answer.verdict is Verdict.HOLD
    assert len(answer.estimates) == len({e.estimator for e in answer.estimates})


def test_logged_policy_is_worth_the_mean_reward() -> None:
    log = make_log()
    answer = judge(log)
    for estimator in ("ips", "snips", "dm", "dr"):
        assert estimate_of(answer, "logged", estimator).value == pytest.approx(log.reward.mean())


def test_same_seed_gives_the_same_bytes() -> None:
    assert judge(make_log()) == judge(make_log())


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_law__row_order_and_action_order_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log = make_log(600, n_units=200)
    shuffled = log.take(rng.permutation(600))
    order = rng.permutation(3)
    names = ActionSet(tuple(ABC.ids[i] for i in order))
    renamed = replace(log, actions=names, action=np.argsort(order)[log.action])
    for other in (shuffled, renamed):
        for one, two in zip(judge(log).estimates, judge(other).estimates, strict=True):
            assert (two.value, two.stderr) == pytest.approx((one.value, one.stderr), rel=1e-7)


def test_law__negated_rewards_negate_the_comparison_and_the_verdict() -> None:
    log = make_log()
    one, other = judge(log), judge(replace(log, reward=-log.reward))
    assert one.comparison.difference is not None
    assert other.comparison.difference == pytest.approx(-one.comparison.difference, rel=1e-6)
    assert (one.verdict, other.verdict) == (Verdict.PROMOTE, Verdict.REJECT)


@pytest.mark.parametrize(
    ("world", "n", "n_units"), [(WORLD, 1000, None), (WORLD, 1000, 300), (click_world(), 4000, None)]
)
def test_intervals_cover_at_their_nominal_rate(world: BanditWorld, n: int, n_units: int | None) -> None:
    table = greedy_table(world, 0.7)
    truth, difference = world.value(table), world.value(table) - world.value(world.behavior)
    target, n_logs, config = target_of_policy(LookupPolicy(table)), 80, EvaluationConfig(n_folds=2)
    covered = dict.fromkeys(("ips", "snips", "dr", "difference"), 0)
    for seed in range(n_logs):
        rng = np.random.default_rng(seed)
        answer = evaluate(world.log(n, rng, n_units=n_units), target, logged_target(), rng=rng, config=config)
        for name in ("ips", "snips", "dr"):
            e = estimate_of(answer, "lookup", name)
            covered[name] += e.low <= truth <= e.high
        assert answer.comparison.low is not None
        assert answer.comparison.high is not None
        covered["difference"] += answer.comparison.low <= difference <= answer.comparison.high
    for name, hits in covered.items():  # binomial: .95 +- 3.5 Monte-Carlo errors
        assert abs(hits / n_logs - 0.95) <= 3.5 * np.sqrt(0.95 * 0.05 / n_logs), name


def test_sample_weights_undo_subsampling() -> None:
    rng, table = np.random.default_rng(5), greedy_table(WORLD)
    log = WORLD.log(40_000, rng)
    keep_rate = np.where(log.reward > 1.5, 0.9, 0.2)  # rewards decide what is kept: unweighted answers are far off
    kept = rng.random(40_000) < keep_rate
    weighted = replace(log.take(kept), weight=1 / keep_rate[kept])
    answer, naive = judge(weighted), judge(log.take(kept))
    for estimator in ("ips", "snips", "dr"):
        e = estimate_of(answer, "best", estimator)
        assert abs(e.value - WORLD.value(table)) < 4 * e.stderr
        assert abs(estimate_of(naive, "best", estimator).value - WORLD.value(table)) > 10 * e.stderr


def test_doubly_robust_is_right_with_a_wrong_reward_model_where_the_direct_method_is_wrong() -> None:
    log = make_log(8000)
    blind = replace(log, context=replace(log.context, columns={}))  # models see nothing, the policy is fixed beforehand
    table = greedy_table(WORLD)
    fixed = Target("best", distribution=table[log.context.column("x").astype(np.int64)])
    answer = judge(blind, fixed)
    dr, dm = estimate_of(answer, "best", "dr"), estimate_of(answer, "best", "dm")
    assert abs(dr.value - WORLD.value(table)) < 3.5 * dr.stderr
    assert abs(dm.value - WORLD.value(table)) > 10 * dr.stderr


@pytest.mark.parametrize("model", [DecisionTreeRegressor(max_depth=3, random_state=0), LogisticRegression()])
def test_any_scikit_learn_estimator_may_predict_rewards(model: object) -> None:
    world = click_world()
    log = world.log(6000, np.random.default_rng(1))
    e = estimate_of(judge(log, reward_model=model), "best", "dr")
    assert abs(e.value - world.value(greedy_table(WORLD))) < 4 * e.stderr


def test_estimated_propensities_recover_the_behavior_and_are_announced() -> None:
    log = replace(make_log(20_000), propensity=None)
    answer = judge(log)
    assert answer.diagnostics.propensities == "estimated"
    assert any("not logged but estimated" in reason for reason in answer.reasons)
    for estimator in ("ips", "snips", "dr"):
        e = estimate_of(answer, "best", estimator)
        assert abs(e.value - WORLD.value(greedy_table(WORLD))) < 4 * e.stderr


def test_scores_give_differences_inside_segments() -> None:
    log = make_log(4000)
    scores = score_policies(log, [BEST, logged_target()], rng=np.random.default_rng(0))
    rows = log.context.column("x")[scores.first_row] == 2.0
    inside = scores.difference(0, 1, rows)
    table = greedy_table(WORLD)
    truth = float(((table - WORLD.behavior) * WORLD.mean)[2].sum())
    assert abs(inside.value - truth) < 4 * inside.stderr
    assert inside.n == int(rows.sum())
    assert scores.ess(1) == len(log)


# What forbids a decision


def refuses(answer: Evaluation, words: str) -> bool:
    assert answer.verdict is Verdict.CANNOT_TELL
    assert (answer.comparison.difference, answer.comparison.low, answer.comparison.high) == (None, None, None)
    assert answer.recommended_estimator is None
    assert not any(e.trusted for e in answer.estimates)
    return any(words in reason for reason in answer.reasons)


def test_one_action_only_cannot_tell() -> None:
    log = replace(make_log(), action=np.zeros(2000, dtype=np.int64), propensity=np.ones(2000))
    assert refuses(judge(log), "only one action was ever logged (a)")


def test_all_zero_rewards_cannot_tell() -> None:
    assert refuses(judge(replace(make_log(), reward=np.zeros(2000))), "every reward is zero")


def test_hardly_any_purchases_cannot_tell() -> None:
    reward = np.zeros(2000)
    reward[:12] = 50.0
    assert refuses(judge(replace(make_log(), reward=reward)), "not enough purchases")


def test_too_few_rounds_like_the_policys_cannot_tell() -> None:
    assert refuses(judge(make_log(120)), "effective sample size")


def test_action_never_logged_in_its_cell_cannot_tell_and_is_counted() -> None:
    log = make_log()
    cell = (log.context.column("x") > 1).astype(np.int64)
    log = replace(log, cell=cell, cell_names=("low", "high")).take(~((log.action == 2) & (cell == 1)))
    assert log.cell is not None
    answer = judge(log, target_of_policy(ConstantPolicy(ABC, "c")))
    assert refuses(answer, "chooses what the log never tried there: c in")
    assert dict(answer.diagnostics.unsupported) == {"c": int((log.cell == 1).sum())}
    assert answer.diagnostics.support_violations == int((log.cell == 1).sum())


def test_lost_rows_are_a_sample_ratio_mismatch() -> None:
    even = BanditWorld(WORLD.mean, np.full((4, 3), 1 / 3))
    log = even.log(6000, np.random.default_rng(0))
    fair = judge(log)
    assert fair.diagnostics.sample_ratio_p_value is not None
    assert fair.diagnostics.sample_ratio_p_value > 1e-3
    lost = log.take(~((log.action == 1) & (np.arange(6000) % 5 == 0)))
    assert refuses(judge(lost), "sample-ratio mismatch")


def test_sample_ratio_check_raises_false_alarms_at_its_rate() -> None:
    even = BanditWorld(WORLD.mean, np.full((4, 3), 1 / 3))
    p_values = [sample_ratio_p_value(even.log(300, np.random.default_rng(seed))) for seed in range(400)]
    below = np.mean([p is not None and p < 0.1 for p in p_values])
    assert abs(below - 0.1) <= 3.5 * np.sqrt(0.1 * 0.9 / 400)


def test_wrong_propensities_show_in_the_mean_weight() -> None:
    log = make_log(4000)
    assert log.propensity is not None
    assert refuses(judge(replace(log, propensity=log.propensity**2)), "the mean importance weight is")


def test_reasons_known_beforehand_forbid_a_decision() -> None:
    assert refuses(judge(make_log(), refusals=("3 % of the rows were rejected",)), "3 % of the rows were rejected")


def test_rejected_rows_forbid_from_one_percent_on_of_all_or_of_one_action() -> None:
    log = make_log(1000)
    n_b = int((log.action == 1).sum())
    few = LogRead(log, "log.csv", 1005, {"reward is NaN": 5}, {"b": 5})
    (only_b,) = read_refusals(few)
    assert f"5 of the {n_b + 5} rows of action b were rejected" in only_b
    many = LogRead(log, "log.csv", 1050, {"propensity is 0": 50}, {"a": 50})
    assert "50 of 1,050 rows were rejected (propensity is 0: 50)" in read_refusals(many)[0]
    assert read_refusals(LogRead(log, "log.csv", 1000, {}, {})) == ()


# Bad questions


def test_policy_over_an_action_that_the_log_lacks_is_a_usage_error() -> None:
    other = ActionSet(("a", "b", "z"))
    with pytest.raises(UnsupportedAction, match="'z'"):
        judge(make_log(), target_of_policy(UniformPolicy(other)))


def test_probabilities_must_be_distributions_and_present() -> None:
    log = make_log(100)
    with pytest.raises(MissingColumn, match="prefix 'p_new'"):
        probabilities_target(log, "p_new")
    wrong = replace(log, probabilities={"p_new": np.full((100, 3), 0.3)})
    with pytest.raises(InvalidSnapshot, match=r"100 rows are no distribution \(row 0 sums to 0.9\)"):
        judge(wrong, probabilities_target(wrong, "p_new"))


def test_fixed_distributions_are_restricted_to_eligible_actions() -> None:
    log = make_log(500)
    eligible = np.ones((500, 3), dtype=np.bool_)
    eligible[:, 2] = False
    narrowed = replace(log, eligible=eligible)
    distribution = Target("even", distribution=np.full((500, 3), 1 / 3)).on(narrowed)
    assert distribution is not None
    np.testing.assert_allclose(distribution, np.tile([0.5, 0.5, 0.0], (500, 1)))


def test_one_unit_is_refused() -> None:
    with pytest.raises(InvalidSnapshot, match="1 unit"):
        judge(replace(make_log(50), unit=np.zeros(50, dtype=np.int64)))


def test_contradictory_settings_raise() -> None:
    with pytest.raises(ConfigError, match="confidence"):
        EvaluationConfig(confidence=95)
    with pytest.raises(ConfigError, match="n_folds"):
        EvaluationConfig(n_folds=1)


def test_two_policies_of_one_name_are_two() -> None:
    log = make_log()
    worst = target_of_policy(LookupPolicy(np.eye(3)[WORLD.mean.argmin(axis=1)], name="best"))
    answer = judge(log, BEST, worst)
    assert len(answer.estimates) == 2 * len({e.estimator.split("(")[0] for e in answer.estimates})
    assert "earn the same" not in answer.reasons[0]
    assert answer.verdict is Verdict.PROMOTE


@pytest.mark.parametrize("is_one_hot", [False, True])
def test_sample_ratio_of_choices_without_chance_is_not_tested(is_one_hot: bool) -> None:
    log = make_log(400, n_units=100)
    certain = np.eye(3)[log.action] if is_one_hot else None
    log = replace(log, propensity=np.ones(400), logged_distribution=certain)
    assert sample_ratio_p_value(log) is None
    two = ActionSet(("a", "b"))
    both = replace(log, actions=two, action=np.minimum(log.action, 1), logged_distribution=None)
    assert sample_ratio_p_value(both) is None


def test_interval_without_ends__cannot_tell() -> None:
    endless = Interval(1.0, float("-inf"), float("inf"), float("inf"), 10)
    ruling = rule("new", "old", endless, (), margin=0.0, per="round")
    assert ruling.verdict is Verdict.CANNOT_TELL
    assert ruling.comparison.difference is None
