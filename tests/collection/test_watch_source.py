"""A reader of several streams reacts to each of them at once, and misses nothing between looking and waiting."""

import threading
import time

import pytest

from collection.publisher_store import RedisPublisher
from collection.redis_store import RedisWire
from collection.watch_source import StreamWatch
from domain.errors import InvalidSnapshot
from domain.records import OutboxEntry


def make_watch(wire: RedisWire) -> StreamWatch:
    return StreamWatch(wire, [wire.keys.events, wire.keys.outcomes, wire.keys.contexts])


def publish(wire: RedisWire, key: str) -> None:
    RedisPublisher(wire).publish([OutboxEntry(1, key, {"n": "1"})])


def publish_noting_when(wire: RedisWire, key: str, published_at: list[float]) -> None:
    published_at.append(time.monotonic())
    publish(wire, key)


def test_first_wait__answers_at_once_and_the_next_waits(wire: RedisWire) -> None:
    publish(wire, wire.keys.events)
    watch = make_watch(wire)
    assert watch.wait(block_seconds=5)
    assert not watch.wait(block_seconds=0.05)


def test_entry_between_two_waits__is_not_missed(wire: RedisWire) -> None:
    watch = make_watch(wire)
    watch.wait(block_seconds=0)
    for key in (wire.keys.contexts, wire.keys.events, wire.keys.events):
        publish(wire, key)
        assert watch.wait(block_seconds=0)
        assert not watch.wait(block_seconds=0)


def test_any_stream__wakes_the_reader_at_once(wire: RedisWire) -> None:
    watch = make_watch(wire)
    watch.wait(block_seconds=0)
    for key in (wire.keys.events, wire.keys.outcomes, wire.keys.contexts):
        published_at: list[float] = []
        timer = threading.Timer(0.05, publish_noting_when, (wire, key, published_at))
        timer.start()
        assert watch.wait(block_seconds=3)
        woken_at = time.monotonic()
        timer.join()
        assert woken_at - published_at[0] < 0.1


def test_backlog__wakes_once(wire: RedisWire) -> None:
    watch = make_watch(wire)
    watch.wait(block_seconds=0)
    for _ in range(5):
        publish(wire, wire.keys.events)
    assert [watch.wait(block_seconds=0.01) for _ in range(3)] == [True, False, False]


def test_another_type_at_a_key__is_named(wire: RedisWire) -> None:
    wire.command(lambda client: client.set(wire.keys.outcomes, "x"))
    with pytest.raises(InvalidSnapshot, match=rf"key {wire.keys.outcomes} holds a string"):
        make_watch(wire).wait(block_seconds=0)
