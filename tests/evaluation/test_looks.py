"""Looks: boundaries against published tables, sequences against their closed form, and errors that stay controlled."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr
from statsmodels.stats.multitest import multipletests

from config.evaluation import EvaluationConfig
from domain.errors import ConfigError, MissingColumn, UsageError
from domain.estimates import Evaluation, Verdict
from domain.log import LoggedDecisions
from evaluation.candidates import step_down
from evaluation.confidence_sequence import critical_value, sequence_of_scores, sequence_of_sums
from evaluation.evaluate import evaluate, evaluate_candidates, evaluate_with_scores
from evaluation.forward import fit_forward, time_order
from evaluation.looks import Anytime, Looks, Once, Scheduled, parse_looks, tail
from evaluation.scores import mean_interval
from evaluation.spending import boundaries, error_of, spent
from evaluation.target import Target, logged_target, target_of_policy
from policies.baselines import ConstantPolicy
from tests.evaluation.worlds import ABC, ChainWorld, LookupPolicy, bandit_world, greedy_table

WORLD = bandit_world()
BEST = target_of_policy(LookupPolicy(greedy_table(WORLD), name="best"))
WORST = target_of_policy(LookupPolicy(np.eye(3)[WORLD.mean.argmin(axis=1)], name="worst"))


def make_log(n: int = 2000, seed: int = 0) -> LoggedDecisions:
    return WORLD.log(n, np.random.default_rng(seed))


def judge(log: LoggedDecisions, looks: Looks | None = None, **options: object) -> Evaluation:
    return evaluate(log, BEST, logged_target(), rng=np.random.default_rng(0), looks=looks, **options)  # type: ignore[arg-type] # passed through


# ---- boundaries of planned looks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "fractions", "published"),
    [
        (0.025, (0.5, 1.0), (2.9626, 1.9686)),
        (0.025, (1 / 3, 2 / 3, 1.0), (3.7103, 2.5114, 1.9930)),
        (0.025, (0.25, 0.5, 0.75, 1.0), (4.3326, 2.9631, 2.3590, 2.0141)),
        (0.025, (0.2, 0.4, 0.6, 0.8, 1.0), (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
    ],
)
def test_boundaries__are_those_of_lan_and_demets(
    alpha: float, fractions: tuple[float, ...], published: tuple[float, ...]
) -> None:
    """O'Brien-Fleming-like, two-sided .05, as tabulated by Reboussin, DeMets, Kim, Lan (2000)."""
    assert_allclose(boundaries(alpha, fractions), published, atol=2e-3)


