"""From what was recommended or trained to the draft of a proposal: its evidence, its traffic, what it may serve."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from config.settings import Settings
from domain.errors import StaleProposal, UsageError
from domain.estimates import Verdict
from domain.ports import UnitOfWork
from domain.proposals import Scope
from domain.records import PolicyRecord, StrategyRecord
from domain.segments import ALL, Segment
from domain.strategies import Strategy
from policies.artifact import read_policy_card
from tracker.plans import PlanInputs
from tracker.proposals import EXPERIMENT, ProposalDraft
from tracker.rollout import base_version
from tracker.rules import reward_wait_seconds
from tracker.tiers import canary_in_force, tiers_in_force

LOGGED = "logged"  # what evidence calls the log's own choices
POLICY = "policy:"


@dataclass(frozen=True)
class Asked:
    """The limits that whoever proposes sets."""

    scope: Scope
    active_days: float | None
    note: str


def draft_of_strategy(
    books: UnitOfWork, settings: Settings, data_dir: Path, strategy_id: str, asked: Asked
) -> ProposalDraft:
    """A strategy as last recommended.

    Raises:
        NotFound: no such strategy.
        UsageError: it names a policy that is no registered version.
        StaleProposal: it was judged against something else than what serves its segment now.
    """
    found = books.strategies.get(strategy_id)
    return _draft(
        books,
        settings,
        found,
        actions=_actions_of(books, data_dir, found),
        asked=asked,
    )


def draft_of_policy(
    books: UnitOfWork, settings: Settings, data_dir: Path, policy_version: str, asked: Asked
) -> ProposalDraft:
    """A registered version for everyone, with what its run measured.

    Raises:
        NotFound: no such version, or its run is gone.
        CorruptPolicy: its files are not what was registered.
        StaleProposal: as above.
    """
    record = books.policies.get(policy_version)
    strategy = Strategy(record.decision_point, ALL, f"{POLICY}{policy_version}")
    run = books.runs.get(record.run)
    found = StrategyRecord(
        strategy_id=strategy.strategy_id,
        decision_point=record.decision_point,
        segment=ALL,
        action=strategy.action,
        limits={},
        evidence=evidence_of_run(record, run.metrics),
        run=record.run,
        recommended_at=run.started_at,
    )
    return _draft(books, settings, found, actions=_card_actions(data_dir, record), asked=asked)


def evidence_of_run(record: PolicyRecord, metrics: Mapping[str, object]) -> dict[str, object]:
    """What the run says of the version it delivered, against the baseline.

    A run's own verdict compares learning with the best constant action. What a proposal needs is whether the delivered
    policy earns more than what stands: that is its comparison with the baseline.
    """
    found = metrics.get("baseline_comparison", metrics.get("comparison"))
    comparison = dict(found) if isinstance(found, Mapping) else {}
    return {
        "kind": "training run",
        "run": record.run,
        "policy_version": record.policy_version,
        "verdict": _verdict(record, comparison).value,
        "learning_verdict": record.verdict,
        "value": comparison.get("difference"),
        "low": comparison.get("low"),
        "high": comparison.get("high"),
        "per_decision": _per_decision(comparison, metrics),
        "comparison": comparison,
        "baseline": comparison.get("baseline"),
        "heldout": metrics.get("heldout"),
        "delivered": metrics.get("delivered"),
        "reasons": metrics.get("reasons", []),
        "decisions_per_day": metrics.get("decisions_per_day"),
        "reward_sd": metrics.get("reward_sd"),
    }


def _per_decision(comparison: Mapping[str, object], metrics: Mapping[str, object]) -> dict[str, float | None]:
    """A panel's comparison is an episode's: shared out over its periods."""
    n_periods = number_in(metrics, "periods_per_episode") or 1.0
    named = {name: number_in(comparison, name) for name in ("difference", "low", "high")}
    return {name: None if value is None else value / n_periods for name, value in named.items()}


def _verdict(record: PolicyRecord, comparison: Mapping[str, object]) -> Verdict:
    low, high = number_in(comparison, "low"), number_in(comparison, "high")
    if low is None or high is None or record.verdict == Verdict.CANNOT_TELL:
        return Verdict.CANNOT_TELL
    if low > 0:
        return Verdict.PROMOTE
    return Verdict.REJECT if high < 0 else Verdict.HOLD


def _draft(
    books: UnitOfWork, settings: Settings, found: StrategyRecord, *, actions: tuple[str, ...], asked: Asked
) -> ProposalDraft:
    settings.decision_point_name(found.decision_point)
    base = base_version(books, settings, found.decision_point, found.segment)
    _refuse_other_base(found, base)
    return ProposalDraft(
        strategy_id=found.strategy_id,
        decision_point=found.decision_point,
        segment=found.segment,
        action=found.action,
        actions=actions,
        evidence={**found.evidence, "recommended_at": found.recommended_at.isoformat()},
        base_version=base,
        scope=asked.scope,
        plan=_plan_inputs(books, found, settings, asked),
        note=asked.note,
    )


def _refuse_other_base(found: StrategyRecord, base: str) -> None:
    """Evidence against one thing says nothing against another; an experiment's design compares its own actions."""
    against = found.evidence.get("baseline")
    if found.action == EXPERIMENT or against is None or _base_name(str(against)) == base:
        return
    if str(against) == LOGGED and base == "baseline":
        return
    spec = f"version:{base}" if base.startswith("p-") else base
    raise StaleProposal(
        f"{found.strategy_id} was judged against {against}, but {base} serves {found.segment.name} now",
        f"judge it again: --baseline {spec}",
    )


