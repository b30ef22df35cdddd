"""The seams: what rooms ask of stores, of the wire and of the world. knowledge/ has the books, collection/ the wire.

Every book belongs to one unit of work: one SQL transaction, committed on a clean exit, rolled back on an exception.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from domain.decisions import Arm, Decision, Experience, RewardRevision
from domain.events import StreamEntry
from domain.people import Person
from domain.proposals import Approval, AuditEntry, Halt, Proposal, Status, TrackedProposal
from domain.records import (
    Added,
    AnalysisRecord,
    Cap,
    ImportRecord,
    ObservedDecision,
    OutboxEntry,
    ParkedOutcome,
    PolicyRecord,
    QuarantinedRecord,
    RealisedGain,
    RewardMoments,
    RunRecord,
    SeqGap,
    StoredEvent,
    StoredOutcome,
    StrategyRecord,
    VerdictRecord,
    Worker,
)


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class DrivenClock:
    """A clock that moves when told: for tests, benchmarks and the demo's simulated months."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


# ---- the wire -------------------------------------------------------------------------------------------------------


class EventStream(Protocol):
    """One consumer of one group of one stream."""

    @property
    def name(self) -> str: ...

    def read(self, *, block_seconds: float, limit: int = 256) -> Sequence[StreamEntry]:
        """Own pending entries first, then those that dead consumers left, then new ones; () where nothing came.

        Raises:
            SourceUnavailable: the server does not answer.
        """
        ...

    def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        """After the SQL transaction that took them in has committed."""
        ...

    def take_lost(self) -> Sequence[str]:
        """Ids of entries that somebody removed before anyone acknowledged them; each is told once."""
        ...


class Publisher(Protocol):
    def publish(self, entries: Sequence[OutboxEntry]) -> None:
        """Appends each to its stream, in order; may append one twice after a fault, so entries carry their key."""
        ...


class HaltMirror(Protocol):
    """`amso:halt`: the latch as every worker sees it."""

    def read(self) -> Mapping[str, str]:
        """scope -> reason. Raises SourceUnavailable where it cannot be read: then the baseline is served."""
        ...

    def write(self, halts: Sequence[Halt]) -> None: ...


class StatusBoard(Protocol):
    """`amso:status:*`: what is going on, for people who watch."""

    def write(self, name: str, data: Mapping[str, object]) -> None: ...
    def read(self) -> Mapping[str, Mapping[str, object]]: ...


# ---- the books ------------------------------------------------------------------------------------------------------


class Quarantine(Protocol):
    def add(self, import_id: str, records: Sequence[QuarantinedRecord]) -> None: ...
    def counts(self) -> Mapping[str, int]: ...
    def records(self, limit: int = 100) -> Sequence[QuarantinedRecord]: ...


class ImportBook(Protocol):
    def add(self, record: ImportRecord) -> bool:
        """True if new; an import that is known already changes nothing."""
        ...

    def count_up(self, record: ImportRecord) -> None:
        """Adds a stream's rows, used and rejected to what its import has counted so far."""
        ...

    def recent(self, limit: int = 20) -> Sequence[ImportRecord]: ...


class RunBook(Protocol):
    def add(self, record: RunRecord) -> None: ...
    def get(self, run: str) -> RunRecord: ...
    def recent(self, limit: int = 20) -> Sequence[RunRecord]: ...


class PolicyBook(Protocol):
    def add(self, record: PolicyRecord) -> None: ...
    def get(self, policy_version: str) -> PolicyRecord: ...
    def all(self, decision_point: str | None = None) -> Sequence[PolicyRecord]: ...


class AnalysisBook(Protocol):
    def add(self, record: AnalysisRecord) -> None: ...
    def latest(self, kind: str | None = None) -> Sequence[AnalysisRecord]: ...


