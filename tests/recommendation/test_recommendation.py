"""Scoring, ranking, risk and experiments, on scores made by hand."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from domain.actions import Action, ActionSet
from domain.arrays import FloatArray
from domain.context import Context
from domain.estimates import Diagnostics, Verdict
from domain.log import LoggedDecisions
from domain.segments import ALL, Condition, Predicate, Segment
from domain.strategies import RankedStrategy
from evaluation.scores import PolicyScores
from recommendation.experiment import design_experiment
from recommendation.ranking import RankingContext, rank_strategies
from recommendation.risk import risk_tier
from recommendation.scoring import Gain, SegmentRows, lay_segments, score_gains

N = 1000
YOUNG = Segment("young", Predicate((Condition("age", max=30.0),)))
DIAGNOSTICS = Diagnostics(500.0, 0.5, 0.01, 1.0, 0.01, 0, {}, "logged", None)


def make_scores(*columns: FloatArray, refusals: tuple[tuple[str, ...], ...] | None = None) -> PolicyScores:
    """The first column is the baseline `none`, the others a, b, ..."""
    k = len(columns)
    return PolicyScores(
        names=("none", "a", "b", "c")[:k],
        scores=np.column_stack(columns),
        importance_weight=np.ones((N, k)),
        weight=np.ones(N),
        cluster=np.arange(N),
        first_row=np.arange(N),
        diagnostics=(DIAGNOSTICS,) * k,
        refusals=refusals or ((),) * k,
        per="round",
    )


def everyone(total_weight: float = N) -> SegmentRows:
    return SegmentRows(ALL, np.ones(N, dtype=np.bool_), total_weight, N)


def make_gain(
    candidate: str, value: float, half: float, segment: Segment = ALL, refusals: tuple[str, ...] = ()
) -> Gain:
    return Gain(candidate, segment, 500, value, value - half, value + half, None, refusals)


def make_context(**changes: object) -> RankingContext:
    known = {"decision_point": "main", "baseline": "none", "n_units": 1000, "reward_sd": 2.0, "units_per_day": 100.0}
    return RankingContext(**(known | changes))  # type: ignore[arg-type] # a factory


def test_gain__is_the_mean_difference_times_the_size_of_the_segment() -> None:
    noise = np.random.default_rng(0).normal(size=N)
    (gain,) = score_gains(make_scores(noise * 0, noise + 1), None, baseline="none", segments=[everyone(2 * N)])
    assert gain.value == pytest.approx(2 * (noise + 1).sum())
    assert gain.verdict is Verdict.PROMOTE


def test_simultaneous_intervals__widen_with_the_number_of_strategies() -> None:
    noise = np.random.default_rng(0).normal(size=N)
    (alone,) = score_gains(make_scores(noise * 0, noise), None, baseline="none", segments=[everyone()])
    (first, _) = score_gains(make_scores(noise * 0, noise, -noise), None, baseline="none", segments=[everyone()])
    assert first.high - first.low > alone.high - alone.low


def test_refused_strategies__cost_the_others_nothing() -> None:
    noise = np.random.default_rng(0).normal(size=N)
    (alone,) = score_gains(make_scores(noise * 0, noise), None, baseline="none", segments=[everyone()])
    scores = make_scores(noise * 0, noise, noise, refusals=((), (), ("no overlap",)))
    kept, refused = score_gains(scores, None, baseline="none", segments=[everyone()])
    assert (kept.low, kept.high) == (alone.low, alone.high)
    assert refused.verdict is Verdict.CANNOT_TELL


def test_simultaneous_intervals__hold_together_in_95_percent_of_null_worlds() -> None:
    """600 worlds, 3 candidates x (all + 2 segments); tolerance two Monte-Carlo errors."""
    rng = np.random.default_rng(4)
    half = np.arange(N) < N // 2
    segments = [
        everyone(),
        SegmentRows(YOUNG, half, N / 2, N // 2),
        SegmentRows(Segment("old", Predicate((Condition("age", min=30.0),))), ~half, N / 2, N // 2),
    ]
    broken = 0
    for _ in range(600):
        columns = [np.zeros(N), *rng.normal(size=(3, N))]
        gains = score_gains(make_scores(*columns), None, baseline="none", segments=segments)
        broken += any(g.verdict is not Verdict.HOLD for g in gains)
    assert broken / 600 <= 0.05 + 2 * sqrt(0.05 * 0.95 / 600)


def test_thin_segment__cannot_tell() -> None:
    mask = np.arange(N) < 50
    (gain,) = score_gains(
        make_scores(np.zeros(N), np.ones(N)), None, baseline="none", segments=[SegmentRows(YOUNG, mask, 50.0, 50)]
    )
    assert gain.verdict is Verdict.CANNOT_TELL
    assert "50 units" in gain.refusals[0]


def test_thin_baseline__cannot_tell() -> None:
    weights = np.ones((N, 2))
    weights[1:, 0] = 1e-9  # one round speaks for the baseline
    scores = replace(make_scores(np.zeros(N), np.ones(N)), importance_weight=weights)
    (gain,) = score_gains(scores, None, baseline="none", segments=[everyone()])
    assert gain.verdict is Verdict.CANNOT_TELL
    assert "only 1 effective rounds like none" in gain.refusals[0]


def test_roi__of_rounding_is_none() -> None:
    costs = make_scores(np.full(N, 0.1), np.full(N, 0.1 + 1e-17 + 1.5e-15))
    (gain,) = score_gains(make_scores(np.zeros(N), np.ones(N)), costs, baseline="none", segments=[everyone()])
    assert (gain.extra_cost, gain.roi) == (0.0, None)


def test_lay_segments__units_are_counted_with_their_weights() -> None:
    """Two rows of a unit of weight 1 and one of a unit of weight 10: eleven units stand behind twelve rounds."""
    unit, weight = np.array([0, 0, 1]), np.array([1.0, 1.0, 10.0])
    log = LoggedDecisions(
        ActionSet(("none",)), np.zeros(3, np.int64), np.zeros(3), "reward", Context({}, 3), unit, weight=weight
    )
    (rows,) = lay_segments(log, np.arange(3), np.arange(3), [ALL])
    assert (rows.n_units, rows.total_weight) == (11, 12.0)


def test_roi__is_gain_over_extra_cost_and_null_where_nothing_more_is_spent() -> None:
    noise = np.random.default_rng(0).normal(size=N)
    scores = make_scores(np.zeros(N), noise + 2)
    (costly,) = score_gains(scores, make_scores(np.zeros(N), np.full(N, 0.5)), baseline="none", segments=[everyone()])
    (free,) = score_gains(scores, make_scores(np.zeros(N), np.zeros(N)), baseline="none", segments=[everyone()])
    assert costly.roi == pytest.approx((noise + 2).sum() / (0.5 * N))
    assert free.extra_cost == 0.0
    assert free.roi is None


def test_ranking__puts_proven_gains_first_by_their_lower_bound() -> None:
    gains = [make_gain("a", 5, 6), make_gain("b", 9, 8), make_gain("c", 6, 2), make_gain("d", -9, 1)]
    ranked = rank_strategies(gains, make_context())
    assert [s.strategy.action for s in ranked] == ["c", "b", "a", "d"]
    assert [s.verdict.value for s in ranked] == ["promote", "promote", "hold", "reject"]
    assert [s.rank for s in ranked] == [1, 2, 3, 4]


def test_ranking__designs_an_experiment_only_for_segments_without_a_proven_gain() -> None:
    gains = [make_gain("a", 5, 1), make_gain("a", 1, 5, YOUNG), make_gain("b", -9, 1, YOUNG)]
    ranked = rank_strategies(gains, make_context())
    (experiment,) = [s for s in ranked if s.strategy.action == "experiment"]
    assert experiment.strategy.segment is YOUNG
    assert experiment.expected_value is None
    assert experiment.historical["design"]["actions"] == ("none", "a")  # type: ignore[index] # plain data


def experiment_of(gains: list[Gain], **changes: object) -> RankedStrategy:
    (row,) = [s for s in rank_strategies(gains, make_context(**changes)) if s.strategy.action == "experiment"]
    return row


@pytest.mark.parametrize("baseline", ["logged", "uniform", "policy:v1", "probabilities:p_"])
def test_experiment__arms_are_actions(baseline: str) -> None:
    gains = [make_gain("none", 1, 5), make_gain("promo", 1, 5), make_gain("policy:v2", 1, 5)]
    design = experiment_of(gains, baseline=baseline).historical["design"]
    assert design["actions"] == ("none", "promo")  # type: ignore[index] # plain data
    assert design["largest_loss"] == 2 * 250 * 4 / 500  # type: ignore[index] # both arms may lose


def test_experiment__one_arm_is_none() -> None:
    ranked = rank_strategies([make_gain("promo", 1, 5)], make_context(baseline="logged"))
    assert [s.strategy.action for s in ranked] == ["promo"]


def test_experiment__a_refused_interval_bounds_no_loss() -> None:
    row = experiment_of([make_gain("a", 0, 5), make_gain("b", 0, 1, refusals=("no overlap",))])
    assert row.historical["design"]["largest_loss"] is None  # type: ignore[index] # plain data
    assert row.reason.endswith("its loss cannot be bounded from this log")


def test_experiment__with_an_arm_that_the_catalogue_lacks_is_of_the_strictest_tier() -> None:
    gains, catalogue = [make_gain("a", 0, 5), make_gain("b", 0, 5)], {"none": Action("none"), "a": Action("a")}
    few = {"n_units": 100_000}  # a reach of 0.5 %
    assert experiment_of(gains, catalogue=catalogue | {"b": Action("b")}, **few).risk_tier == "low"
    assert experiment_of(gains, catalogue=catalogue, **few).risk_tier == "high"


def test_ranking__shows_no_number_that_is_not_trusted() -> None:
    (_, refused) = rank_strategies([make_gain("a", 5, 1, refusals=("no overlap",))], make_context())
    assert refused.verdict is Verdict.CANNOT_TELL
    assert refused.expected_value is refused.low is refused.high is refused.cost is refused.roi is None


def test_strategy_id__depends_on_what_and_whom_but_not_on_evidence() -> None:
    (first,) = rank_strategies([make_gain("a", 5, 1)], make_context())
    (second,) = rank_strategies([make_gain("a", 50, 1)], make_context())
    (other,) = rank_strategies([make_gain("a", 5, 1, YOUNG)], make_context())
    assert first.strategy.strategy_id == second.strategy.strategy_id != other.strategy.strategy_id


def test_experiment__two_arms_follow_lehrs_rule() -> None:
    """n = 16 sd^2 / difference^2 an arm at 80 % power and 5 %, to the rounding of 16 for 15.7."""
    design = design_experiment(("none", "a"), reward_sd=1.0, n_units=2000, units_per_day=100.0, worst_loss_per_unit=0.2)
    assert design.units_per_action == 1000
    assert design.smallest_difference == pytest.approx(sqrt(15.7 / 1000), rel=0.01)
    assert design.days == 20.0
    assert design.largest_loss == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("reach", "action", "tier"),
    [
        (0.04, Action("mail"), "low"),
        (0.20, Action("mail"), "mid"),
        (0.90, Action("mail"), "high"),
        (0.04, Action("ten_off", discount_rate=0.1), "mid"),
        (0.04, Action("half_off", discount_rate=0.5), "high"),
        (0.04, Action("call", is_reversible=False), "mid"),
    ],
)
def test_risk_tier__grows_with_reach_price_change_and_irreversibility(reach: float, action: Action, tier: str) -> None:
    assert risk_tier(reach, (action,)) == tier


def test_risk_tier__of_unknown_actions_is_the_strictest() -> None:
    assert risk_tier(0.01, ()) == "high"
