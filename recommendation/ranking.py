"""The ranked list: proven gains first, by their lower bound; then what may be; experiments where the data cannot tell.

An experiment stands for a segment in which some action has neither provable gain nor provable loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from domain.actions import Action
from domain.estimates import Verdict
from domain.segments import Segment
from domain.strategies import RankedStrategy, Strategy
from policies.spec import SpecKind
from recommendation.experiment import ExperimentDesign, design_experiment
from recommendation.risk import DEFAULT_TIERS, RiskTier, risk_tier
from recommendation.scoring import Gain

POLICIES = ("logged", "uniform")  # these choose among actions, as does any name that starts as follows
POLICY_PREFIXES = ("policy:", *(f"{kind}:" for kind in SpecKind))
ORDER = {Verdict.PROMOTE: 0, Verdict.HOLD: 1, Verdict.CANNOT_TELL: 2, Verdict.REJECT: 3}


@dataclass(frozen=True, kw_only=True)
class RankingContext:
    """What ranking needs to know beside the gains."""

    decision_point: str
    baseline: str
    n_units: int  # in the whole log, subsampling undone as in the gains
    reward_sd: float  # of one unit's reward in the log
    units_per_day: float | None  # None where the log has no times
    catalogue: Mapping[str, Action] = field(default_factory=dict)
    tiers: tuple[RiskTier, ...] = DEFAULT_TIERS


def rank_strategies(gains: Sequence[Gain], context: RankingContext) -> tuple[RankedStrategy, ...]:
    """The list, best first; ranks start at 1."""
    ordered = sorted(gains, key=_preference)
    proven = [g for g in ordered if g.verdict is Verdict.PROMOTE]
    others = [g for g in ordered if g.verdict is not Verdict.PROMOTE]
    rows = [_as_strategy(g, context) for g in proven]
    rows += _experiments(gains, context)
    rows += [_as_strategy(g, context) for g in others]
    return tuple(_with_rank(row, rank) for rank, row in enumerate(rows, start=1))


def _preference(gain: Gain) -> tuple[int, float]:
    return (ORDER[gain.verdict], -gain.low if gain.verdict is Verdict.PROMOTE else -gain.value)


def _as_strategy(gain: Gain, context: RankingContext) -> RankedStrategy:
    tells = not gain.refusals
    return RankedStrategy(
        rank=0,
        strategy=Strategy(context.decision_point, gain.segment, gain.candidate),
        n_units=gain.n_units,
        expected_value=gain.value if tells else None,
        low=gain.low if tells else None,
        high=gain.high if tells else None,
        cost=gain.extra_cost if tells else None,
        roi=gain.roi,
        historical={"method": "doubly robust on the log", "baseline": context.baseline, "intervals": "simultaneous"},
        simulated={},  # nothing simulates a strategy yet
        risk_tier=risk_tier(gain.n_units / context.n_units, _actions_of(gain.candidate, context), context.tiers),
        verdict=gain.verdict,
        reason=_reason(gain, context.baseline),
    )


def _reason(gain: Gain, baseline: str) -> str:
    if gain.refusals:
        return "; ".join(gain.refusals)
    return {
        Verdict.PROMOTE: f"provably earns more than {baseline} here",
        Verdict.HOLD: f"neither a gain nor a loss against {baseline} is proven here",
        Verdict.REJECT: f"provably earns less than {baseline} here",
    }[gain.verdict]


def _actions_of(candidate: str, context: RankingContext) -> tuple[Action, ...]:
    """A constant is its action; a policy may choose any of the catalogue's."""
    if candidate in context.catalogue:
        return (context.catalogue[candidate],)
    return tuple(context.catalogue.values()) if candidate.startswith("policy:") else ()


def _experiments(gains: Sequence[Gain], context: RankingContext) -> list[RankedStrategy]:
    """One for every segment without a proven gain in which an action is still open, the most to win first."""
    by_segment: dict[str, list[Gain]] = {}
    for gain in gains:
        by_segment.setdefault(gain.segment.segment_id, []).append(gain)
    open_segments = [
        [g for g in found if g.verdict in (Verdict.HOLD, Verdict.CANNOT_TELL) and _is_action(g.candidate)]
        for found in by_segment.values()
        if all(g.verdict is not Verdict.PROMOTE for g in found)
    ]
    designs = [(found, _design(found, context)) for found in open_segments if len(_arms(found, context)) >= 2]
    designs.sort(key=lambda pair: -max(g.high for g in pair[0]))
    return [_experiment_row(found[0].segment, found, design, context) for found, design in designs]


def _is_action(name: str) -> bool:
    """Whether one can randomise over it: what a policy or the log itself chooses is no arm."""
    return name not in POLICIES and not name.startswith(POLICY_PREFIXES)


def _arms(gains: Sequence[Gain], context: RankingContext) -> tuple[str, ...]:
    baseline = (context.baseline,) if _is_action(context.baseline) else ()
    return (*baseline, *(g.candidate for g in gains))


def _design(gains: Sequence[Gain], context: RankingContext) -> ExperimentDesign:
    n_units = gains[0].n_units
    per_day = context.units_per_day
    is_bounded = not any(g.refusals for g in gains)  # an interval that is not trusted bounds nothing
    return design_experiment(
        _arms(gains, context),
        reward_sd=context.reward_sd,
        n_units=n_units,
        units_per_day=None if per_day is None else per_day * n_units / context.n_units,
        worst_loss_per_unit=max(max(-g.low for g in gains) / n_units, 0.0) if is_bounded else None,
        has_baseline=_is_action(context.baseline),
    )


def _experiment_row(
    segment: Segment, gains: Sequence[Gain], design: ExperimentDesign, context: RankingContext
) -> RankedStrategy:
    names = ", ".join(design.actions)
    duration = "" if design.days is None else f" in {design.days:g} days at this log's traffic"
    return RankedStrategy(
        rank=0,
        strategy=Strategy(context.decision_point, segment, "experiment", {"actions": list(design.actions)}),
        n_units=gains[0].n_units,
        expected_value=None,
        low=None,
        high=None,
        cost=None,
        roi=None,
        historical={"design": asdict(design)},
        simulated={},
        risk_tier=risk_tier(gains[0].n_units / context.n_units, _entries(design.actions, context), context.tiers),
        verdict=Verdict.CANNOT_TELL,
        reason=(
            f"the log cannot tell: randomise evenly over {names}, {design.units_per_action:,} units each{duration}; "
            f"would see a difference of {design.smallest_difference:.3g} a unit; "
            f"{_loss(design, context.baseline)}"
        ),
    )


def _entries(arms: Sequence[str], context: RankingContext) -> tuple[Action, ...]:
    """The arms' catalogue entries; none at all where one is unknown, which is the strictest tier."""
    known = all(arm in context.catalogue for arm in arms)
    return tuple(context.catalogue[arm] for arm in arms) if known else ()


def _loss(design: ExperimentDesign, baseline: str) -> str:
    if design.largest_loss is None:
        return "its loss cannot be bounded from this log"
    return f"may cost at most {design.largest_loss:,.0f} against {baseline}"


def _with_rank(row: RankedStrategy, rank: int) -> RankedStrategy:
    return replace(row, rank=rank)