@pytest.mark.parametrize("n_looks", [1, 2, 7, 28, 100])
def test_boundaries__spend_exactly_what_may_be_spent(n_looks: int) -> None:
    fractions = tuple(k / n_looks for k in range(1, n_looks + 1))
    assert error_of(boundaries(0.05, fractions), fractions) == pytest.approx(0.05, abs=1e-7)
    assert boundaries(0.05, fractions)[: n_looks // 2] == boundaries(0.05, fractions[: n_looks // 2])


def test_error_of__knows_pocock_and_plain_constants() -> None:
    """2.178 for two, 2.413 for five looks at two-sided .05 (Pocock 1977, Biometrika 64(2), table 1)."""
    for constant, k in ((2.178, 2), (2.413, 5)):
        assert error_of((constant,) * k, tuple(np.arange(1, k + 1) / k)) == pytest.approx(0.025, abs=2e-4)
    assert error_of((1.645,), (1.0,)) == pytest.approx(float(ndtr(-1.645)))
    assert error_of((1.645,) * 28, tuple(np.arange(1, 29) / 28)) > 0.15  # daily looks, nothing done about it


def test_spent__rises_to_all_of_it() -> None:
    shares = [spent(0.05, t) for t in (0.01, 0.25, 0.5, 0.9, 1.0)]
    assert shares == sorted(shares)
    assert shares[0] < 1e-10
    assert shares[-1] == pytest.approx(0.05)


@pytest.mark.parametrize("text", ["", "7", "a/b", "0/3", "4/3", "1/401", "-1/3", "1/2/3", "1.5/3", "always"])
def test_what_is_no_look__is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_looks(text)


def test_looks__are_read_as_written() -> None:
    assert [parse_looks(t) for t in ("once", "anytime", "7/28")] == [Once(), Anytime(), Scheduled(7, 28)]
    assert tail(Scheduled(1, 1), 0.05, 100) == pytest.approx(0.05)
    assert tail(Scheduled(2, 2, (0.3, 1.0)), 0.05, 100) == pytest.approx(float(ndtr(-boundaries(0.05, (0.3, 1.0))[1])))
    for fractions in ((0.5,), (0.6, 0.5), (0.5, 1.1), (0.0, 1.0)):
        with pytest.raises(UsageError):
            Scheduled(2, 2, fractions)
    with pytest.raises(UsageError):
        Anytime(0)
    with pytest.raises(ConfigError):
        EvaluationConfig(false_promotion_rate=0.5)


# ---- sequences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("progress", [0.01, 1.0, 30.0])
def test_boundary_of_the_mixture__is_where_its_martingale_reaches_one_over_alpha(alpha: float, progress: float) -> None:
    """The mixture of exp(l S - l^2 V / 2) over normal l of variance 1 / rho, and over its positive half, at V = 1."""
    rho = _rho(progress, alpha)
    s = float(critical_value(progress, alpha, sides=2))
    assert math.sqrt(rho / (1 + rho)) * math.exp(s**2 / (2 * (1 + rho))) == pytest.approx(1 / alpha)
    rho = _rho(progress, 2 * alpha)
    s = float(critical_value(progress, alpha, sides=1))
    half = 2 * math.sqrt(rho / (1 + rho)) * math.exp(s**2 / (2 * (1 + rho))) * ndtr(s / math.sqrt(1 + rho))
    assert 1 / alpha <= half <= 1.1 / alpha  # proposition 6 is a bound on it


def _rho(progress: float, alpha: float) -> float:
    log = -2 * math.log(alpha)
    return 1 / (progress * (log + math.log1p(log)))


def test_sequence__is_tightest_where_it_was_told_to_be() -> None:
    progress = np.geomspace(0.05, 20, 200)
    widths = critical_value(progress, 0.05, sides=2)
    assert progress[widths.argmin()] == pytest.approx(1.0, abs=0.05)


def test_sequence_of_sums__is_that_of_scores_and_survives_large_rewards() -> None:
    scores = np.random.default_rng(0).normal(1e7, 1.0, 5000)
    every = sequence_of_scores(scores, alpha=0.05)
    assert np.isinf(every.high[:99]).all()
    assert np.isfinite(every.high[99:]).all()
    centered, at = scores - 1e7, np.array([100, 700, 5000])
    some = sequence_of_sums(at, centered.cumsum()[at - 1], np.square(centered).cumsum()[at - 1], alpha=0.05)
    for name in ("mean", "low", "high"):
        assert_allclose(getattr(every, name)[at - 1] - 1e7, getattr(some, name), atol=1e-7)


def test_sequence__holds_at_all_looks_where_an_ordinary_interval_does_not() -> None:
    """Nominal .95 at all 1,901 looks; tolerance 3 Monte Carlo errors of 400 runs."""
    scores = np.random.default_rng(5).normal(size=(400, 2000))
    n = np.arange(1, 2001)
    total, squares = scores.cumsum(1), (scores**2).cumsum(1)
    found = sequence_of_sums(n, total, squares, alpha=0.05)
    error = np.sqrt(0.05 * 0.95 / 400)
    assert ((found.low <= 0) & (found.high >= 0)).all(1).mean() >= 0.95 - 3 * error
    one_sided = sequence_of_sums(n, total, squares, alpha=0.05, sides=1)
    assert (one_sided.low > 0).any(1).mean() <= 0.05 + 3 * error
    naive = (np.abs(found.mean) <= 1.96 * np.sqrt((squares / n - found.mean**2) / n))[:, 99:]
    assert naive.all(1).mean() < 0.8  # the planted defect is seen


# ---- forward in time -----------------------------------------------------------------------------------------------


def test_forward_models__know_earlier_rounds_only() -> None:
    log = make_log(600)
    fitted = fit_forward(log, EvaluationConfig()).expected_reward
    changed = log.reward.copy()
    changed[300:] += 100.0
    later = LoggedDecisions(ABC, log.action, changed, "reward", log.context, log.unit, log.propensity)
    refitted = fit_forward(later, EvaluationConfig()).expected_reward
    assert_allclose(fitted[:512], refitted[:512])  # the block of 256 to 511 learned from rounds before 256
    assert (refitted[512:] > fitted[512:] + 1).any()
    assert (fitted[0] == 0).all()
    longer = make_log(600).take(np.arange(400))
    assert_allclose(fit_forward(longer, EvaluationConfig()).expected_reward, fitted[:400])


def test_forward_order__is_that_of_decided_at() -> None:
    log = make_log(900)
    shuffled = np.random.default_rng(0).permutation(900)
    times = np.datetime64("2026-01-01") + shuffled.astype("timedelta64[m]")
    timed = LoggedDecisions(
        ABC, log.action, log.reward, "reward", log.context, log.unit, log.propensity, decided_at=times
    )
    order = time_order(timed)
    assert (np.diff(times[order]) > np.timedelta64(0)).all()
    inner = fit_forward(timed.take(order), EvaluationConfig()).expected_reward
    assert_allclose(fit_forward(timed, EvaluationConfig()).expected_reward[order], inner)
    said = " ".join(judge(timed, Anytime()).reasons)
    assert "no decided_at" not in said
    assert "no decided_at" in " ".join(judge(log, Anytime()).reasons)


def test_any_time__needs_propensities() -> None:
    log = make_log(300)
    bare = LoggedDecisions(ABC, log.action, log.reward, "reward", log.context, log.unit)
    with pytest.raises(MissingColumn, match="propensities"):
        judge(bare, Anytime())


# ---- the gate ------------------------------------------------------------------------------------------------------


def test_one_look__is_the_ordinary_interval() -> None:
    log = make_log()
    answer, scores = evaluate_with_scores(log, BEST, logged_target(), rng=np.random.default_rng(0))
    plain = mean_interval(scores.scores[:, 0] - scores.scores[:, 1], scores.weight, scores.cluster, 0.95)
    assert answer.comparison.low == pytest.approx(plain.low, rel=1e-12)
    assert answer.comparison.high == pytest.approx(plain.high, rel=1e-12)
    assert answer.looks.kind == "once"
    assert answer.looks.confidence == pytest.approx(0.95)
    assert not any("look" in reason for reason in answer.reasons)


def test_planned_look__reports_the_repeated_interval_and_what_is_spent() -> None:
    log = make_log()
    early, late = judge(log, Scheduled(7, 28)), judge(log, Scheduled(28, 28))
    assert early.looks.spent is not None
    assert late.looks.spent is not None
    assert early.looks.spent < 1e-3 < late.looks.spent == pytest.approx(0.05)
    assert early.looks.boundary > 3.7 > late.looks.boundary > 1.645
    lows = [e.comparison.low for e in (early, late)]
    assert lows[0] is not None
    assert lows[1] is not None
    assert lows[0] < lows[1]
    assert "look 7 of 28 planned" in early.reasons[1]
    assert late.verdict is Verdict.PROMOTE


def test_panel__is_looked_at_once() -> None:
    log = ChainWorld(horizon=4).log(300, np.random.default_rng(0))
    target = target_of_policy(ConstantPolicy(log.actions, log.actions.ids[0]))
    for looks in (Anytime(), Scheduled(1, 2)):
        with pytest.raises(UsageError, match="panel"):
            evaluate(log, target, logged_target(), rng=np.random.default_rng(0), looks=looks)


# ---- several candidates --------------------------------------------------------------------------------------------


def test_step_down__is_holm() -> None:
    rng = np.random.default_rng(0)
    for _ in range(15):
        p = rng.uniform(size=rng.integers(1, 9)) ** 4
        passed = step_down(len(p), lambda i, rate, p=p: bool(p[i] <= rate), 0.05)  # type: ignore[misc] # bound at once
        assert passed.tolist() == multipletests(p, 0.05, method="holm")[0].tolist()


def test_candidates__are_judged_together_and_each_keeps_its_own_refusals() -> None:
    same = target_of_policy(LookupPolicy(WORLD.behavior, name="same"))
    log = make_log()
    answers = evaluate_candidates(
        log, (WORST, BEST, same), logged_target(), rng=np.random.default_rng(0), refusals=((), (), ("not this one",))
    )
    assert [e.verdict for e, _ in answers] == [Verdict.REJECT, Verdict.PROMOTE, Verdict.CANNOT_TELL]
    alone = judge(log)
    together = answers[1][0]
    assert together.comparison.difference == alone.comparison.difference
    assert together.comparison.low is not None
    assert alone.comparison.low is not None
    assert together.comparison.low < alone.comparison.low
    assert together.looks.confidence == pytest.approx(1 - 0.05 / 3)
    assert "one of 3 candidates" in " ".join(together.reasons)
    assert answers[2][0].reasons[0] == "not this one"
    assert answers[1][1].names == ("best", "logged")


def test_candidates__one_that_is_refused_makes_nobodys_way_easier() -> None:
    """Where it seems better than all others its number is not trusted: it is no step of Holm's."""
    log = make_log()
    lucky = np.eye(3)[np.where(log.reward > np.median(log.reward), log.action, (log.action + 1) % 3)]
    refused = Target("trained here", distribution=lucky)
    seems_better, second = evaluate_candidates(
        log, (refused, BEST), logged_target(),
        config=EvaluationConfig(margin=_margin_between_the_steps(log)),
        rng=np.random.default_rng(0),
        refusals=(("trained on this log",), ()),
    )  # fmt: skip
    assert seems_better[0].verdict is Verdict.CANNOT_TELL
    assert seems_better[1].difference(0, 1, confidence=0.975).low > _margin_between_the_steps(log)
    assert second[0].verdict is Verdict.HOLD


def _margin_between_the_steps(log: LoggedDecisions) -> float:
    """Passed by the best policy alone, but not at half the rate."""
    scores = evaluate_with_scores(log, BEST, logged_target(), rng=np.random.default_rng(0))[1]
    lows = [scores.difference(0, 1, confidence=c).low for c in (0.95, 0.975)]
    return sum(lows) / 2
