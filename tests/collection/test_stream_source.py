"""Own pending first, then the dead's, then new ones; nothing is handed out and forgotten."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from collection.embedded_server import ServerPlace
from collection.publisher_store import RedisPublisher
from collection.redis_store import RedisWire, Timeouts, open_wire
from collection.stream_source import RedisStream
from collection.trim_store import StreamUpkeep
from domain.errors import InvalidSnapshot, SourceUnavailable
from domain.events import StreamEntry
from domain.records import OutboxEntry


def make_stream(wire: RedisWire, consumer: str = "a", *, claim_idle_seconds: float = 60.0) -> RedisStream:
    return RedisStream(wire, wire.keys.events, group="g", consumer=consumer, claim_idle_seconds=claim_idle_seconds)


def publish(wire: RedisWire, *values: str) -> None:
    RedisPublisher(wire).publish([OutboxEntry(i, wire.keys.events, {"n": v}) for i, v in enumerate(values)])


def values_of(entries: Sequence[StreamEntry]) -> list[str]:
    return [entry.fields["n"] for entry in entries]


def delete(wire: RedisWire, entry: StreamEntry) -> None:
    wire.command(lambda client: client.xdel(wire.keys.events, entry.entry_id))


def n_pending(wire: RedisWire) -> int:
    (group,) = StreamUpkeep(wire).state(wire.keys.events).groups
    return group.n_pending


def test_stream__is_made_with_its_group_and_read_from_the_start(wire: RedisWire) -> None:
    publish(wire, "1", "2")
    stream = make_stream(wire)
    entries = stream.read(block_seconds=0)
    assert values_of(entries) == ["1", "2"]
    assert [entry.deliveries for entry in entries] == [1, 1]
    stream.acknowledge(entries)
    assert stream.read(block_seconds=0) == []
    assert list(make_stream(wire, "b").read(block_seconds=0)) == []
    assert stream.name == wire.keys.events


def test_empty_stream__needs_nobody_to_make_it_first(wire: RedisWire) -> None:
    stream = make_stream(wire)
    assert stream.read(block_seconds=0.01) == []
    publish(wire, "1")
    assert values_of(stream.read(block_seconds=0)) == ["1"]


def test_own_pending__comes_first_and_is_counted(wire: RedisWire) -> None:
    publish(wire, "1", "2")
    make_stream(wire).read(block_seconds=0)
    publish(wire, "3")
    again = make_stream(wire)
    entries = again.read(block_seconds=0)
    assert values_of(entries) == ["1", "2"]
    assert [entry.deliveries for entry in entries] == [2, 2]
    again.acknowledge(entries)
    assert values_of(again.read(block_seconds=0)) == ["3"]


def test_what_is_not_acknowledged__comes_again_with_a_higher_count(wire: RedisWire) -> None:
    publish(wire, "good", "poison")
    stream = make_stream(wire)
    good, _ = stream.read(block_seconds=0)
    stream.acknowledge([good])
    counts = [[entry.deliveries for entry in stream.read(block_seconds=0)] for _ in range(3)]
    assert counts == [[2], [3], [4]]


def test_more_pending_than_the_limit__comes_in_order(wire: RedisWire) -> None:
    publish(wire, *"12345")
    make_stream(wire).read(block_seconds=0)
    publish(wire, "6")
    again = make_stream(wire)
    found = []
    while entries := again.read(block_seconds=0, limit=2):
        found += values_of(entries)
        again.acknowledge(entries)
    assert found == list("123456")


def test_dead_consumer__is_taken_over_from(wire: RedisWire) -> None:
    publish(wire, "1", "2", "3")
    dead = make_stream(wire, "dead")
    dead.acknowledge(dead.read(block_seconds=0, limit=1))
    dead.read(block_seconds=0)
    heir = make_stream(wire, "heir", claim_idle_seconds=0.0)
    entries = heir.read(block_seconds=0)
    assert values_of(entries) == ["2", "3"]
    assert [entry.deliveries for entry in entries] == [2, 2]
    heir.acknowledge(entries)
    assert n_pending(wire) == 0


def test_living_consumer__is_not_robbed(wire: RedisWire) -> None:
    publish(wire, "1")
    make_stream(wire, "busy").read(block_seconds=0)
    assert list(make_stream(wire, "other").read(block_seconds=0)) == []


def test_dead_s_entries__come_while_a_read_blocks(wire: RedisWire) -> None:
    publish(wire, "1")
    make_stream(wire, "dead").read(block_seconds=0)
    began = time.monotonic()
    entries = make_stream(wire, "heir", claim_idle_seconds=0.3).read(block_seconds=10)
    assert values_of(entries) == ["1"]
    assert time.monotonic() - began < 3


def test_own_entry_removed_while_pending__is_reported_not_repeated(wire: RedisWire) -> None:
    publish(wire, "1", "2")
    gone, kept = make_stream(wire).read(block_seconds=0)
    delete(wire, gone)
    again = make_stream(wire)
    entries = again.read(block_seconds=0)
    assert [entry.entry_id for entry in entries] == [kept.entry_id]
    assert list(again.take_lost()) == [gone.entry_id]
    assert list(again.take_lost()) == []
    again.acknowledge(entries)
    assert n_pending(wire) == 0


def test_dead_s_entry_removed_while_pending__is_reported(wire: RedisWire) -> None:
    publish(wire, "1", "2")
    gone, kept = make_stream(wire, "dead").read(block_seconds=0)
    delete(wire, gone)
    heir = make_stream(wire, "heir", claim_idle_seconds=0.0)
    assert [entry.entry_id for entry in heir.read(block_seconds=0)] == [kept.entry_id]
    assert list(heir.take_lost()) == [gone.entry_id]


def test_everything_pending_removed__does_not_stop_the_reader(wire: RedisWire) -> None:
    publish(wire, *"123")
    for entry in make_stream(wire).read(block_seconds=0):
        delete(wire, entry)
    publish(wire, "4")
    again = make_stream(wire)
    assert values_of(again.read(block_seconds=0, limit=2)) == ["4"]
    assert len(again.take_lost()) == 3


def test_leaving__keeps_a_consumer_that_still_has_something(wire: RedisWire) -> None:
    publish(wire, "1")
    stream = make_stream(wire)
    entries = stream.read(block_seconds=0)
    stream.close()
    assert n_pending(wire) == 1
    stream.acknowledge(entries)
    stream.close()
    assert StreamUpkeep(wire).state(wire.keys.events).groups[0].n_consumers == 0


def test_removed_stream__is_made_again(wire: RedisWire) -> None:
    stream = make_stream(wire)
    stream.read(block_seconds=0)
    wire.command(lambda client: client.delete(wire.keys.events))
    publish(wire, "1")
    assert values_of(stream.read(block_seconds=0)) == ["1"]


def test_stream_removed_while_a_read_blocks__goes_on(wire: RedisWire) -> None:
    stream = make_stream(wire)
    stream.read(block_seconds=0)

    def disturb() -> None:
        wire.command(lambda client: client.delete(wire.keys.events))
        publish(wire, "1")

    timer = threading.Timer(0.1, disturb)
    timer.start()
    assert values_of(stream.read(block_seconds=5)) == ["1"]
    timer.join()


def test_another_type_at_the_key__is_named(wire: RedisWire) -> None:
    wire.command(lambda client: client.set(wire.keys.events, "x"))
    with pytest.raises(InvalidSnapshot, match=rf"key {wire.keys.events} holds a string, expected a stream"):
        make_stream(wire).read(block_seconds=0)


def test_idle_reader__raises_nothing_and_reacts_at_once(wire: RedisWire) -> None:
    """redis-py's defaults (a socket timeout of 5 s, ten retries) would raise after a minute."""
    stream = make_stream(wire)
    assert stream.read(block_seconds=6.0) == []
    published_at: list[float] = []

    def publish_later() -> None:
        published_at.append(time.monotonic())
        publish(wire, "1")

    timer = threading.Timer(0.2, publish_later)
    timer.start()
    entries = stream.read(block_seconds=5)
    reacted_at = time.monotonic()
    timer.join()
    assert values_of(entries) == ["1"]
    assert reacted_at - published_at[0] < 0.1


