"""Each defect planted in a good log with a known number of rows: its kind, whether it forbids, and the rows counted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from collection.log_reader import read_log
from config.evaluation import EvaluationConfig
from domain.actions import ActionSet
from domain.arrays import IntArray
from domain.context import Context
from domain.estimates import Evaluation, Finding, FindingKind, Verdict
from domain.log import LoggedDecisions
from evaluation.deviation import binomial_z, limit_of, lower_z, spread_of, upper_z
from evaluation.evaluate import evaluate
from evaluation.parts import cut_log
from evaluation.refusals import read_findings
from evaluation.tail import tail_index
from evaluation.target import Target, logged_target, target_of_policy
from policies.baselines import ConstantPolicy
from tests.evaluation.worlds import ABC, LookupPolicy, bandit_world, click_world, draw, greedy_table

WORLD = bandit_world()
BEST = target_of_policy(LookupPolicy(greedy_table(WORLD, 0.7), name="best"))
N = 10_000
START = np.datetime64("2026-01-01T00:00:00", "us")


def make_log(n: int = N, seed: int = 0, *, is_full: bool = False, n_units: int | None = None) -> LoggedDecisions:
    """A good log of 60 days, in no order; with `is_full` it keeps the whole distribution."""
    rng = np.random.default_rng(seed)
    log = WORLD.log(n, rng, n_units=n_units)
    times = START + rng.permutation(n).astype("timedelta64[us]") * (60 * 86_400_000_000 // n)
    behavior = WORLD.behavior[level_of(log)] if is_full else None
    return replace(log, decided_at=times, logged_distribution=behavior)


def level_of(log: LoggedDecisions) -> IntArray:
    return log.context.column("x").astype(np.int64)


def by_time(log: LoggedDecisions) -> IntArray:
    assert log.decided_at is not None
    return np.argsort(log.decided_at)


def judge(log: LoggedDecisions, candidate: Target = BEST, findings: tuple[Finding, ...] = ()) -> Evaluation:
    return evaluate(log, candidate, logged_target(), rng=np.random.default_rng(0), findings=findings)


def found(answer: Evaluation, kind: FindingKind) -> Finding:
    (finding,) = {f.n_rounds: f for f in answer.diagnostics.findings if f.kind is kind}.values()
    assert not finding.is_refusal or answer.verdict is Verdict.CANNOT_TELL
    assert any(finding.text in reason for reason in answer.reasons) or answer.verdict is Verdict.CANNOT_TELL
    return finding


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("n_units", [None, 3000])
def test_good_logs_are_not_accused(is_full: bool, n_units: int | None) -> None:
    for seed in range(20):
        answer = judge(make_log(4000, seed, is_full=is_full, n_units=n_units))
        assert answer.verdict is Verdict.PROMOTE
        assert [f.kind for f in answer.diagnostics.findings if f.is_refusal] == []


def test_stale_propensities_in_a_tenth_of_the_time_are_found_and_the_window_counted() -> None:
    log = make_log(is_full=True)
    assert log.propensity is not None
    assert log.logged_distribution is not None
    bad = by_time(log)[6200:7200]
    behavior, action = log.logged_distribution.copy(), log.action.copy()
    action[bad] = draw(np.full((1000, 3), 1 / 3), np.random.default_rng(1))  # chosen evenly, logged as before
    log = replace(log, action=action, propensity=behavior[np.arange(N), action])
    finding = found(judge(log), FindingKind.CALIBRATION)
    assert finding.is_refusal
    assert abs(finding.n_rounds - 1000) <= 150
    assert "in the order of time" in finding.text


def test_calibration_names_the_level_of_context_where_it_fails() -> None:
    log = make_log(is_full=True)
    assert log.logged_distribution is not None
    bad = level_of(log) == 2
    wrong = np.where(bad[:, None], [0.5, 0.25, 0.25], log.logged_distribution)
    log = replace(log, logged_distribution=wrong, propensity=wrong[np.arange(N), log.action])
    finding = found(judge(log), FindingKind.CALIBRATION)
    assert (finding.is_refusal, finding.n_rounds) == (True, int(bad.sum()))
    assert "x_x = 2" in finding.text


def test_calibration_names_the_bin_of_propensities_where_it_fails() -> None:
    log = replace(make_log(is_full=True), context=Context({}, N), decided_at=None)
    assert log.logged_distribution is not None
    bad = log.logged_distribution[:, 2] == 0.5  # logged as .6
    wrong = np.where(bad[:, None], [0.15, 0.25, 0.6], log.logged_distribution)
    log = replace(log, logged_distribution=wrong, propensity=wrong[np.arange(N), log.action])
    finding = found(judge(log, Target("even", distribution=np.full((N, 3), 1 / 3))), FindingKind.CALIBRATION)
    assert (finding.is_refusal, finding.n_rounds) == (True, int(bad.sum()))


def test_propensities_too_small_are_found_by_their_inverses() -> None:
    log = make_log()
    assert log.propensity is not None
    bad = by_time(log)[-1000:]
    propensity = log.propensity.copy()
    propensity[bad] *= 0.6
    finding = found(judge(replace(log, propensity=propensity)), FindingKind.INVERSE_PROPENSITY)
    assert finding.is_refusal
    assert abs(finding.n_rounds - 1000) <= 200


def test_propensities_too_small_for_one_action_are_found() -> None:
    log = replace(make_log(), context=Context({}, N), decided_at=None)
    assert log.propensity is not None
    halved = np.where(log.action == 2, log.propensity / 2, np.minimum(log.propensity * 1.4, 1))
    finding = found(
        judge(replace(log, propensity=halved), Target("even", distribution=np.full((N, 3), 1 / 3))),
        FindingKind.INVERSE_PROPENSITY,
    )
    assert finding.is_refusal
    assert finding.n_rounds in {N, int((log.action == 2).sum())}


def test_weights_off_in_a_tenth_of_the_log_are_found_where_they_are() -> None:
    log = make_log()
    assert log.propensity is not None
    bad = by_time(log)[3000:4000]
    propensity = log.propensity.copy()
    propensity[bad] = np.minimum(propensity[bad] * 2, 1)  # too large: no inverse gives it away
    finding = found(judge(replace(log, propensity=propensity)), FindingKind.MEAN_WEIGHT)
    assert finding.is_refusal
    assert abs(finding.n_rounds - 1000) <= 200


def test_weights_off_in_a_segment_are_found_there() -> None:
    log = make_log()
    assert log.propensity is not None
    bad = level_of(log) == 3
    finding = found(
        judge(replace(log, propensity=np.where(bad, np.minimum(log.propensity * 1.5, 1), log.propensity))),
        FindingKind.MEAN_WEIGHT,
    )
    assert (finding.is_refusal, finding.n_rounds) == (True, int(bad.sum()))


def test_lost_rows_are_a_sample_ratio_mismatch_with_the_rows_out_of_place() -> None:
    log = make_log(is_full=True)
    lost = (log.action == 1) & (np.arange(N) % 5 == 0)
    finding = found(judge(log.take(~lost)), FindingKind.SAMPLE_RATIO)
    assert finding.is_refusal
    assert finding.n_rounds == pytest.approx(lost.sum(), abs=3 * 80)  # by chance, 46 of 10,000 / (1 - mean p)
    assert "too few of b" in finding.text


def test_rewards_not_waited_for_are_counted_from_where_they_fall_off() -> None:
    rng = np.random.default_rng(0)
    world = click_world()
    log = replace(world.log(20_000, rng), decided_at=START + np.arange(20_000).astype("timedelta64[m]"))
    last = np.arange(20_000) >= 17_000
    reward = np.where(last & (rng.random(20_000) < 0.7), 0.0, log.reward)
    finding = found(judge(replace(log, reward=reward)), FindingKind.IMMATURE)
    assert not finding.is_refusal
    assert abs(finding.n_rounds - 3000) <= 600
    assert FindingKind.IMMATURE not in {f.kind for f in judge(log).diagnostics.findings}


def test_rewards_that_drift_are_mentioned() -> None:
    log = make_log()
    shifted = log.reward.copy()
    shifted[by_time(log)[8000:]] += 0.4
    finding = found(judge(replace(log, reward=shifted)), FindingKind.REWARD_DRIFT)
    assert not finding.is_refusal
    assert finding.n_rounds >= 2000


def test_difference_that_changes_within_the_log_is_mentioned() -> None:
    log = make_log()
    late = by_time(log)[5000:]
    reward = log.reward.copy()
    reward[late] = 3 - reward[late]  # what was best is now worst
    finding = found(judge(replace(log, reward=reward)), FindingKind.DIFFERENCE_DRIFT)
    assert (finding.is_refusal, finding.n_rounds) == (False, 4999)


@pytest.mark.parametrize(("n_repeated", "is_refusal"), [(40, False), (400, True)])
def test_repeated_rows_are_counted_exactly(n_repeated: int, is_refusal: bool) -> None:
    log = make_log(n_units=3000)
    again = np.random.default_rng(1).choice(N, n_repeated, replace=False)
    doubled = log.take(np.r_[np.arange(N), again])
    finding = found(judge(doubled), FindingKind.DUPLICATES)
    assert (finding.is_refusal, finding.n_rounds) == (is_refusal, n_repeated)


def test_weights_of_a_subsampled_log_are_counted_with_what_they_cost() -> None:
    log = make_log()
    weight = np.where(np.arange(N) < 2500, 4.0, 1.0)
    finding = found(judge(replace(log, weight=weight)), FindingKind.SUBSAMPLED)
    assert (finding.is_refusal, finding.n_rounds) == (False, 2500)
    assert "costs 36%" in finding.text  # 1 - (2500 * 4 + 7500)^2 / (2500 * 16 + 7500) / 10000


def test_estimated_propensities_are_reported_with_their_error_on_rows_left_out() -> None:
    answer = judge(replace(make_log(), propensity=None))
    finding = found(answer, FindingKind.ESTIMATED)
    assert (finding.is_refusal, finding.n_rounds) == (False, N)
    assert answer.diagnostics.propensity_error is not None
    assert answer.diagnostics.propensity_error < 0.02
    hidden = replace(make_log(), propensity=None, context=Context({"x": np.zeros(N)}, N))
    assert judge(hidden, target_of_policy(ConstantPolicy(ABC, "a"))).diagnostics.propensity_error is not None


def make_tailed(n: int, *, is_full: bool, gap: float) -> tuple[LoggedDecisions, Target]:
    """Softmax policies on a normal context, further apart the larger the gap."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    logits = np.outer(x, [-1.0, 0.0, 1.0])
    behavior, other = np.exp(logits), np.exp(logits - gap * logits)
    behavior, other = behavior / behavior.sum(axis=1, keepdims=True), other / other.sum(axis=1, keepdims=True)
    action = draw(behavior, rng)
    full = behavior if is_full else None
    propensity = behavior[np.arange(n), action]
    reward = rng.normal(size=n) + action
    log = LoggedDecisions(ABC, action, reward, "reward", Context({}, n), np.arange(n), propensity, full)
    return log, Target("other", distribution=other)