def _base_name(against: str) -> str:
    """As `tracker.rollout.base_version` names it: p-... or constant:ACTION."""
    kind, _, rest = against.partition(":")
    if kind in ("version", "policy") and rest:
        return rest
    return against if rest or against == LOGGED else f"constant:{against}"


def _actions_of(books: UnitOfWork, data_dir: Path, found: StrategyRecord) -> tuple[str, ...]:
    if found.action == EXPERIMENT:
        named = found.limits.get("actions")
        return tuple(map(str, named)) if isinstance(named, list | tuple) else ()
    if not found.action.startswith(POLICY):
        return (found.action,)
    version = found.action.removeprefix(POLICY)
    if not version.startswith("p-"):
        raise UsageError(
            f"{found.strategy_id} is {found.action}, which is no registered policy version",
            "`amso train` registers one; `amso policies list` shows them",
        )
    return _card_actions(data_dir, books.policies.get(version))


def _card_actions(data_dir: Path, record: PolicyRecord) -> tuple[str, ...]:
    """What the version may choose; of a constant, its action alone."""
    card = read_policy_card(data_dir / record.directory)
    return (card.name.partition(":")[2],) if card.kind == "constant" else card.actions


def _plan_inputs(books: UnitOfWork, found: StrategyRecord, settings: Settings, asked: Asked) -> PlanInputs:
    """Traffic as the evidence measured it, else as decisions come in now."""
    per_day = number_in(found.evidence, "decisions_per_day")
    if per_day is None:
        per_day = _live_traffic(books, found.decision_point)
    cap = asked.scope.loss_cap_amount if asked.scope.loss_cap_amount is not None else settings.limits.loss_cap
    design = found.evidence.get("design")
    days, loss = asked.active_days, None
    if isinstance(design, Mapping):
        days, loss = _designed(design, settings, found.decision_point, asked)
    return PlanInputs(
        decisions_per_day=None if per_day is None else per_day * asked.scope.reach,
        reward_sd=number_in(found.evidence, "reward_sd"),
        active_days=days,
        largest_loss_amount=_least(loss, None if cap is None else float(cap)),
        segment_share=_segment_share(found.segment, found.evidence),
    )


def _designed(
    design: Mapping[str, object], settings: Settings, decision_point: str, asked: Asked
) -> tuple[float | None, float | None]:
    """(active days, largest loss) of an experiment: it ends when it has its units.

    Where that takes longer than any approval holds, it runs as long as one does, and loses less than it was designed
    to. Canary days count as whole ones.
    """
    loss, full_days = number_in(design, "largest_loss"), number_in(design, "days")
    if not full_days:
        return asked.active_days, loss if asked.active_days is None else None
    needed, canary = full_days / asked.scope.reach, canary_in_force(settings)
    canary_days = len(canary.steps) * canary.min_days
    holds = min(tier.valid_for.days - tier.decide_within.days for tier in tiers_in_force(settings).values())
    room = holds - canary_days - reward_wait_seconds(settings, decision_point) / 86_400
    days = asked.active_days if asked.active_days is not None else needed if needed <= room else None
    share = 1.0 if days is None else (days + canary_days) / needed
    return days, None if loss is None else loss * share


def _live_traffic(books: UnitOfWork, decision_point: str) -> float | None:
    """Decisions a day over the newest thousand; None where they do not span a day."""
    newest = books.decisions.recent(1000, decision_point)
    if len(newest) < 2:
        return None
    days = (newest[0].decided_at - newest[-1].decided_at).total_seconds() / 86_400
    return None if days < 1 else len(newest) / days


def _segment_share(segment: Segment, evidence: Mapping[str, object]) -> float:
    """Of all units; everyone where nobody counted: that is the strictest."""
    share = number_in(evidence, "segment_share")
    return 1.0 if share is None or not segment.predicate.conditions else min(share, 1.0)


def _least(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)


def number_in(data: Mapping[str, object], key: str) -> float | None:
    value = data.get(key)
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None
