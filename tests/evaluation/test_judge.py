from dataclasses import replace

import numpy as np
import pytest

from config.evaluation import EvaluationConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.errors import InsufficientOverlap, UnsupportedAction
from domain.estimates import Comparison, Verdict
from domain.log import LoggedDecisions
from evaluation.best_constant import choose_constant
from evaluation.crossfit import best_and_rivals
from evaluation.gate import Ruling
from evaluation.judge import judge_learner
from evaluation.judgement import Judgement, Rival, confidence_of_each, describe_delivery
from evaluation.nuisance import fit_nuisance
from evaluation.target import Target, logged_target, target_of_policy
from policies.baselines import ConstantPolicy
from tests.evaluation.worlds import ABC, BanditWorld, ChainWorld, GreedyLearner, GreedyPolicy, bandit_world

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
    assert answer.policy is None  # one a fold
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
    assert answer.reasons[0] == "half of the file is missing"
    assert not any("interval" in reason or "provabl" in reason for reason in answer.reasons)


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
    assert answer.policy is not None


def test_logged_baseline_is_what_the_rows_earned() -> None:
    log = WORLD.log(2000, np.random.default_rng(0))
    answer = judge_learner(log, GreedyLearner(), lambda _log: logged_target(), rng=np.random.default_rng(0))
    gain = WORLD.mean.max(axis=1).mean() - log.reward.mean()
    assert answer.baseline_comparison.difference == pytest.approx(gain, abs=0.2)
    assert ABC.ids[0] not in answer.baseline_comparison.baseline.split(":")[0]


def test_action_open_to_few_good_customers_is_not_the_best_constant() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    is_vip = rng.random(n) < 0.1
    eligible = np.ones((n, 3), dtype=np.bool_)
    eligible[:, 2] = is_vip
    action = np.where(is_vip, rng.integers(0, 3, n), rng.integers(0, 2, n))
    reward = np.where(is_vip, 20.0, 0.0) + (action == 1) - 5.0 * (action == 2) + rng.normal(size=n)
    propensity = np.where(is_vip, 1 / 3, 1 / 2)
    context = Context({"x": is_vip.astype(float)}, n)
    log = LoggedDecisions(ABC, action, reward, "reward", context, np.arange(n), propensity, eligible=eligible)
    assert choose_constant(log, propensity, ABC.ids) == "b"


def test_pairs_share_the_error_of_one_interval() -> None:
    assert confidence_of_each(0.95, 2) == pytest.approx(0.95)
    assert confidence_of_each(0.95, 5) == pytest.approx(0.995)
    assert confidence_of_each(0.95, 1) == pytest.approx(0.95)


@pytest.mark.parametrize("verdict", Verdict)
def test_only_an_undecided_rival_is_a_tie(verdict: Verdict) -> None:
    rival = Rival("b", Ruling(verdict, Comparison("a", "b", 1.0, 0.5, 1.5), ()))
    assert rival.is_tie == (verdict is Verdict.HOLD)
    hold = Ruling(Verdict.HOLD, Comparison("learned", "best constant", 0.0, -1.0, 1.0), ("ruled",))
    told = describe_delivery(hold, "a", (rival,))
    assert any("indistinguishable" in reason for reason in told) == (verdict is Verdict.HOLD)
    assert any("provably less" in reason for reason in told) == (verdict is Verdict.PROMOTE)
    assert any("provably more" in reason for reason in told) == (verdict is Verdict.REJECT)


def test_best_constant_of_a_log_that_cannot_decide_has_no_value() -> None:
    log = WORLD.log(1500, np.random.default_rng(0))
    answer = judge(replace(log, reward=np.zeros(1500)))
    assert any("every reward is zero" in reason for reason in answer.reasons)
    assert answer.best_constant.value is None


class Demanding(GreedyLearner):
    """Refuses to learn from fewer rounds than this."""

    def __init__(self, n_needed: int) -> None:
        super().__init__()
        self._n_needed = n_needed

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> GreedyPolicy:
        if len(log) < self._n_needed:
            raise InsufficientOverlap(f"{len(log)} rounds teach nothing")
        return super().fit(log, rng)


def test_too_little_to_learn_from_inside_a_fold_is_no_gain() -> None:
    answer = judge(WORLD.log(1500, np.random.default_rng(0)), Demanding(1100))  # outer folds hold 1,200, inner ones 960
    assert answer.verdict is Verdict.PROMOTE
    assert answer.heldout.value == pytest.approx(answer.best_constant.value, abs=0.1)  # the rule was the constant's


