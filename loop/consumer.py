"""Reads a stream, takes its entries into SQL in one transaction, and only then acknowledges them.

A worker that dies anywhere leaves either nothing, or committed rows and an unacknowledged entry that comes again; its
key makes the second time change nothing. What fails again and again by itself is poison, and goes to the quarantine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.errors import AlreadyRecorded, InvalidRecord, SourceUnavailable
from domain.events import StreamEntry
from domain.ports import EventStream, KnowledgeBase, UnitOfWork

LOST = "removed from the stream before it was acknowledged"
MAX_DELIVERIES = 5  # of an entry that fails by itself

Take = Callable[[UnitOfWork, Sequence[StreamEntry]], None]
Reject = Callable[[UnitOfWork, StreamEntry, InvalidRecord], None]


@dataclass(frozen=True)
class Consumer:
    """One stream into one knowledge base."""

    stream: EventStream
    knowledge: KnowledgeBase
    take: Take
    reject: Reject

    def step(self, block_seconds: float, limit: int = 256) -> int:
        """Takes in what is there, waiting at most `block_seconds` for it; how many entries were acknowledged.

        Raises:
            SourceUnavailable: the stream or the database does not answer; nothing is lost, try again.
        """
        entries = self.stream.read(block_seconds=block_seconds, limit=limit)
        self._report_lost()
        if not entries:
            return 0
        try:
            done = self._take_all(entries)
        except SourceUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 # whatever an entry provokes must not stop the others
            if len(entries) == 1:
                done = self._give_up(entries[0], error)
            else:
                done = [entry for one in entries for entry in self._alone(one)]
        self.stream.acknowledge(done)
        return len(done)

    def _report_lost(self) -> None:
        lost = self.stream.take_lost()
        if lost:
            with self.knowledge.transaction() as books:
                for entry_id in lost:
                    self.reject(books, StreamEntry(entry_id, {}), InvalidRecord(LOST))

    def _take_all(self, entries: Sequence[StreamEntry]) -> Sequence[StreamEntry]:
        with self.knowledge.transaction() as books:
            self.take(books, entries)
        return entries

    def _alone(self, entry: StreamEntry) -> Sequence[StreamEntry]:
        try:
            return self._take_all([entry])
        except SourceUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 # as above
            return self._give_up(entry, error)

    def _give_up(self, entry: StreamEntry, error: Exception) -> Sequence[StreamEntry]:
        """Leaves the entry pending until it has failed often enough to be poison."""
        is_race = isinstance(error, AlreadyRecorded)  # another worker was faster: the next look finds what it did
        if is_race or entry.deliveries < MAX_DELIVERIES:
            return ()
        reason = InvalidRecord(f"could not be handled: {type(error).__name__}")
        with self.knowledge.transaction() as books:
            self.reject(books, entry, reason)
        return [entry]