def test_lost_answer__is_read_again(wire: RedisWire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server handed entries out, and the connection broke before they came."""
    publish(wire, "1")
    stream = make_stream(wire)
    real = RedisStream._read_group

    def lose_new(self: RedisStream, client: object, after: str, *rest: object) -> object:
        answer = real(self, client, after, *rest)  # type: ignore[arg-type] # passed on as they came
        if after == ">":
            raise SourceUnavailable("connection broke")
        return answer

    monkeypatch.setattr(RedisStream, "_read_group", lose_new)
    with pytest.raises(SourceUnavailable):
        stream.read(block_seconds=0)
    monkeypatch.undo()
    entries = stream.read(block_seconds=0)
    assert values_of(entries) == ["1"]
    assert entries[0].deliveries == 2


def test_server_killed_while_a_read_blocks__recovers_without_loss(tmp_path: Path) -> None:
    wire = open_wire("embedded", tmp_path, timeouts=Timeouts(backoff_seconds=(0.01,)))
    stream = make_stream(wire)
    publish(wire, "1")
    wire.command(lambda client: client.waitaof(1, 0, 5000))
    stream.acknowledge(stream.read(block_seconds=0))
    wire.command(lambda client: client.waitaof(1, 0, 5000))
    pid = int(ServerPlace((tmp_path / "redis").resolve()).server_lock.read_text())
    timer = threading.Timer(0.1, os.kill, (pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(SourceUnavailable):
        stream.read(block_seconds=5)
    timer.join()
    publish(wire, "2")
    assert values_of(stream.read(block_seconds=0)) == ["2"]
    wire.close()


def test_killed_process__leaves_its_entries_to_its_namesake(wire: RedisWire, server_dir: Path) -> None:
    publish(wire, "1")
    program = f"""
import os, signal
from pathlib import Path
from collection.redis_store import open_wire
from collection.stream_source import RedisStream
wire = open_wire("embedded", Path({str(server_dir)!r}), {wire.keys.prefix!r})
RedisStream(wire, wire.keys.events, group="g", consumer="a").read(block_seconds=0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    entries = make_stream(wire).read(block_seconds=0)
    assert values_of(entries) == ["1"]
    assert entries[0].deliveries == 2