class EventBook(Protocol):
    def add(self, event: StoredEvent) -> Added: ...
    def latest(self, kind: str, subject: str) -> StoredEvent | None:
        """The newest by `at`."""
        ...

    def of_kind(self, kind: str, *, since: datetime | None = None, limit: int = 100_000) -> Sequence[StoredEvent]:
        """Ordered by `at`."""
        ...

    def counts(self) -> Mapping[str, int]:
        """kind -> events."""
        ...

    def advance(self, producer: str, seq: int, now: datetime, *, first: int | None = None) -> SeqGap | None:
        """Notes a producer's number, or all from `first` to it; a gap where it skips some. A late one closes it."""
        ...

    def gaps(self) -> Sequence[SeqGap]: ...


class UnitBook(Protocol):
    """Pseudonyms. The one table that knows raw ids."""

    def remember(self, raw_ids: Mapping[str, str]) -> None:
        """pseudonym -> raw id; a known one changes nothing."""
        ...

    def hold(self, units: Collection[str]) -> None:
        """Nobody else decides for these until the transaction ends: what each got so far is counted once."""
        ...

    def raw(self, unit: str) -> str | None: ...
    def merge(self, from_unit: str, to_unit: str, at: datetime) -> None:
        """From now on `from_unit` is `to_unit`; a second merge of the same unit changes nothing."""
        ...

    def resolve(self, units: Collection[str]) -> Mapping[str, str]:
        """Of those that were merged: unit -> what it became, followed to the end."""
        ...

    def all_of(self, unit: str) -> Collection[str]:
        """The unit, and whatever was merged into it, directly or not: what was decided before stands under those."""
        ...


class DecisionLog(Protocol):
    def add(self, decisions: Sequence[Decision]) -> None: ...
    def get(self, decision_id: str) -> Decision:
        """Raises NotFound."""
        ...

    def find(self, decision_ids: Collection[str]) -> Mapping[str, Decision]:
        """Those that exist."""
        ...

    def of_requests(self, decision_point: str, request_ids: Collection[str]) -> Mapping[str, tuple[Decision, str]]:
        """request_id -> (the decision that answered it, hash of the request's content)."""
        ...

    def note_requests(self, requests: Mapping[str, tuple[str, str]], decision_point: str, at: datetime) -> None:
        """request_id -> (decision_id, content hash): a repeat inside an offer's time gets the same decision."""
        ...

    def note_controls(self, segments: Mapping[str, Collection[str]]) -> None:
        """decision_id -> segment ids: baseline decisions about those whom live proposals of a segment decide for."""
        ...

    def standing_offers(self, decision_point: str, units: Collection[str], now: datetime) -> Mapping[str, Decision]:
        """unit -> its newest decision whose offer is still valid."""
        ...

    def last_eligible(
        self, units: Collection[str], at: datetime, window_seconds: Mapping[str, float]
    ) -> Decision | None:
        """The newest decision of one unit, whatever its pseudonyms, at or before `at`, inside its point's window."""
        ...

    def served_since(
        self, decision_point: str, units: Collection[str], since: datetime
    ) -> Sequence[tuple[str, str, datetime]]:
        """(unit, action, decided_at) of what these units got, served by policy."""
        ...

    def n_served_since(self, decision_point: str, action: str, since: datetime) -> int:
        """Over all units, by policy."""
        ...

    def recent(self, limit: int = 50, decision_point: str | None = None) -> Sequence[Decision]: ...
    def count(self, decision_point: str | None = None) -> Mapping[str, int]:
        """served -> decisions."""
        ...

    def count_between(self, bounds: Sequence[datetime]) -> Mapping[str, Sequence[int]]:
        """served -> decisions in each [bounds[i], bounds[i + 1])."""
        ...

    def tally(self, proposal_id: str, since: datetime) -> Mapping[str, int]:
        """action -> decisions under a proposal since then."""
        ...


