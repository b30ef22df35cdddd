"""Publisher, halt latch, status board and the keeping short of streams, on a real server."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collection.halt_store import RedisHaltMirror
from collection.publisher_store import RedisPublisher
from collection.redis_store import RedisWire
from collection.status_store import RedisStatusBoard
from collection.stream_source import RedisStream
from collection.trim_store import StreamUpkeep
from domain.errors import InvalidSnapshot, SourceUnavailable
from domain.ports import EventStream, HaltMirror, Publisher, StatusBoard
from domain.proposals import Halt
from domain.records import OutboxEntry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_halt(scope: str = "global", reason: str = "too many refunds") -> Halt:
    return Halt(scope, reason, "ann", NOW)


def publish(wire: RedisWire, stream: str, n_entries: int) -> None:
    publisher: Publisher = RedisPublisher(wire)
    publisher.publish([OutboxEntry(i, stream, {"n": str(i)}) for i in range(n_entries)])


def n_entries(wire: RedisWire, stream: str) -> int:
    return StreamUpkeep(wire).state(stream).n_entries


def make_stream(wire: RedisWire, group: str) -> RedisStream:
    return RedisStream(wire, wire.keys.outcomes, group=group, consumer="a")


def test_publisher__appends_in_order_to_several_streams(wire: RedisWire) -> None:
    keys = wire.keys
    entries = [OutboxEntry(i, keys.effects if i % 2 else keys.decisions, {"n": str(i), "ü": "ß"}) for i in range(6)]
    RedisPublisher(wire).publish(entries)
    found = wire.command(lambda client: client.xrange(keys.effects))
    assert [fields for _, fields in found] == [{"n": str(i), "ü": "ß"} for i in (1, 3, 5)]  # type: ignore[union-attr]
    assert n_entries(wire, keys.decisions) == 3
    RedisPublisher(wire).publish([])


def test_publisher__appends_nothing_where_one_key_is_no_stream(wire: RedisWire) -> None:
    keys = wire.keys
    wire.command(lambda client: client.set(keys.effects, "x"))
    with pytest.raises(InvalidSnapshot, match=rf"key {keys.effects} holds a string, expected a stream"):
        RedisPublisher(wire).publish(
            [OutboxEntry(1, keys.decisions, {"a": "1"}), OutboxEntry(2, keys.effects, {"a": "1"})]
        )
    assert n_entries(wire, keys.decisions) == 0


def test_publisher_s_errors__repeat_nothing_of_the_entry(wire: RedisWire) -> None:
    wire.command(lambda client: client.config_set("maxmemory", "1"))
    try:
        with pytest.raises(SourceUnavailable) as caught:
            RedisPublisher(wire).publish([OutboxEntry(1, wire.keys.effects, {"unit_id": "ann@example.com"})])
    finally:
        wire.command(lambda client: client.config_set("maxmemory", "0"))
    assert "ann@example.com" not in str(caught.value) + str(caught.value.__cause__)


def test_halt_mirror__says_exactly_what_was_written_last(wire: RedisWire) -> None:
    mirror: HaltMirror = RedisHaltMirror(wire)
    assert mirror.read() == {}
    mirror.write([make_halt(), make_halt("point:paywall", "wrong price")])
    assert mirror.read() == {"global": "too many refunds", "point:paywall": "wrong price"}
    mirror.write([make_halt("policy:p-1", "x")])
    assert mirror.read() == {"policy:p-1": "x"}
    mirror.write([])
    assert mirror.read() == {}


def test_halt_mirror__with_something_else_there_is_unreadable_until_written(wire: RedisWire) -> None:
    mirror: HaltMirror = RedisHaltMirror(wire)
    wire.command(lambda client: client.set(wire.keys.halt, "no"))
    with pytest.raises(SourceUnavailable, match="holds a string, expected a hash"):
        mirror.read()
    mirror.write([make_halt()])
    assert mirror.read() == {"global": "too many refunds"}


def test_status_board__gives_back_the_last_of_each_name(wire: RedisWire) -> None:
    board: StatusBoard = RedisStatusBoard(wire)
    assert board.read() == {}
    board.write("live:1", {"at": NOW, "n_decisions": 1})
    board.write("live:1", {"at": NOW, "n_decisions": 2, "amount": Decimal("1.50")})
    board.write("collect", {"gaps": []})
    assert board.read() == {
        "collect": {"gaps": []},
        "live:1": {"at": "2026-01-01T00:00:00+00:00", "n_decisions": 2, "amount": "1.50"},
    }


def test_status_board__shows_what_it_cannot_read_and_forgets_what_expired(wire: RedisWire) -> None:
    board: StatusBoard = RedisStatusBoard(wire)
    board.write("live:1", {"a": 1})
    board.write("live:2", {"a": 1})
    wire.command(lambda client: client.set(wire.keys.status("live:1"), '{"half'))
    wire.command(lambda client: client.delete(wire.keys.status("live:2")))
    assert board.read() == {"live:1": {"unreadable": '{"half'}}
    assert wire.command(lambda client: client.smembers(wire.keys.status_names)) == {"live:1"}


def test_trim__keeps_a_stream_that_nobody_reads(wire: RedisWire) -> None:
    publish(wire, wire.keys.outcomes, 5)
    assert StreamUpkeep(wire).trim(wire.keys.outcomes) == 0
    assert n_entries(wire, wire.keys.outcomes) == 5
    assert StreamUpkeep(wire).trim("nothing") == 0


def test_trim__removes_what_every_group_has_acknowledged(wire: RedisWire) -> None:
    publish(wire, wire.keys.outcomes, 6)
    fast: EventStream = make_stream(wire, "fast")
    slow: EventStream = make_stream(wire, "slow")
    fast.acknowledge(fast.read(block_seconds=0))
    slow.acknowledge(slow.read(block_seconds=0, limit=4)[:2])  # the third and fourth stay pending
    upkeep = StreamUpkeep(wire)
    assert {g.group: (g.n_pending, g.lag) for g in upkeep.state(wire.keys.outcomes).groups} == {
        "fast": (0, 0),
        "slow": (2, 2),
    }
    assert upkeep.trim(wire.keys.outcomes) == 2
    assert n_entries(wire, wire.keys.outcomes) == 4


def test_upkeep__names_another_type_at_the_key(wire: RedisWire) -> None:
    wire.command(lambda client: client.set(wire.keys.outcomes, "x"))
    for act in (StreamUpkeep(wire).trim, StreamUpkeep(wire).state):
        with pytest.raises(InvalidSnapshot, match="holds a string, expected a stream"):
            act(wire.keys.outcomes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["publish", "read", "ack", "trim"]), st.integers(0, 1), st.integers(1, 4)),
        max_size=30,
    )
)
def test_trim__never_removes_what_a_group_has_not_acknowledged(
    wire: RedisWire, acts: list[tuple[str, int, int]]
) -> None:
    stream = wire.keys.outcomes
    wire.command(lambda client: client.delete(stream))
    groups = [make_stream(wire, f"g{i}") for i in range(2)]
    for group in groups:
        group.read(block_seconds=0)
    acknowledged: list[list[str]] = [[], []]
    n_published = 0
    for act, i, amount in [*acts, ("trim", 0, 1)]:
        if act == "publish":
            RedisPublisher(wire).publish([OutboxEntry(0, stream, {"n": str(n_published + j)}) for j in range(amount)])
            n_published += amount
        elif act == "read":
            groups[i].read(block_seconds=0, limit=amount)
        elif act == "ack":
            entries = groups[i].read(block_seconds=0, limit=amount)
            groups[i].acknowledge(entries[:-1])
            acknowledged[i] += [entry.fields["n"] for entry in entries[:-1]]
        else:
            StreamUpkeep(wire).trim(stream)
    for i, group in enumerate(groups):
        while entries := group.read(block_seconds=0):
            group.acknowledge(entries)
            acknowledged[i] += [entry.fields["n"] for entry in entries]
        assert sorted(acknowledged[i], key=int) == [str(n) for n in range(n_published)]
        assert list(group.take_lost()) == []
