"""The streams of one worker: what it reads, where answers go, and how far the groups have come."""

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from collection.publisher_store import RedisPublisher
from collection.stream_source import RedisStream
from collection.trim_store import StreamUpkeep
from collection.watch_source import StreamWatch
from config.sources import RedisStreamSource
from loop.consumer import Consumer
from loop.intake import Intake
from loop.outgoing import Outgoing
from loop.relay import Relay
from loop.wiring import Workspace

GROUP = "amso"


@dataclass
class Streams:
    """Consumers by the stream's name, and the relay of what leaves."""

    consumers: Mapping[str, Consumer]
    relay: Relay
    upkeep: StreamUpkeep
    watch: StreamWatch
    is_busy: bool = True  # the last look found something, so there may be more

    def step(self, block_seconds: float) -> int:
        """Waits for an entry on any stream unless there was one just before, looks at all of them, then the outbox.

        Returns how many entries were taken in or published. Where nothing came it looks all the same: a dead consumer
        may have left something.
        """
        if not self.is_busy:
            self.watch.wait(block_seconds=block_seconds)
        n = sum(consumer.step(0.0) for consumer in self.consumers.values()) + self.relay.step()
        self.is_busy = n > 0
        return n

    def trim(self) -> None:
        """Removes what every group has acknowledged."""
        for name in self.consumers:
            self.upkeep.trim(name)

    def state(self) -> dict[str, object]:
        """Stream -> entries, and what each group still has to do."""
        found = {name: self.upkeep.state(name) for name in self.consumers}
        return {
            name: {"n_entries": state.n_entries, "groups": [asdict(group) for group in state.groups]}
            for name, state in found.items()
        }


def worker_name() -> str:
    """Unique among living processes."""
    return f"{socket.gethostname()}-{os.getpid()}"


def open_streams(workspace: Workspace, *, with_contexts: bool) -> Streams:
    """The default streams and every configured one; contexts only for who may answer them."""
    keys, clock = workspace.wire.keys, workspace.clock
    configured = [s.stream for s in workspace.settings.sources.values() if isinstance(s, RedisStreamSource)]
    names = [keys.contexts] if with_contexts else []
    names += [keys.outcomes, keys.events, *configured]
    relay = Relay(workspace.knowledge, RedisPublisher(workspace.wire), workspace.decider, keys.effects, clock)
    consumers = {name: _consumer(workspace, name) for name in dict.fromkeys(names)}
    watch = StreamWatch(workspace.wire, tuple(consumers))
    return Streams(consumers, relay, StreamUpkeep(workspace.wire), watch)


def intake_of(workspace: Workspace, source: str) -> Intake:
    """Takes in what comes from `source`, a stream or a snapshot."""
    keys = workspace.wire.keys
    outgoing = Outgoing(keys.decisions, keys.effects, workspace.clock)
    return Intake(source, workspace.decider, workspace.outcome_rules, outgoing, workspace.clock)


def _consumer(workspace: Workspace, name: str) -> Consumer:
    stream = RedisStream(workspace.wire, name, group=GROUP, consumer=worker_name())
    intake = intake_of(workspace, name)
    return Consumer(stream, workspace.knowledge, intake.take, intake.reject)