class OutcomeBook(Protocol):
    def add(self, outcome: StoredOutcome, raw_hash: str) -> Added: ...
    def get(self, outcome_id: str) -> StoredOutcome | None: ...
    def of_decision(self, decision_id: str) -> Sequence[StoredOutcome]:
        """Corrected ones and their corrections too, ordered by observed_at, outcome_id."""
        ...

    def decisions_with(self, metric: str) -> frozenset[str]:
        """Decisions that an outcome of this metric names or was attributed to."""
        ...

    def count(self) -> Mapping[str, int]:
        """attributed | unattributed -> outcomes."""
        ...

    def park(self, outcome: ParkedOutcome) -> None: ...
    def take_parked(self, waits_for: str) -> Sequence[ParkedOutcome]:
        """Hands them out and forgets them."""
        ...

    def parked(self) -> Sequence[ParkedOutcome]: ...


class RewardBook(Protocol):
    def add(self, revisions: Sequence[RewardRevision]) -> None: ...
    def latest(self, decision_id: str) -> RewardRevision | None: ...
    def latest_of(self, decision_ids: Collection[str]) -> Mapping[str, RewardRevision]:
        """decision_id -> its newest revision, of those that have one."""
        ...

    def history(self, decision_id: str) -> Sequence[RewardRevision]: ...


class ReplayStore(Protocol):
    """The replay buffer: one row a decision, its newest reward."""

    def put(self, rows: Sequence[Experience]) -> None:
        """Inserts, or replaces the row of the same decision."""
        ...

    def unmatured(self, decision_point: str, decided_before: datetime, limit: int = 10_000) -> Sequence[Decision]:
        """Decisions that old without a matured row."""
        ...

    def observed(
        self, decision_point: str, *, since: datetime | None = None, only_matured: bool = True, limit: int = 1_000_000
    ) -> Sequence[ObservedDecision]:
        """Ordered by decided_at, decision_id."""
        ...

    def moments(
        self,
        decision_point: str,
        since: datetime,
        *,
        until: datetime | None = None,
        metric: str | None = None,
        segment_id: str | None = None,
    ) -> Mapping[tuple[Arm, str | None], RewardMoments]:
        """(arm, proposal_id) -> of matured decisions made then, their rewards or their outcomes of a metric.

        With `segment_id`, of baseline decisions only those noted as that segment's controls.
        """
        ...

    def counts(self) -> Mapping[str, int]:
        """matured | waiting -> rows."""
        ...


class StrategyBook(Protocol):
    def put(self, records: Sequence[StrategyRecord]) -> None:
        """A strategy recommended again keeps its id and gets the newer evidence."""
        ...

    def get(self, strategy_id: str) -> StrategyRecord: ...
    def recent(self, decision_point: str | None = None, limit: int = 50) -> Sequence[StrategyRecord]:
        """Of the newest run first, in its order."""
        ...


class ProposalBook(Protocol):
    """Only tracker/ calls what changes something here."""

    def add(self, proposal: Proposal, at: datetime) -> None:
        """A first or next revision, in DRAFT."""
        ...

    def get(self, proposal_id: str) -> TrackedProposal:
        """The newest revision. Raises NotFound."""
        ...

    def all(self, statuses: Collection[Status] | None = None) -> Sequence[TrackedProposal]:
        """Newest first."""
        ...

    def set_status(
        self, proposal_id: str, *, expected: Status, to: Status, at: datetime, step: int, paused_from: Status | None
    ) -> bool:
        """False where it stood elsewhere: another worker was faster."""
        ...


class ApprovalBook(Protocol):
    def add(self, approval: Approval) -> None: ...
    def of(self, proposal_id: str, revision: int) -> Sequence[Approval]: ...


class PeopleBook(Protocol):
    def put(self, person: Person) -> None: ...
    def get(self, name: str) -> Person:
        """Raises NotFound."""
        ...

    def by_token_hash(self, token_hash: str) -> Person | None: ...
    def all(self) -> Sequence[Person]: ...


