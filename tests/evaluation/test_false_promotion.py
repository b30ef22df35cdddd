"""The benchmarks of looks in small: they compute what the gate computes, and see a planted defect."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.evaluation.adapting import best_of, coverages
from benchmarks.evaluation.false_promotion import DAYS, ENDS, WORLDS, Sums, chained, count
from benchmarks.evaluation.running import Running
from domain.actions import ActionSet
from domain.context import Context
from domain.log import LoggedDecisions
from evaluation.evaluate import evaluate_with_scores
from evaluation.looks import Anytime
from evaluation.scores import mean_interval
from evaluation.target import logged_target, target_of_policy
from tests.evaluation.worlds import LookupPolicy


def test_running_sums__give_the_ends_that_the_gate_gives() -> None:
    scores = np.random.default_rng(0).lognormal(size=400) - 1.5
    ran = Running(np.array([400]), *(np.array([(scores**k).sum()]) for k in (1, 2, 3)))
    for sign in (1, -1):
        shown = mean_interval(sign * scores, np.ones(400), np.arange(400), 0.98)
        ran_signed = ran if sign == 1 else Running(ran.n, -ran.total, ran.squares, -ran.cubes)
        assert_allclose([ran_signed.low(0.01)[0], ran_signed.high(0.01)[0]], [shown.low, shown.high], rtol=1e-10)


def test_sums_of_segments__give_the_scores_that_the_gate_gives() -> None:
    world = WORLDS[1]
    rng = np.random.default_rng(3)
    n, actions = int(DAYS[1]), ActionSet(("a", "b", "c", "d"))
    action = rng.choice(4, n, p=world.propensity)
    reward = (rng.random(n) < world.mean[action]).astype(float)
    segment = np.searchsorted(ENDS, np.arange(n), side="right")
    shape = (1, len(ENDS), 1, 4)
    cell = segment * 4 + action
    rounds = np.bincount(cell, minlength=len(ENDS) * 4).reshape(shape).astype(np.float64)
    won = np.bincount(cell, reward, minlength=len(ENDS) * 4).reshape(shape).astype(np.float64)
    ran = chained(Sums(rounds, won, won, won, won), world, world.candidates[0])
    context = Context({"x": np.zeros(n)}, n)
    distribution = np.tile(world.propensity, (n, 1))
    log = LoggedDecisions(
        actions, action, reward, "click", context, np.arange(n), world.propensity[action],
        logged_distribution=distribution,
    )  # fmt: skip
    candidate = target_of_policy(LookupPolicy(world.candidates, actions, name="candidate"))
    _, scores = evaluate_with_scores(log, candidate, logged_target(), rng=rng, looks=Anytime())
    difference = scores.scores[:, 0] - scores.scores[:, 1]
    assert ran.total[0, 1] == pytest.approx(difference.sum(), abs=1e-8)
    assert ran.squares[0, 1] == pytest.approx((difference**2).sum(), rel=1e-8)


def test_daily_looks__promote_too_often_unless_they_were_planned_or_are_anytime() -> None:
    """Nominal .05, 400 runs of 28 looks; a planned bound that is not kept would show as the daily one does."""
    shares = {s.looks: s for s in count(WORLDS[0], 400, 5)}
    limit = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert shares["scheduled"].promoted <= limit
    assert shares["anytime"].promoted <= limit
    assert shares["daily"].promoted > 0.1


def test_best_of__is_a_closed_form_for_two_and_sums_to_one() -> None:
    found = best_of(np.array([[2.0, 1.0, 1.0], [300.0, 1.0, 40.0]]), np.array([[1.0, 1.0, 1.0], [900.0, 1.0, 160.0]]))
    assert_allclose(found.sum(1), 1)
    assert_allclose(found[0], [0.5, 0.25, 0.25], atol=1e-10)  # E[x^2] = 1/2 where x has density 2x


def test_intervals_for_one_look__do_not_cover_an_adapting_log_at_all_looks() -> None:
    found = {(c.policy, c.interval): c.together for c in coverages(40, 9)}
    assert found["steady", "gate"] >= 0.85
    assert found["steady", "naive"] < 0.7