def test_overlap_that_the_drawn_actions_flatter_is_seen_in_all_propensities() -> None:
    log, other = make_tailed(3000, is_full=True, gap=3.0)
    finding = found(judge(log, other), FindingKind.OVERLAP)
    answer = judge(log, other)
    assert finding.is_refusal
    assert "whose largest are yet to come" in finding.text
    assert answer.diagnostics.expected_ess_share is not None
    assert answer.diagnostics.expected_ess_share < 0.1


def test_bounded_weights_may_be_few_as_those_of_one_price_among_thirty() -> None:
    n = 20_000
    rng = np.random.default_rng(0)
    actions = ActionSet(tuple(f"p{i:02}" for i in range(30)))
    action = rng.integers(0, 30, n)
    log = LoggedDecisions(
        actions, action, rng.normal(size=n) + (action == 4), "reward", Context({}, n), np.arange(n), np.full(n, 1 / 30)
    )
    answer = judge(log, target_of_policy(ConstantPolicy(actions, "p04")))
    assert answer.diagnostics.ess_share < 0.05
    assert answer.diagnostics.tail_index is None
    assert answer.verdict is Verdict.PROMOTE


def test_choices_without_support_are_counted_also_where_they_are_few() -> None:
    log = make_log(is_full=True)
    assert log.logged_distribution is not None
    few = np.flatnonzero((log.action != 2) & (level_of(log) == 0))[:50]
    behavior = log.logged_distribution.copy()
    behavior[few] = [0.75, 0.25, 0.0]
    log = replace(log, logged_distribution=behavior, propensity=behavior[np.arange(N), log.action])
    finding = found(judge(log), FindingKind.SUPPORT)
    assert (finding.is_refusal, finding.n_rounds) == (False, 50)