class AuditTrail(Protocol):
    def append(self, entry: AuditEntry) -> None:
        """Raises AlreadyRecorded where the seq is taken: somebody else appended meanwhile."""
        ...

    def head(self) -> AuditEntry | None: ...
    def entries(self, *, subject: str | None = None, after_seq: int = 0, limit: int = 100_000) -> Sequence[AuditEntry]:
        """Ordered by seq."""
        ...


class HaltBook(Protocol):
    def put(self, halt: Halt) -> None: ...
    def remove(self, scope: str) -> None: ...
    def all(self) -> Sequence[Halt]: ...


class CapBook(Protocol):
    def open(self, cap_id: str, limit_amount: Decimal) -> None:
        """Makes it, or lowers or raises its limit; never below what is spent and reserved."""
        ...

    def reserve(self, cap_id: str, amount: Decimal) -> bool:
        """Atomic; False where it does not fit, and then nothing was reserved."""
        ...

    def settle(self, cap_id: str, *, reserved: Decimal, spent: Decimal) -> None:
        """A reservation becomes what was really spent."""
        ...

    def get(self, cap_id: str) -> Cap | None: ...
    def all(self) -> Sequence[Cap]: ...


class Outbox(Protocol):
    def add(self, stream: str, entries: Sequence[Mapping[str, str]]) -> None: ...
    def pending(self, limit: int = 500) -> Sequence[OutboxEntry]: ...
    def mark_published(self, outbox_ids: Sequence[int], at: datetime) -> None: ...
    def n_pending(self) -> int: ...


class WorkerBook(Protocol):
    def put(self, worker: Worker) -> None: ...
    def remove(self, worker_id: str) -> None: ...
    def all(self) -> Sequence[Worker]: ...


class VerdictBook(Protocol):
    """What was predicted offline."""

    def add(self, records: Sequence[VerdictRecord]) -> None:
        """Those that are new; a verdict that is known already changes nothing."""
        ...

    def recent(self, limit: int = 50, decision_point: str | None = None) -> Sequence[VerdictRecord]:
        """Newest first."""
        ...

    def about(self, policies: Collection[str]) -> Sequence[VerdictRecord]:
        """Newest first."""
        ...


class RealisedBook(Protocol):
    """What came of proposals, a row each."""

    def put(self, gain: RealisedGain) -> None:
        """Inserts, or replaces what was known of the same proposal before."""
        ...

    def get(self, proposal_id: str) -> RealisedGain | None: ...
    def all(self) -> Sequence[RealisedGain]:
        """Ordered by as_of, proposal_id."""
        ...


class UnitOfWork(Protocol):
    """One SQL transaction over every book."""

    @property
    def imports(self) -> ImportBook: ...
    @property
    def quarantine(self) -> Quarantine: ...
    @property
    def runs(self) -> RunBook: ...
    @property
    def policies(self) -> PolicyBook: ...
    @property
    def analyses(self) -> AnalysisBook: ...
    @property
    def events(self) -> EventBook: ...
    @property
    def units(self) -> UnitBook: ...
    @property
    def decisions(self) -> DecisionLog: ...
    @property
    def outcomes(self) -> OutcomeBook: ...
    @property
    def rewards(self) -> RewardBook: ...
    @property
    def replay(self) -> ReplayStore: ...
    @property
    def strategies(self) -> StrategyBook: ...
    @property
    def proposals(self) -> ProposalBook: ...
    @property
    def approvals(self) -> ApprovalBook: ...
    @property
    def people(self) -> PeopleBook: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def halts(self) -> HaltBook: ...
    @property
    def caps(self) -> CapBook: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def workers(self) -> WorkerBook: ...
    @property
    def verdicts(self) -> VerdictBook: ...
    @property
    def realised(self) -> RealisedBook: ...


class KnowledgeBase(Protocol):
    """Opens units of work."""

    def transaction(self) -> AbstractContextManager[UnitOfWork]: ...
