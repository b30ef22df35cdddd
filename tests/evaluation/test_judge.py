from dataclasses import replace

import numpy as np
import pytest

from config.evaluation import EvaluationConfig
from domain.estimates import Verdict
from domain.log import LoggedDecisions
from evaluation.judge import judge_learner
from evaluation.judgement import Judgement
from evaluation.target import Target, logged_target, target_of_policy
from policies.baselines import ConstantPolicy
from tests.evaluation.worlds import ABC, BanditWorld, ChainWorld, GreedyLearner, bandit_world

WORLD = bandit_world()


def always_a(log: LoggedDecisions) -> Target:
    return target_of_policy(ConstantPolicy(log.actions, log.actions.ids[0]))


def judge(log: LoggedDecisions, learner: GreedyLearner | None = None, **options: object) -> Judgement:
    learner = GreedyLearner() if learner is None else learner
    return judge_learner(log, learner, always_a, rng=np.random.default_rng(0), **options)  # type: ignore[arg-type] # passed through


def test_learning_that_gains_is_delivered() -> None:
    answer = judge(WORLD.log(3000, np.random.default_rng(0)))
    assert answer.verdict is Verdict.PROMOTE
    assert answer.delivered == "learned"
    assert (answer.comparison.candidate, answer.comparison.baseline) == ("learned", "best constant")
    assert answer.baseline_comparison.baseline == "constant:a"
    assert answer.heldout.method == "crossfit"
    assert answer.heldout.n == 3000
    assert answer.heldout.low is not None
    assert answer.heldout.high is not None
    assert answer.heldout.low <= WORLD.mean.max(axis=1).mean() <= answer.heldout.high


def test_where_learning_gains_nothing_the_best_constant_is_delivered_and_ties_are_named() -> None:
    flat = BanditWorld(np.tile([1.0, 2.0, 2.0], (4, 1)), WORLD.behavior)
    answer = judge(flat.log(3000, np.random.default_rng(0)))
    assert answer.verdict is not Verdict.PROMOTE
    assert answer.delivered in {"constant:b", "constant:c"}
    assert answer.delivered == answer.best_constant.policy
    assert any("indistinguishable" in reason for reason in answer.reasons)
    assert any("a for all earns provably less" in reason for reason in answer.reasons)
    assert answer.baseline_comparison.low is not None
    assert answer.baseline_comparison.low > 0


def test_noise_is_rarely_promoted() -> None:
    flat = BanditWorld(np.tile([1.0, 1.0, 1.0], (4, 1)), WORLD.behavior)
    quick = EvaluationConfig(n_folds=2)
    logs = [flat.log(500, np.random.default_rng(s)) for s in range(20)]
    promoted = [judge(log, config=quick).verdict is Verdict.PROMOTE for log in logs]
    assert sum(promoted) <= 3  # binomial(20, .025): P(> 3) < .002


def test_learner_never_sees_who_it_is_judged_on() -> None:
    learner = GreedyLearner()
    log = WORLD.log(1200, np.random.default_rng(0), n_units=300)
    judge(log, learner)
    everyone = set(log.unit.tolist())
    assert all(len(seen) < len(everyone) for seen in learner.seen)
    outer = [everyone - seen for seen in learner.seen if len(seen) > 0.75 * len(everyone)]
    assert len(outer) == 5
    assert set.union(*outer) == everyone


def test_same_seed_gives_the_same_judgement() -> None:
    log = WORLD.log(800, np.random.default_rng(0))
    one, other = judge(log), judge(log)
    assert (one.comparison, one.heldout, one.reasons) == (other.comparison, other.heldout, other.reasons)


def test_reasons_known_beforehand_deliver_the_constant_without_numbers() -> None:
    answer = judge(WORLD.log(1500, np.random.default_rng(0)), refusals=("half of the file is missing",))
    assert answer.verdict is Verdict.CANNOT_TELL
    assert answer.comparison.difference is None
    assert answer.baseline_comparison.difference is None
    assert answer.heldout.value is None
    assert answer.best_constant.value is None
    assert answer.delivered.startswith("constant:")
    assert "half of the file is missing" in answer.reasons


def test_action_offered_in_some_cells_only_is_no_constant_and_is_counted() -> None:
    log = WORLD.log(3000, np.random.default_rng(0))
    cell = (log.context.column("x") > 1).astype(np.int64)
    log = replace(log, cell=cell, cell_names=("low", "high")).take(~((log.action == 2) & (cell == 1)))
    assert log.cell is not None
    answer = judge(log)
    assert answer.best_constant.policy != "constant:c"
    n = int((log.cell == 1).sum())
    assert any(f"c was never tried in the cells of {n:,} rounds" in reason for reason in answer.reasons)


def test_another_log_judges_what_this_one_taught() -> None:
    rng = np.random.default_rng(0)
    learner = GreedyLearner()
    answer = judge(WORLD.log(2000, rng), learner, heldout=WORLD.log(2000, rng))
    assert answer.heldout.method == "file"
    assert learner.n_fits == 1
    assert answer.delivered == "learned"
    assert abs((answer.heldout.value or 0.0) - WORLD.mean.max(axis=1).mean()) < 0.2


def test_panel_holds_out_customers() -> None:
    chain = ChainWorld(horizon=3)
    learner = GreedyLearner()
    log = chain.log(2000, np.random.default_rng(0))
    answer = judge(log, learner)
    assert answer.heldout.method == "units"
    assert learner.n_fits == 1
    assert len(learner.seen[0]) + answer.heldout.n == 2000


def test_logged_baseline_is_what_the_rows_earned() -> None:
    log = WORLD.log(2000, np.random.default_rng(0))
    answer = judge_learner(log, GreedyLearner(), lambda _log: logged_target(), rng=np.random.default_rng(0))
    gain = WORLD.mean.max(axis=1).mean() - log.reward.mean()
    assert answer.baseline_comparison.difference == pytest.approx(gain, abs=0.2)
    assert ABC.ids[0] not in answer.baseline_comparison.baseline.split(":")[0]
