"""Outcomes become reward revisions and replay rows, in the one transaction that the caller commits (DESIGN section 8).

Every outcome of a decision leaves one revision, maturing leaves one more; so the newest revision is the reward as of
now, whatever order things came in, and what a decision held of a budget is settled exactly once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from config.settings import Settings
from domain.canonical import canonical, content_hash
from domain.decisions import Decision, Experience, RewardRevision
from domain.events import Envelope, Outcome
from domain.ports import UnitOfWork
from domain.records import Added, ParkedOutcome, StoredOutcome
from tracker.caps import settle
from tracker.exchange import Exchange
from tracker.rewards import RewardRule, reward_rule
from tracker.rules import reward_wait_seconds

_LARGEST = Decimal(10) ** 15  # beyond it an amount is a mistake, and sums would lose their millionths
MATURED = "matured"  # the cause of the revision that closes a decision's wait


@dataclass(frozen=True)
class OutcomeRules:
    """Everything of the config that an outcome meets."""

    environment: str
    exchange: Exchange
    reward: RewardRule
    wait_seconds: Mapping[str, float]  # decision point -> how long its decisions may earn
    action_cost: Mapping[str, Mapping[str, Decimal]]  # decision point -> action -> per execution

    def cost(self, decision: Decision) -> Decimal:
        """What the decision's action costs now; nothing where the catalogue does not know it."""
        return self.action_cost.get(decision.decision_point, {}).get(decision.action, Decimal(0))


@dataclass(frozen=True)
class Recorded:
    outcome: StoredOutcome
    revision: RewardRevision | None  # None: it belongs to no decision and is kept for the ledger
    taken_up: "tuple[OutcomeResult, ...]" = ()  # corrections that had waited for it


@dataclass(frozen=True)
class AlreadyKnown:
    outcome_id: str


@dataclass(frozen=True)
class Parked:
    outcome_id: str
    waits_for: str


@dataclass(frozen=True)
class Ignored:
    outcome_id: str
    reason: str


@dataclass(frozen=True)
class Rejected:
    """For the quarantine. Nothing was changed. Reasons hold no values, so that they can be counted."""

    outcome_id: str
    reason: str


OutcomeResult = Recorded | AlreadyKnown | Parked | Ignored | Rejected


def outcome_rules(settings: Settings, rates: Mapping[tuple[date, str], Decimal] | None = None) -> OutcomeRules:
    """What the config says, with the rates of `tracker.exchange.read_exchange_rates`."""
    points = settings.decision_points
    return OutcomeRules(
        environment=settings.business.environment,
        exchange=Exchange(settings.business.currency, settings.business.time_zone, rates or {}),
        reward=reward_rule(settings),
        wait_seconds={name: reward_wait_seconds(settings, name) for name in points},
        action_cost={name: action_costs(settings, name) for name in points},
    )


def action_costs(settings: Settings, decision_point: str) -> Mapping[str, Decimal]:
    return {a.action_id: Decimal(str(a.cost_amount)) for a in settings.actions(decision_point)}


def record_outcome(
    books: UnitOfWork, outcome: Outcome, *, envelope: Envelope, pseudonym: str, rules: OutcomeRules, now: datetime
) -> OutcomeResult:
    """Takes one outcome in: once, converted, attributed, with the reward that it makes.

    Args:
        books: one transaction; whoever acknowledges the entry commits it first.
        outcome: as validated; its raw unit id goes no further.
        envelope: says when it happened.
        pseudonym: of the very unit that the outcome names, so that it has the same content whenever it comes.
        rules: of the config.
        now: when it was received.
    """
    if outcome.environment not in (None, rules.environment):
        reason = f"environment {outcome.environment}, and this is {rules.environment}"
        return Ignored(outcome.outcome_id, reason)
    return _take(books, replace(outcome, unit_id=pseudonym), envelope.at, rules, now)


def mature(books: UnitOfWork, decision_point: str, *, rules: OutcomeRules, now: datetime, limit: int = 10_000) -> int:
    """Closes decisions whose wait is over, the oldest first, all arms alike; how many it were.

    Each gets its last revision (its outcomes', or the default: minus its action's cost) and its replay row; what it
    held of a budget is settled.
    """
    until = now - timedelta(seconds=rules.wait_seconds[decision_point])
    decisions = books.replay.unmatured(decision_point, until, limit)
    _close(books, decisions, books.rewards.latest_of([d.decision_id for d in decisions]), rules, now)
    return len(decisions)


def _take(books: UnitOfWork, outcome: Outcome, at: datetime, rules: OutcomeRules, now: datetime) -> OutcomeResult:
    if not (outcome.amount.is_finite() and abs(outcome.amount) < _LARGEST):
        return Rejected(outcome.outcome_id, f"its amount is no number below {_LARGEST:,}")
    converted = rules.exchange.convert(outcome.amount, outcome.currency, at)
    if converted is None:
        return Rejected(outcome.outcome_id, f"not in {rules.exchange.currency}, and no exchange rate for its day")
    unit = books.units.resolve([outcome.unit_id]).get(outcome.unit_id, outcome.unit_id)
    decision = _attribute(books, outcome, unit, at, rules, now)
    if isinstance(decision, Rejected | Parked):
        return decision
    stored = StoredOutcome(
        outcome_id=outcome.outcome_id,
        decision_id=None if decision is None else decision.decision_id,
        unit=unit,
        metric=outcome.metric,
        amount=outcome.amount,
        currency=outcome.currency,
        converted_amount=converted.amount,
        exchange_rate=converted.rate,
        observed_at=at,
        received_at=now,
        corrects=outcome.corrects,
        is_named=outcome.decision_id is not None,
    )
    match books.outcomes.add(stored, content_hash(asdict(outcome))):
        case Added.KNOWN:
            return AlreadyKnown(outcome.outcome_id)
        case Added.CONFLICT:
            return Rejected(outcome.outcome_id, "came before with another content; the first one stands")
    revision = None if decision is None else _revise(books, decision, f"outcome:{outcome.outcome_id}", rules, now)
    waiting = books.outcomes.take_parked(outcome.outcome_id)
    return Recorded(stored, revision, tuple(_take(books, *_unpack(p), rules, now) for p in waiting))


