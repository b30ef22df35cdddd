"""`amso serve` as a process: it says where it is, refuses what would be open to all, and ends when it is told to."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dashboard.serve import bind
from domain.people import Role
from domain.ports import SystemClock
from knowledge.database import open_knowledge
from loop.people import add_person
from loop.wiring import Workspace
from tests.dashboard.house import csrf_of, make_settings

ROOT = Path(__file__).parents[2]
CONFIG = "decision_points: {main: {mode: log, baseline: a, actions: {a: {}, b: {}}}}\n"


def environ_of(folder: Path) -> dict[str, str]:
    (folder / "amso.yaml").write_text(CONFIG)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMSO_")}
    return kept | {"AMSO_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT)}


def command(*options: str) -> list[str]:
    return [sys.executable, str(ROOT / "runner.py"), "serve", *options]


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running one and its URL."""
    options = {"cwd": folder, "env": environ_of(folder), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command("--port", "0"), text=True, **options) as running:  # type: ignore[call-overload] # as named above
        assert running.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", running.stderr.readline())
        try:
            assert found is not None
            yield running, found.group()
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal__ends_it_within_two_seconds_though_a_page_listens(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (running, url):
        with open_for_people(tmp_path) as token, httpx.Client(base_url=url, timeout=20) as client:
            wait_until_it_answers(client)
            client.post("/login", data={"csrf": csrf_of(client, "/login"), "token": token})
            with client.stream("GET", "/events") as stream:
                lines = stream.iter_lines()
                assert next(lines) == ": here"
                told_at = time.monotonic()
                running.send_signal(number)
                list(lines)  # ends by itself
            assert running.wait(10) == 0
        took = time.monotonic() - told_at
        assert took < 10, took  # a fraction of it on a quiet machine; without the signal it would never end
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()
    assert not list((tmp_path / "data").rglob("*.sock"))


@contextmanager
def open_for_people(folder: Path) -> Iterator[str]:
    """Adds somebody to a running one's books; the token."""
    knowledge = open_knowledge(f"sqlite:///{folder / 'data' / 'amso.db'}")
    workspace = Workspace(make_settings(folder / "data"), knowledge, SystemClock())
    token = add_person(workspace, "ana", roles=(Role.PROPOSER,)).token
    assert token is not None
    yield token
    knowledge.close()


def wait_until_it_answers(client: httpx.Client) -> None:
    """It listens before it prints; the first answer may take a moment."""
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").json() == {"ready": True, "sql": "ok", "redis": "ok"}


def refused(folder: Path, *options: str) -> tuple[int, str]:
    options = (*options, "--json")
    found = subprocess.run(
        command(*options), cwd=folder, env=environ_of(folder), capture_output=True, text=True, timeout=60, check=False
    )
    return found.returncode, found.stdout


def test_another_host_without_a_key__is_refused(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--host", "0.0.0.0", "--port", "0")  # noqa: S104 # that is what is refused
    assert (code, "AMSO_API_KEY" in said) == (2, True)


def test_taken_port__is_told(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as taken:
        code, said = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert (code, "nothing can listen" in said) == (3, True)


def test_host_that_is_no_address__is_told(tmp_path: Path) -> None:
    environ = environ_of(tmp_path) | {"AMSO_API_KEY": "k"}
    found = subprocess.run(
        command("--host", "no such host"),
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 2
    assert "no address of this machine" in found.stderr
