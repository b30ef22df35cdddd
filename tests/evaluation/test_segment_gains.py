"""Who gains and who loses: right signs, nothing out of nothing, no number where there is too little."""

import numpy as np
import pytest

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.context import Context
from domain.estimates import Verdict
from domain.log import LoggedDecisions, LogRead
from evaluation.checks import log_checks, policy_checks
from evaluation.evaluate import evaluate, evaluate_with_scores
from evaluation.observations import Observations, observe, relative_gain
from evaluation.segment_gains import SegmentGains, segment_gains
from evaluation.target import Target, logged_target, target_of_policy
from tests.evaluation.worlds import ABC, BanditWorld, ChainWorld, LookupPolicy, bandit_world, click_world, greedy_table

CONFIG = EvaluationConfig()
EVEN = np.full((4, 3), 1 / 3)
HALVES = BanditWorld(
    np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), EVEN[:2]
)  # b loses 1 where x = 0, gains 1 where x = 1


def constant(action: int, n_levels: int = 2) -> Target:
    return target_of_policy(LookupPolicy(np.tile(np.eye(3)[action], (n_levels, 1)), name=f"constant:{ABC.ids[action]}"))


def observed(log: LoggedDecisions, candidate: Target, baseline: Target, seed: int = 0) -> Observations:
    _, scores = evaluate_with_scores(log, candidate, baseline, rng=np.random.default_rng(seed))
    return observe(log, candidate, baseline, scores)


def gains_of(log: LoggedDecisions, candidate: Target, baseline: Target, seed: int = 0) -> SegmentGains:
    return segment_gains(log, observed(log, candidate, baseline, seed), CONFIG, np.random.default_rng(seed))


def signs(gains: SegmentGains) -> dict[str, int]:
    """group -> 1 gains, -1 loses, 0 not proven."""
    told = {g.name: g.gain for g in (*gains.known, *gains.found) if g.gain is not None}
    return {name: int(gain.low > 0) - int(gain.high < 0) for name, gain in told.items()}


def with_noise_columns(log: LoggedDecisions, rng: np.random.Generator, n_columns: int) -> LoggedDecisions:
    columns = {f"noise_{i}": rng.normal(size=len(log)) for i in range(n_columns)}
    return LoggedDecisions(
        log.actions, log.action, log.reward, log.reward_name,
        Context({**log.context.columns, **columns}, len(log)), log.unit, log.propensity,
    )  # fmt: skip


def test_group_that_gains_and_group_that_loses__are_found_with_their_signs() -> None:
    rng = np.random.default_rng(0)
    gains = gains_of(with_noise_columns(HALVES.log(4000, rng), rng, 3), constant(1), constant(0))
    found = {g.name: g.gain for g in gains.found}
    assert set(found) == {"x < 1", "x >= 1"}
    told = signs(gains)
    assert (told["x < 1"], told["x >= 1"], told["x = 0"], told["x = 1"]) == (-1, 1, -1, 1)
    known = {g.name: g.gain for g in gains.known}
    for name, truth in (("x = 0", -1.0), ("x = 1", 1.0)):
        gain = known[name]
        assert gain is not None
        assert gain.low < truth < gain.high


def test_found_groups__are_judged_on_customers_that_did_not_find_them() -> None:
    log = HALVES.log(4000, np.random.default_rng(0), n_units=1500)
    gains = gains_of(log, constant(1), constant(0))
    assert 0.4 * len(log) < sum(g.n for g in gains.found) < 0.6 * len(log)
    assert sum(g.n for g in gains.known) == len(log)


def test_no_effect_anywhere__declares_no_group_to_gain_or_lose() -> None:
    """17 groups at 95 % each would declare one in half of the runs; together it is at most one run in twenty."""
    world = BanditWorld(np.full((2, 3), 1.0), EVEN[:2])
    n_runs = n_declared = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        gains = gains_of(with_noise_columns(world.log(1500, rng), rng, 4), constant(1), constant(0), seed)
        assert len(gains.known) == 18
        n_runs, n_declared = n_runs + 1, n_declared + any(signs(gains).values())
    assert n_declared <= 8  # of 60 at 5 %: more in one of a thousand


def test_intervals_of_groups__hold_together() -> None:
    rng = np.random.default_rng(0)
    gains = gains_of(with_noise_columns(HALVES.log(2000, rng), rng, 2), constant(1), constant(0))
    assert gains.known_confidence == pytest.approx(1 - 0.025 / 10)
    assert gains.found_confidence == pytest.approx(1 - 0.025 / len(gains.found))


def test_group_with_too_little__has_a_reason_and_no_number() -> None:
    rng = np.random.default_rng(0)
    log = HALVES.log(3000, rng)
    few = np.where(rng.random(3000) < 0.02, 2.0, log.context.column("x").astype(float))
    clicks = BanditWorld(np.full((2, 3), 0.01), EVEN[:2], is_binary=True).log(3000, rng)
    world = LoggedDecisions(ABC, log.action, log.reward, "reward", Context({"x": few}, 3000), log.unit, log.propensity)
    target = Target("b", distribution=np.tile(np.eye(3)[1], (3000, 1)))
    by_name = {g.name: g for g in gains_of(world, target, logged_target()).known}
    assert by_name["x = 2"].gain is None
    assert by_name["x = 2"].too_little == "too few customers"
    assert {g.too_little for g in gains_of(clicks, target, logged_target()).known} == {
        "too few rewards other than zero"
    }