def make_frame(n: int = 4000) -> pd.DataFrame:
    log = make_log(n)
    assert log.decided_at is not None
    return pd.DataFrame(
        {
            "decision_id": np.arange(n).astype(str),
            "decided_at": pd.to_datetime(log.decided_at, utc=True),
            "action": np.array(ABC.ids)[log.action],
            "propensity": log.propensity,
            "reward": log.reward,
            "x_x": log.context.column("x"),
        }
    )


def _repeat(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[::200]])


def _contradict(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[::400].assign(reward=99.0)])


def _wait_not(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(matured=np.arange(len(frame)) < 3500)


def _break(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(propensity=np.where(np.arange(len(frame)) < 100, np.nan, frame["propensity"]))


@pytest.mark.parametrize(
    ("plant", "kind", "n_rounds", "is_refusal"),
    [
        (_repeat, FindingKind.DUPLICATES, 20, False),
        (_contradict, FindingKind.DUPLICATES, 20, False),
        (_wait_not, FindingKind.IMMATURE, 500, False),
        (_break, FindingKind.REJECTED_ROWS, 100, True),
    ],
)
def test_what_reading_found_is_reported_with_its_rows(
    plant: Callable[[pd.DataFrame], pd.DataFrame], kind: FindingKind, n_rounds: int, is_refusal: bool
) -> None:
    read = read_log(plant(make_frame()))
    answer = judge(read.log, findings=read_findings(read))
    finding = next(f for f in answer.diagnostics.findings if f.kind is kind)
    assert (finding.n_rounds, finding.is_refusal) == (n_rounds, is_refusal)
    assert (answer.verdict is Verdict.CANNOT_TELL) == is_refusal
    assert finding.text in answer.reasons


# The statistics behind them


def test_limits_hold_far_out_where_counts_and_weights_are_skewed() -> None:
    rng = np.random.default_rng(0)
    n_logs = 200_000
    counts = rng.binomial(400, 0.05, n_logs).astype(np.float64)
    flat = np.ones(n_logs)
    z = np.abs(binomial_z(counts, 20 * flat, 19 * flat, 400 * flat))
    assert (z > limit_of(1e-3, 1)).mean() < 1.5e-3
    weight = rng.lognormal(-0.32, 0.8, (20_000, 300)) - 1
    total, squares, n = weight.sum(axis=1), (weight**2).sum(axis=1), np.full(20_000, 300)
    spread = spread_of(rng.lognormal(-0.32, 0.8, 10_000) - 1)
    limit = limit_of(1e-3, 1)
    plain = (weight.mean(axis=1) < -limit * weight.std(axis=1) / np.sqrt(300)).mean()
    assert plain > 3e-3
    assert (lower_z(total, squares, n, spread) > limit).mean() < 1e-3
    assert (upper_z(total, squares, n) > limit).mean() < 1e-3


def test_sums_over_parts_are_those_of_their_rounds() -> None:
    log = make_log(1000)
    parts = cut_log(replace(log, cell=level_of(log) % 2, cell_names=("even", "odd")))
    assert parts.cuts == ("time", "cell", "x_x")
    sums = parts.sums(log.reward[:, None])[:, 0]
    for name in parts.cuts:
        assert sums[parts.of_cut == parts.cuts.index(name)].sum() == pytest.approx(log.reward.sum())
    odd = parts.label.index("odd")
    assert sums[odd] == pytest.approx(log.reward[level_of(log) % 2 == 1].sum())


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_tail_index_recovers_the_shape_of_a_pareto_tail(shape: float) -> None:
    found = [tail_index(np.random.default_rng(seed).random(20_000) ** -shape) for seed in range(30)]
    assert np.mean([k for k in found if k is not None]) == pytest.approx(shape, abs=0.08)


def test_tail_index_is_silent_where_there_is_no_tail() -> None:
    assert tail_index(np.ones(1000)) is None
    assert tail_index(np.tile([0.0, 5.0], 500)) is None
    assert tail_index(np.arange(10.0)) is None


def test_findings_are_part_of_the_answer_for_programs() -> None:
    log = replace(make_log(), reward=np.zeros(N))
    answer = judge(log)
    assert Finding(FindingKind.ZERO_REWARDS, N, True, "every reward is zero: nothing was earned that could differ") in (
        answer.diagnostics.findings
    )
    config = EvaluationConfig()
    assert config.min_part_p_value == 1e-4
