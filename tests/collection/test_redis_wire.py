"""Faults of the network and of what stands in Redis, as errors that a person can act on; recovery without hands."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from collection.embedded_server import ServerPlace, open_embedded
from collection.file_lock import FileLock
from collection.redis_store import RedisWire, Timeouts, open_wire
from domain.errors import ConfigError, InvalidSnapshot, SourceUnavailable

QUICK = Timeouts(connect_seconds=0.2, command_seconds=0.2, backoff_seconds=(0.01, 0.02))


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def server_pid(data_dir: Path) -> int:
    return int(ServerPlace((data_dir / "redis").resolve()).server_lock.read_text())


def get(wire: RedisWire, key: str) -> object:
    return wire.command(lambda client: client.get(key), key=key, expects="string")


def test_wire__connects_at_the_first_use_only(tmp_path: Path) -> None:
    open_wire(f"redis://127.0.0.1:{free_port()}", tmp_path).close()
    open_wire("embedded", tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_nobody_there__is_unavailable_in_bounded_time(tmp_path: Path) -> None:
    wire = open_wire(f"redis://127.0.0.1:{free_port()}", tmp_path, timeouts=QUICK)
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="does not answer"):
        get(wire, "x")
    with pytest.raises(SourceUnavailable):
        wire.check()
    assert time.monotonic() - began < 2


def test_server_that_never_answers__is_unavailable_in_bounded_time(tmp_path: Path, deaf_port: int) -> None:
    wire = open_wire(f"redis://127.0.0.1:{deaf_port}", tmp_path, timeouts=QUICK)
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="does not answer"):
        get(wire, "x")
    assert time.monotonic() - began < 3
    wire.close()


def test_password__is_in_no_message(tmp_path: Path, server_dir: Path) -> None:
    wire = open_wire(f"redis://me:s3cret@127.0.0.1:{free_port()}/0", tmp_path, timeouts=QUICK)
    with pytest.raises(SourceUnavailable) as caught:
        wire.check()
    assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)
    with pytest.raises(ConfigError) as refused:
        open_wire("http://me:s3cret@x", tmp_path)
    assert "s3cret" not in str(refused.value)


def test_wrong_password__says_where_it_belongs(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    with redis.Redis(unix_socket_path=str(server.socket)) as admin:
        admin.config_set("requirepass", "right")
    wire = open_wire(f"unix://:s3cret@{server.socket}", tmp_path, timeouts=QUICK)
    with pytest.raises(SourceUnavailable, match="lets us not in") as caught:
        wire.check()
    assert "AMSO_REDIS_URL" in caught.value.hint
    assert "s3cret" not in str(caught.value)
    wire.close()
    server.close()


def test_another_type_at_the_key__is_named_with_what_was_expected(wire: RedisWire) -> None:
    key = wire.keys.status("x")
    wire.command(lambda client: client.hset(key, "a", "1"))
    with pytest.raises(InvalidSnapshot, match=rf"key {key} holds a hash, expected a string"):
        get(wire, key)


def test_full_server__is_worth_retrying(tmp_path: Path) -> None:
    wire = open_wire("embedded", tmp_path, timeouts=QUICK)
    wire.command(lambda client: client.config_set("maxmemory", "1"))
    with pytest.raises(SourceUnavailable, match="cannot now: command not allowed"):
        wire.command(lambda client: client.set("x", "y" * 1000))
    wire.command(lambda client: client.config_set("maxmemory", "0"))
    wire.command(lambda client: client.set("x", "1"))
    wire.close()


def test_nonsense__is_refused_not_retried(wire: RedisWire) -> None:
    wire.command(lambda client: client.set("word", "x"))
    with pytest.raises(InvalidSnapshot, match="refused a command"):
        wire.command(lambda client: client.incr("word"))


def test_bytes_that_are_no_text__do_not_break_the_connection(wire: RedisWire) -> None:
    wire.command(lambda client: client.set("x", b"\xff"))
    assert get(wire, "x") == "\udcff"


def test_command__survives_a_dropped_connection(wire: RedisWire) -> None:
    assert get(wire, "none") is None
    wire.command(lambda client: client.client_kill_filter(_type="normal", skipme=False))
    assert get(wire, "none") is None


def test_killed_server__is_started_again_by_the_next_use(tmp_path: Path) -> None:
    wire = open_wire("embedded", tmp_path, timeouts=QUICK)
    wire.command(lambda client: client.set("x", "1"))
    wire.command(lambda client: client.waitaof(1, 0, 5000))
    os.kill(server_pid(tmp_path), signal.SIGKILL)
    assert get(wire, "x") == "1"
    wire.close()


def test_closed_owner__hands_over_to_whoever_uses_it_next(tmp_path: Path) -> None:
    owner = open_wire("embedded", tmp_path, timeouts=QUICK)
    owner.command(lambda client: client.set("x", "1"))
    joined = open_wire("embedded", tmp_path, timeouts=QUICK)
    joined.check()
    owner.close()
    assert get(joined, "x") == "1"
    joined.close()


def test_threads__recover_together(tmp_path: Path) -> None:
    wire = open_wire("embedded", tmp_path, timeouts=QUICK)
    wire.command(lambda client: client.set("x", "1"))
    wire.command(lambda client: client.waitaof(1, 0, 5000))
    found: list[object] = []
    os.kill(server_pid(tmp_path), signal.SIGKILL)
    threads = [threading.Thread(target=lambda: found.append(get(wire, "x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["1"] * 8
    wire.close()


def test_hung_owner_without_server__costs_a_probe_a_bounded_wait(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    lock = FileLock.take(folder / "owner.lock")
    assert lock is not None
    wire = open_wire("embedded", tmp_path, timeouts=Timeouts(join_seconds=0.1))
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="another process holds"):
        wire.check()
    assert time.monotonic() - began < 1
    lock.release()
    wire.check()
    wire.close()


def test_external_server__recovers_when_it_is_back(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    wire = open_wire(f"unix://{server.socket}", tmp_path, timeouts=QUICK)
    wire.command(lambda client: client.set("x", "1"))
    server.close()
    with pytest.raises(SourceUnavailable):
        get(wire, "x")
    again = open_embedded(tmp_path)
    assert get(wire, "x") == "1"
    wire.close()
    again.close()


def test_closed_wire__says_so(tmp_path: Path) -> None:
    wire = open_wire("embedded", tmp_path, timeouts=QUICK)
    wire.check()
    wire.close()
    wire.close()
    with pytest.raises(SourceUnavailable, match="was closed"):
        wire.check()
