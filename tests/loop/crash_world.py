"""A consumer that is killed at named points, and the four designs that must not survive it.

Run as a program it is a warmed process: it has imported everything and opened nothing, and forks a child for each line
of its standard input, so that a kill costs a fraction of a second instead of an interpreter's start. A child kills
itself, with SIGKILL, at the n-th pass of the point it is told: proxies around stream, knowledge base and publisher hold
the points; the code under test knows nothing of them.
"""

import json
import os
import signal
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collection.publisher_store import RedisPublisher
from collection.redis_store import RedisWire, open_wire
from collection.stream_source import RedisStream
from domain.events import StreamEntry
from domain.ports import DrivenClock, UnitOfWork
from domain.records import OutboxEntry
from loop.consumer import Consumer
from loop.intake import Intake
from loop.relay import Relay
from loop.streams import intake_of
from loop.wiring import Workspace, open_workspace

POINTS = (
    "read",  # handed out, nothing done
    "claimed",  # taken over from a dead consumer, nothing done
    "first_row",  # in the transaction, the first outcome's row is written
    "reward",  # in the transaction, a reward revision is written
    "before_commit",
    "committed",  # and not acknowledged
    "acknowledged",
    "published",  # the relay's XADD is done, and not marked
)
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
CONFIG = """
version: 1
business: {currency: EUR}
stores: {redis: REDIS, data_dir: DATA}
decision_points:
  main:
    mode: log
    baseline: offer
    actions: {nothing: {cost: 0}, offer: {cost: 0.25}}
"""
LIMIT = 8  # entries a read, so that there are many passes
IDLE_READS = 3
CLAIM_IDLE_SECONDS = 0.01


