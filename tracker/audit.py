"""The audit chain: every act is one append-only row that carries the hash of the row before it (DESIGN section 7)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.canonical import canonical, content_hash
from domain.ports import UnitOfWork
from domain.proposals import AuditEntry
from tracker.fold import Fold, problems_of_proposals

SYSTEM = "amso"  # the actor of what nobody asked for: a sweep, a rollback by guardrail
GENESIS = "0" * 64
_PAGE = 10_000  # rows held at once while verifying


@dataclass(frozen=True)
class AuditReport:
    """What `audit verify` found. The head's hash, kept elsewhere, is what shows that the newest rows were cut off."""

    n_entries: int
    head_hash: str
    broken_seq: int | None  # the first row that does not fit
    problems: tuple[str, ...]

    @property
    def is_intact(self) -> bool:
        return not self.problems


def append(
    books: UnitOfWork, *, actor: str, subject: str, act: str, details: Mapping[str, object], now: datetime
) -> AuditEntry:
    """Writes the next row.

    Raises:
        AlreadyRecorded: somebody else appended meanwhile; the whole transaction is to be tried again.
    """
    return append_after(books, books.audit.head(), actor=actor, subject=subject, act=act, details=details, now=now)


def append_after(
    books: UnitOfWork,
    head: AuditEntry | None,
    *,
    actor: str,
    subject: str,
    act: str,
    details: Mapping[str, object],
    now: datetime,
) -> AuditEntry:
    """As `append`, after a row that was read earlier: whatever happened since makes it fail instead of following it."""
    body: Mapping[str, object] = {
        "seq": 1 if head is None else head.seq + 1,
        "at": now.astimezone(UTC),
        "actor": actor,
        "subject": subject,
        "act": act,
        "details": json.loads(canonical(details)),  # plain JSON: reads back as it was hashed
        "previous_hash": GENESIS if head is None else head.entry_hash,
    }
    entry = AuditEntry(**body, entry_hash=content_hash(body))  # type: ignore[arg-type]  # the values stand just above
    books.audit.append(entry)
    return entry


def entry_hash(entry: AuditEntry) -> str:
    """The hash that the row should have."""
    return content_hash(
        {
            "seq": entry.seq,
            "at": entry.at.astimezone(UTC),
            "actor": entry.actor,
            "subject": entry.subject,
            "act": entry.act,
            "details": dict(entry.details),
            "previous_hash": entry.previous_hash,
        }
    )


def verify(books: UnitOfWork) -> AuditReport:
    """Walks the whole chain, then holds every proposal and approval against what the chain says of it."""
    fold = Fold()
    previous: AuditEntry | None = None
    for entry in _entries(books):
        defect = _defect(entry, previous)
        if defect:
            return AuditReport(entry.seq - 1, _hash_of(previous), entry.seq, (f"row {entry.seq}: {defect}",))
        fold.take(entry)
        previous = entry
    problems = (*fold.problems, *problems_of_proposals(books, fold))
    return AuditReport(0 if previous is None else previous.seq, _hash_of(previous), fold.broken_seq, problems)


def _entries(books: UnitOfWork) -> Iterator[AuditEntry]:
    after = 0
    while page := books.audit.entries(after_seq=after, limit=_PAGE):
        yield from page
        after = page[-1].seq


def _defect(entry: AuditEntry, previous: AuditEntry | None) -> str | None:
    expected_seq = 1 if previous is None else previous.seq + 1
    if entry.seq != expected_seq:
        return f"follows row {expected_seq - 1}: {entry.seq - expected_seq} rows are missing between them"
    if entry.previous_hash != _hash_of(previous):
        return "does not carry the hash of the row before it"
    if entry.entry_hash != entry_hash(entry):
        return "its content does not have the hash that was written with it"
    return None


def _hash_of(entry: AuditEntry | None) -> str:
    return GENESIS if entry is None else entry.entry_hash
