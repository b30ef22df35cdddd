"""The seams: what rooms ask of stores and of the world. knowledge/ implements the stores."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record that failed validation, kept with its reason and its raw form."""

    source: str
    row: int  # from 0, in the source
    reason: str
    raw: str  # JSON of the record as it came


@dataclass(frozen=True)
class ImportRecord:
    import_id: str
    source: str
    content: str
    n_rows: int
    n_used: int
    rejected: Mapping[str, int]
    imported_at: datetime


@dataclass(frozen=True)
class RunRecord:
    run: str  # name of the run directory
    verb: str
    started_at: datetime
    seed: int
    config: Mapping[str, object]
    metrics: Mapping[str, object]


@dataclass(frozen=True)
class PolicyRecord:
    policy_version: str
    decision_point: str
    kind: str
    directory: str  # relative to the data dir
    run: str
    parent: str | None
    status: str  # "candidate"
    verdict: str
    created_at: datetime


@dataclass(frozen=True)
class AnalysisRecord:
    analysis_id: str
    kind: str  # trend | forecast | elasticity | segments | model_scores
    subject: str
    result: Mapping[str, object]
    as_of: datetime


class Quarantine(Protocol):
    def add(self, import_id: str, records: Sequence[QuarantinedRecord]) -> None: ...
    def counts(self) -> Mapping[str, int]: ...
    def records(self, limit: int = 100) -> Sequence[QuarantinedRecord]: ...


class ImportBook(Protocol):
    def add(self, record: ImportRecord) -> bool:
        """True if new; an import that is known already changes nothing."""
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


class UnitOfWork(Protocol):
    """One SQL transaction over every book: commits on a clean exit, rolls back on an exception."""

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


class KnowledgeBase(Protocol):
    """Opens units of work."""

    def transaction(self) -> AbstractContextManager[UnitOfWork]: ...