def _attribute(
    books: UnitOfWork, outcome: Outcome, unit: str, at: datetime, rules: OutcomeRules, now: datetime
) -> Decision | Rejected | Parked | None:
    """A correction belongs where what it corrects does; else the named decision; else the unit's last eligible one."""
    if outcome.corrects is not None:
        return _of_corrected(books, outcome, outcome.corrects, at, now)
    if outcome.decision_id is None:
        return books.decisions.last_eligible(books.units.all_of(unit), at, rules.wait_seconds)
    named = books.decisions.find([outcome.decision_id]).get(outcome.decision_id)
    return named or Rejected(outcome.outcome_id, "names a decision that was never made")


def _of_corrected(
    books: UnitOfWork, outcome: Outcome, corrects: str, at: datetime, now: datetime
) -> Decision | Rejected | Parked | None:
    if corrects == outcome.outcome_id:
        return Rejected(outcome.outcome_id, "corrects itself")
    original = books.outcomes.get(corrects)
    if original is None:
        return _park(books, outcome, corrects, at, now)
    if outcome.decision_id not in (None, original.decision_id):
        return Rejected(outcome.outcome_id, "names another decision than the outcome that it corrects")
    return None if original.decision_id is None else books.decisions.get(original.decision_id)


def _park(books: UnitOfWork, outcome: Outcome, waits_for: str, at: datetime, now: datetime) -> Parked | Rejected:
    """Kept without the raw unit id: what is packed carries the pseudonym."""
    packed = {"outcome": canonical(asdict(outcome)).decode(), "at": at.isoformat()}
    known = next((p for p in books.outcomes.parked() if p.outcome_id == outcome.outcome_id), None)
    if known is not None and known.raw["outcome"] != packed["outcome"]:
        return Rejected(outcome.outcome_id, "came before with another content; the first one waits")
    books.outcomes.park(ParkedOutcome(outcome.outcome_id, waits_for, packed, now))
    return Parked(outcome.outcome_id, waits_for)


def _unpack(parked: ParkedOutcome) -> tuple[Outcome, datetime]:
    data = json.loads(parked.raw["outcome"])
    return Outcome(**data | {"amount": Decimal(data["amount"])}), datetime.fromisoformat(parked.raw["at"])


def _revise(books: UnitOfWork, decision: Decision, cause: str, rules: OutcomeRules, now: datetime) -> RewardRevision:
    """The next revision and replay row; closes the decision where its wait was over without anybody noticing."""
    outcomes = books.outcomes.of_decision(decision.decision_id)
    history = books.rewards.history(decision.decision_id)
    amount = rules.reward.reward(outcomes, action_cost=rules.cost(decision))
    revision = RewardRevision(
        decision_id=decision.decision_id,
        revision=history[-1].revision + 1 if history else 1,
        amount=amount,
        reward_version=rules.reward.version,
        as_of=now,
        cause=cause,
    )
    books.rewards.add([revision])
    is_matured = any(r.cause == MATURED for r in history)
    if not is_matured and _is_old(decision, rules, now):
        return _close(books, [decision], {decision.decision_id: revision}, rules, now)[0]
    books.replay.put([_experience(decision, revision, is_matured=is_matured, now=now)])
    return revision


def _close(
    books: UnitOfWork,
    decisions: Sequence[Decision],
    latest: Mapping[str, RewardRevision],
    rules: OutcomeRules,
    now: datetime,
) -> list[RewardRevision]:
    revisions = [_closing(d, latest.get(d.decision_id), rules, now) for d in decisions]
    books.rewards.add(revisions)
    pairs = zip(decisions, revisions, strict=True)
    books.replay.put([_experience(d, revision, is_matured=True, now=now) for d, revision in pairs])
    for point in {d.decision_point for d in decisions}:
        settle(books, [d for d in decisions if d.decision_point == point], rules.action_cost.get(point, {}))
    return revisions


def _closing(decision: Decision, latest: RewardRevision | None, rules: OutcomeRules, now: datetime) -> RewardRevision:
    return RewardRevision(
        decision_id=decision.decision_id,
        revision=1 if latest is None else latest.revision + 1,
        amount=rules.reward.reward((), action_cost=rules.cost(decision)) if latest is None else latest.amount,
        reward_version=rules.reward.version if latest is None else latest.reward_version,
        as_of=now,
        cause=MATURED,
    )


def _is_old(decision: Decision, rules: OutcomeRules, now: datetime) -> bool:
    wait = rules.wait_seconds.get(decision.decision_point)
    return wait is not None and decision.decided_at + timedelta(seconds=wait) <= now


def _experience(decision: Decision, revision: RewardRevision, *, is_matured: bool, now: datetime) -> Experience:
    return Experience(
        decision_id=decision.decision_id,
        decision_point=decision.decision_point,
        unit=decision.unit,
        decided_at=decision.decided_at,
        reward=revision.amount,
        revision=revision.revision,
        is_matured=is_matured,
        updated_at=now,
    )