class Killer:
    """Ends this very process at the n-th pass of one point."""

    def __init__(self, point: str | None, n: int) -> None:
        self.point, self.left = point, n

    def passes(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Proxy:
    """Everything of `inner`, but for the methods that a subclass overrides."""

    def __init__(self, inner: Any, killer: Killer) -> None:  # noqa: ANN401 # whatever is wrapped
        self.inner, self.killer = inner, killer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 # whatever is wrapped
        return getattr(self.inner, name)


class MortalStream(Proxy):
    def read(self, *, block_seconds: float, limit: int = 256) -> Sequence[StreamEntry]:
        entries: Sequence[StreamEntry] = self.inner.read(block_seconds=block_seconds, limit=limit)
        if entries:
            self.killer.passes("read")
        if any(entry.deliveries > 1 for entry in entries):
            self.killer.passes("claimed")
        return entries

    def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        self.inner.acknowledge(entries)
        self.killer.passes("acknowledged")


class MortalBook(Proxy):
    """A book whose `add` is followed by a point."""

    def __init__(self, inner: Any, killer: Killer, point: str) -> None:  # noqa: ANN401 # whatever is wrapped
        super().__init__(inner, killer)
        self.point = point

    def add(self, *args: object) -> object:
        result: object = self.inner.add(*args)
        self.killer.passes(self.point)
        return result


class MortalBooks(Proxy):
    @property
    def outcomes(self) -> MortalBook:
        return MortalBook(self.inner.outcomes, self.killer, "first_row")

    @property
    def rewards(self) -> MortalBook:
        return MortalBook(self.inner.rewards, self.killer, "reward")


class MortalKnowledge(Proxy):
    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        with self.inner.transaction() as books:
            yield MortalBooks(books, self.killer)  # type: ignore[misc] # it passes everything on
            self.killer.passes("before_commit")
        self.killer.passes("committed")


class MortalPublisher(Proxy):
    def publish(self, entries: Sequence[OutboxEntry]) -> None:
        self.inner.publish(entries)
        self.killer.passes("published")


class OnlyNewEntries(Proxy):
    """Mutant: never looks at what was handed out before, by itself or by the dead."""

    def read(self, *, block_seconds: float, limit: int = 256) -> Sequence[StreamEntry]:
        inner: RedisStream = self.inner
        inner._may_hold, inner._claim_at = False, float("inf")
        inner._held.clear()
        return inner.read(block_seconds=block_seconds, limit=limit)


@dataclass(frozen=True)
class AcknowledgesFirst(Consumer):
    """Mutant: XACK before the commit."""

    def step(self, block_seconds: float, limit: int = 256) -> int:
        entries = self.stream.read(block_seconds=block_seconds, limit=limit)
        if entries:
            self.stream.acknowledge(entries)
            with self.knowledge.transaction() as books:
                self.take(books, entries)
        return len(entries)


@dataclass(frozen=True)
class WithoutKeys(Intake):
    """Mutant: every delivery counts as another outcome."""

    def take(self, books: UnitOfWork, entries: Sequence[StreamEntry]) -> None:
        super().take(books, [_as_another(entry) for entry in entries])


def _as_another(entry: StreamEntry) -> StreamEntry:
    body, mark = json.loads(entry.fields["body"]), f"#{uuid.uuid4().hex[:8]}"
    if "outcome_id" not in body:
        return entry
    body["outcome_id"] += mark
    return replace(entry, fields={**entry.fields, "id": entry.fields["id"] + mark, "body": json.dumps(body)})


def open_world(folder: Path, redis_url: str) -> Workspace:
    config = folder / "amso.yaml"
    if not config.exists():
        config.write_text(CONFIG.replace("DATA", str(folder / "data")).replace("REDIS", json.dumps(redis_url)))
    return open_workspace(config, (), {}, clock=DrivenClock(AT))


def work(folder: str, redis_url: str, point: str | None, n: int, design: str) -> None:
    """One consumer's life: until nothing is left, or until it is killed."""
    workspace, killer = open_world(Path(folder), redis_url), Killer(point, n)
    wire = open_wire(redis_url, Path(folder))
    consumers = [
        _consumer(workspace, wire, key, killer, design)
        for key in (wire.keys.contexts, wire.keys.events, wire.keys.outcomes)
    ]
    publisher = MortalPublisher(RedisPublisher(wire), killer)
    relay = Relay(workspace.knowledge, publisher, workspace.decider, wire.keys.effects, workspace.clock)
    idle = 0
    while idle < IDLE_READS:
        done = sum(consumer.step(0.0, limit=LIMIT) for consumer in consumers) + relay.step()
        idle = 0 if done else idle + 1
        if not done:
            time.sleep(CLAIM_IDLE_SECONDS)
    workspace.close()
    wire.close()


def _consumer(workspace: Workspace, wire: RedisWire, key: str, killer: Killer, design: str) -> Consumer:
    stream: Any = RedisStream(
        wire, key, group="amso", consumer=f"c-{os.getpid()}", claim_idle_seconds=CLAIM_IDLE_SECONDS
    )
    if design == "no_reclaim":
        stream = OnlyNewEntries(stream, killer)
    intake = intake_of(workspace, key)
    if design == "no_keys":
        intake = WithoutKeys(key, intake.decider, intake.outcome_rules, intake.outgoing, intake.clock)
    kind = AcknowledgesFirst if design == "ack_first" else Consumer
    knowledge: Any = MortalKnowledge(workspace.knowledge, killer)
    return kind(MortalStream(stream, killer), knowledge, intake.take, intake.reject)


def main() -> None:
    """Forks a child for every line; answers how it ended."""
    _warm()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _warm() -> None:
    """Whatever is imported on first use."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_world(Path(folder), "redis://127.0.0.1:1")
        with workspace.knowledge.transaction() as books:
            books.outcomes.count()
        assert workspace.decider.settings == workspace.settings
        assert workspace.outcome_rules.environment
        workspace.close()


def _live(told: dict[str, Any]) -> None:
    """A child's whole life; it never comes back."""
    signal.alarm(60)  # one that hangs ends, and the test fails
    try:
        work(**told)
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    main()