def test_choices_never_tried_in_a_group__leave_it_without_a_number() -> None:
    log = HALVES.log(3000, np.random.default_rng(0))
    cell = log.context.column("x").astype(np.int64)
    kept = (log.action != 1) | (cell == 1)
    log = LoggedDecisions(
        ABC, log.action, log.reward, "reward", log.context, log.unit, np.where(cell == 1, 1 / 3, 0.5), cell=cell
    ).take(kept)
    candidate = Target("mostly c", distribution=np.tile([0.0, 0.4, 0.6], (len(log), 1)))
    by_name = {g.name: g for g in gains_of(log, candidate, logged_target()).known}
    assert by_name["x = 0"].too_little == "choices never tried there"
    assert by_name["x = 0"].n_unsupported == by_name["x = 0"].n
    assert by_name["x = 1"].gain is not None


def test_same_policy_twice__gains_nothing_anywhere() -> None:
    gains = gains_of(HALVES.log(2000, np.random.default_rng(0)), constant(1), constant(1))
    assert not gains.found
    assert not any(signs(gains).values())


def test_log_without_context__has_no_groups() -> None:
    log = HALVES.log(500, np.random.default_rng(0))
    bare = LoggedDecisions(ABC, log.action, log.reward, "reward", Context({}, 500), log.unit, log.propensity)
    target = Target("b", distribution=np.tile(np.eye(3)[1], (500, 1)))
    gains = gains_of(bare, target, logged_target())
    assert (gains.known, gains.found, gains.n_columns) == ((), (), 0)


def test_panel__counts_episodes_by_their_first_context() -> None:
    world = ChainWorld()
    log = world.log(1500, np.random.default_rng(0))
    contact = target_of_policy(world.policy(np.array([[0.0, 1.0], [0.0, 1.0]])))
    o = observed(log, contact, logged_target())
    assert o.is_panel
    assert o.n_rounds.sum() == len(log)
    gains = segment_gains(log, o, CONFIG, np.random.default_rng(0))
    assert sum(g.n for g in gains.known) == 1500
    truth = {"x = 0": -1, "x = 1": 1}  # contacting costs those at ease more than it keeps
    assert all(signs(gains)[name] in (0, sign) for name, sign in truth.items())


def test_relative_gain__is_a_share_of_what_the_baseline_earns() -> None:
    world = BanditWorld(np.tile([2.0, 3.0, 0.0], (2, 1)), EVEN[:2])
    o = observed(world.log(5000, np.random.default_rng(0)), constant(1), constant(0))
    found = relative_gain(o.scores, 0.95)
    assert found is not None
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.15
    nothing = observed(world.log(5000, np.random.default_rng(0)), constant(0), constant(2))
    assert relative_gain(nothing.scores, 0.95) is None


def test_relative_gain__excludes_zero_exactly_where_the_difference_does() -> None:
    """Gains near the edge of proof, where the delta method would contradict the difference."""
    world = BanditWorld(np.array([[1.0, 1.3, 0.0], [4.0, 4.3, 0.0]]), EVEN[:2], noise=3.0)
    n_near = 0
    for seed in range(40):
        scores = observed(world.log(1200, np.random.default_rng(seed)), constant(1), constant(0), seed).scores
        found, difference = relative_gain(scores, 0.95), scores.difference(0, 1)
        assert found is not None
        assert (found.low > 0, found.high < 0) == (difference.low > 0, difference.high < 0)
        assert found.low < found.value < found.high
        n_near += abs(difference.low) < 0.25 * difference.stderr
    assert n_near >= 3


def skewed(world: BanditWorld, share: float) -> BanditWorld:
    behavior = np.tile([share, (1 - share) / 2, (1 - share) / 2], (len(world.mean), 1))
    return BanditWorld(world.mean, behavior, world.noise, world.is_binary)


def misread(log: LoggedDecisions) -> LoggedDecisions:
    wrong = np.where(log.action == 0, 0.8, 0.1)
    return LoggedDecisions(ABC, log.action, log.reward, "reward", log.context, log.unit, wrong)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "log",
    [
        bandit_world().log(2000, np.random.default_rng(0)),
        click_world().log(300, np.random.default_rng(0)),
        skewed(bandit_world(), 0.998).log(3000, np.random.default_rng(0)),
        misread(bandit_world().log(2000, np.random.default_rng(0))),
        bandit_world().log(40, np.random.default_rng(0)),
    ],
    ids=["good", "few clicks", "little overlap", "wrong propensities", "few rounds"],
)
def test_checks__fail_exactly_where_the_gate_refuses(log: LoggedDecisions, seed: int) -> None:
    table: FloatArray = greedy_table(bandit_world())
    targets = target_of_policy(LookupPolicy(table, name="greedy")), logged_target()
    evaluation, scores = evaluate_with_scores(log, *targets, rng=np.random.default_rng(seed))
    o = observe(log, *targets, scores)
    read = LogRead(log, "log", len(log), {}, {})
    p_value = scores.diagnostics[0].sample_ratio_p_value
    checks = [
        *policy_checks(log, 0, o, CONFIG),
        *policy_checks(log, 1, o, CONFIG),
        *log_checks(read, log, p_value, CONFIG),
    ]
    has_failed = not all(check.is_passed for check in checks)
    assert has_failed == (evaluation.verdict is Verdict.CANNOT_TELL)
    assert evaluation == evaluate(log, *targets, rng=np.random.default_rng(seed))