def test_too_little_to_learn_from_at_all_cannot_tell() -> None:
    answer = judge(WORLD.log(1500, np.random.default_rng(0)), Demanding(10_000))
    assert answer.verdict is Verdict.CANNOT_TELL
    assert answer.reasons[0] == "1200 rounds teach nothing"
    assert answer.delivered == answer.best_constant.policy
    assert answer.evidence.distribution.sum() == 1500
    assert answer.evidence.distribution.max(axis=1).min() == 1


def narrowed(log: LoggedDecisions, *names: str) -> LoggedDecisions:
    """The log over these actions only, as a file that never mentions the others."""
    actions = ActionSet(names)
    log = log.take(np.isin(log.action, [ABC.index(name) for name in names]))
    action = np.array([names.index(ABC.ids[a]) for a in log.action])
    return replace(log, actions=actions, action=action)


def test_judging_log_without_a_rival_drops_it_with_a_note() -> None:
    flat = BanditWorld(np.tile([1.0, 3.0, 0.0], (4, 1)), np.full((4, 3), 1 / 3))
    rng = np.random.default_rng(0)
    other = narrowed(flat.log(3000, rng), "a", "b")
    answer = judge(flat.log(2000, rng), heldout=replace(other, propensity=np.full(len(other), 0.5)))
    assert answer.best_constant.policy == "constant:b"
    assert "not compared, as the log that judges lacks them: c" in answer.reasons
    assert answer.comparison.difference is not None
    assert answer.policy is not None


class SafeLearner(GreedyLearner):
    """Learns to do a for everyone."""

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> ConstantPolicy:  # type: ignore[override] # any policy
        super().fit(log, rng)
        return ConstantPolicy(log.actions, "a")


def test_judging_log_without_the_best_constant_cannot_tell() -> None:
    flat = BanditWorld(np.tile([1.0, 3.0, 0.0], (4, 1)), np.full((4, 3), 1 / 3))
    rng = np.random.default_rng(0)
    other = narrowed(flat.log(3000, rng), "a", "c")
    other = replace(other, propensity=np.full(len(other), 0.5))
    answer = judge(flat.log(2000, rng), SafeLearner(), heldout=other)
    assert answer.verdict is Verdict.CANNOT_TELL
    assert (answer.best_constant.policy, answer.best_constant.value) == ("constant:b", None)
    assert any("lacks b" in reason for reason in answer.reasons)
    with pytest.raises(UnsupportedAction):
        judge(flat.log(2000, rng), heldout=other)


class Forgetful:
    """Its policies raise when asked about a customer they were learned from; `u` names the customer."""

    name = "forgetful"

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> GreedyPolicy:
        known = set(log.context.column("u").tolist())

        class Policy(GreedyPolicy):
            def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
                assert not known & set(context.column("u").tolist())
                return super().distribution(context, eligible)

        return Policy(GreedyLearner().fit(log, rng).model)


@pytest.mark.parametrize("is_panel", [False, True])
def test_no_policy_is_asked_about_whom_it_was_learned_from(is_panel: bool) -> None:
    rng = np.random.default_rng(0)
    log = ChainWorld(horizon=3).log(800, rng) if is_panel else WORLD.log(1200, rng, n_units=300)
    columns = {**log.context.columns, "u": log.unit.astype(np.float64)}
    log = replace(log, context=Context(columns, len(log)))
    if log.panel is not None:
        following = Context({**log.panel.next_context.columns, "u": columns["u"]}, len(log))
        log = replace(log, panel=replace(log.panel, next_context=following))
    judge(log, Forgetful())  # type: ignore[arg-type] # any learner


def test_more_constants_widen_every_comparison_with_the_best() -> None:
    log, config = WORLD.log(1500, np.random.default_rng(0)), EvaluationConfig()
    nuisance = fit_nuisance(log, config, np.random.default_rng(0))
    _, (alone,) = best_and_rivals(log, nuisance, "b", ("a", "b"), config, ())
    _, (among, _) = best_and_rivals(log, nuisance, "b", ("a", "b", "c"), config, ())
    two, three = alone.ruling.comparison, among.ruling.comparison
    assert two.low is not None
    assert three.low is not None
    assert three.low < two.low
