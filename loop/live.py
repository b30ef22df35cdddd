"""`amso live`: takes streams in, answers contexts, publishes, and every tick matures, advances, learns and reports.

A worker is one thread; several share the streams through Redis and the truth through SQL. Where Redis or SQL does not
answer, the worker says so once, waits, and goes on by itself when they are back.
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from collection.halt_store import RedisHaltMirror
from collection.status_store import RedisStatusBoard
from config.decision_points import Mode
from domain.canonical import content_hash
from domain.errors import AmsoError, ConfigError
from domain.ports import UnitOfWork
from domain.proposals import TrackedProposal
from domain.records import Worker
from loop.patience import ends_on_request, patiently
from loop.status import BOARD, snapshot
from loop.streams import Streams, open_streams, worker_name
from loop.text import console
from loop.upkeep import advance_all, compare_all, mature_all
from loop.wiring import Workspace
from tracker.rules import rules_hash

if TYPE_CHECKING:
    from loop.learn import Relearned

STALE = timedelta(seconds=15)  # a worker whose heart has not beaten for so long is gone
TICK_SECONDS = 1.0
BLOCK_SECONDS = 0.5  # an entry wakes the worker at once; this is how often it looks after the dead meanwhile


@dataclass
class LiveWorker:
    """What a process of `live` does, call by call."""

    workspace: Workspace
    tell: Callable[[str], None]
    learns: bool = False  # by the clock, in a thread of its own
    seed: int = 0
    streams: Streams = field(init=False)
    _learned_at: dict[str, datetime] = field(default_factory=dict, init=False)
    _learning: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Registers the worker and writes the halt latch from SQL.

        Raises:
            ConfigError: another worker runs under other rules, or a mode cannot be served.
            SourceUnavailable: a store does not answer.
        """
        self.workspace.settings.refuse_unenforced_modes()
        with self.workspace.knowledge.transaction() as books:
            self._refuse_contradiction(books)
            self._beat(books)
            halts = books.halts.all()
        self.streams = open_streams(self.workspace, with_contexts=True)
        RedisHaltMirror(self.workspace.wire).write(halts)

    def step(self, block_seconds: float = BLOCK_SECONDS) -> int:
        """Takes in and answers what is there, publishes what waits; how much it was."""
        return self.streams.step(block_seconds)

    def drain(self) -> int:
        """Steps until nothing is left to do; how much it was."""
        total = 0
        while n := self.step(0.0):
            total += n
        return total

    def tick(self) -> list[TrackedProposal]:
        """Everything that is due by the clock; the proposals that moved."""
        now = self.workspace.clock.now()
        with self.workspace.knowledge.transaction() as books:
            self._beat(books)
        for name in self._served():
            mature_all(self.workspace, name, now)
        moved = advance_all(self.workspace, now)
        for tracked in moved:
            p = tracked.proposal
            self.tell(f"{p.proposal_id} ({p.action}) is {tracked.status.value}")
        if self.learns:
            self._learn_where_due(now)
        compare_all(self.workspace, now)
        self.streams.trim()
        self.report()
        return moved

    def report(self) -> None:
        """Writes what stands to the status board."""
        now = self.workspace.clock.now()
        with self.workspace.knowledge.transaction() as books:
            found = snapshot(books, self.workspace.settings, now)
        RedisStatusBoard(self.workspace.wire).write(BOARD, {**found, "streams": self.streams.state()})

    def stop(self) -> None:
        """Leaves; what it held unacknowledged, others take over."""
        with self.workspace.knowledge.transaction() as books:
            books.workers.remove(worker_name())

    def _served(self) -> list[str]:
        points = self.workspace.settings.decision_points
        return [name for name, point in points.items() if point.mode is not Mode.OFF and point.actions]

    def _learn_where_due(self, now: datetime) -> None:
        """One attempt at a time, beside answering: it may take minutes."""
        every = timedelta(seconds=self.workspace.settings.learning.every.seconds)
        for name in self._served():
            last = self._learned_at.setdefault(name, now)  # not at the start: a restart would learn each time
            is_free = self._learning is None or not self._learning.is_alive()
            if now - last >= every and is_free:
                self._learned_at[name] = now
                self._learning = threading.Thread(target=self._learn_and_tell, args=(name,), daemon=True)
                self._learning.start()

    def _learn_and_tell(self, decision_point: str) -> None:
        self.tell(self.learn(decision_point).told)

    def learn(self, decision_point: str) -> "Relearned":
        """One attempt to learn again; data that do not carry it are an answer."""
        from loop.learn import Relearned, learn_again  # torch takes seconds to import; answering does without

        now = self.workspace.clock.now()
        try:
            return learn_again(self.workspace, decision_point, now=now, seed=self.seed)
        except AmsoError as error:
            return Relearned(decision_point, f"{decision_point}: cannot learn: {error.message}", 0)

    def _beat(self, books: UnitOfWork) -> None:
        now = self.workspace.clock.now()
        books.workers.put(Worker(worker_name(), rules_of(self.workspace), now, now))

    def _refuse_contradiction(self, books: UnitOfWork) -> None:
        now, own = self.workspace.clock.now(), rules_of(self.workspace)
        for worker in books.workers.all():
            is_other = worker.worker_id != worker_name() and worker.rules_hash != own
            if is_other and now - worker.beat_at < STALE:
                raise ConfigError(
                    f"{worker.worker_id} runs `live` under other rules than this config's",
                    "stop it first, or use its config: two sets of rules must not decide side by side",
                )


def rules_of(workspace: Workspace) -> str:
    """Of every decision point: what two workers must agree on."""
    settings = workspace.settings
    return content_hash({name: rules_hash(settings, name) for name in settings.decision_points})


@dataclass(frozen=True)
class LiveAnswer:
    """What one pass did."""

    n_entries: int
    moved: tuple[TrackedProposal, ...]

    def to_data(self) -> dict[str, object]:
        moved = [{"proposal_id": t.proposal.proposal_id, "status": t.status.value, "step": t.step} for t in self.moved]
        return {"n_entries": self.n_entries, "moved": moved}

    def print(self) -> None:
        out = console()
        out.print(f"{self.n_entries:,} entries taken in or published")
        for t in self.moved:
            out.print(f"{t.proposal.proposal_id} is {t.status.value}")


def live_once(workspace: Workspace, *, seed: int = 0) -> LiveAnswer:
    """The verb `live --once`: what is there and what is due, then ends.

    Raises:
        SourceUnavailable: Redis or SQL does not answer.
    """
    worker = LiveWorker(workspace, tell=say, seed=seed)
    try:
        worker.start()
        n = worker.drain()
        moved = worker.tick()
        return LiveAnswer(n + worker.drain(), tuple(moved))
    finally:
        worker.stop()


def live_follow(workspace: Workspace, *, seed: int = 0, until: Callable[[], bool] = lambda: False) -> LiveAnswer:
    """The verb `live --follow`: until interrupted, or until `until` says so."""
    worker = LiveWorker(workspace, tell=say, learns=True, seed=seed)
    n, next_tick = 0, 0.0
    moved: list[TrackedProposal] = []
    with ends_on_request():
        patiently(worker.start, say)
        say("live; Ctrl-C ends it")
        while not until():
            n += patiently(worker.step, say)
            if time.monotonic() >= next_tick:
                moved += patiently(worker.tick, say)
                next_tick = time.monotonic() + TICK_SECONDS
    worker.stop()
    return LiveAnswer(n, tuple(moved))


def say(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
