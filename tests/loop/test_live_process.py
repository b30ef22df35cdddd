"""`live` and `collect` as processes: halted within a second, deaf to no signal, back by themselves after Redis."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from collection.envelope import entry_fields
from collection.publisher_store import RedisPublisher
from domain.events import Body, DecisionRequest, MarketPoint
from domain.people import Role
from domain.records import OutboxEntry
from loop.wiring import Workspace, open_workspace
from tests.loop.test_no_approval import make_draft
from tracker.approvals import approve
from tracker.coverage import shown_hash
from tracker.people import add_person
from tracker.proposals import propose

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
PATIENCE = 40.0  # seconds for what is done in two on a quiet machine
CONFIG = """
version: 1
stores: {{data_dir: {data}}}
decision_points:
  flow:
    mode: gated
    baseline: none
    reward_wait: 14d
    actions: {{none: {{}}, promo: {{cost: 1}}, gift: {{cost: 2}}}}
limits: {{loss_cap: 1000}}
holdout: {{share: {holdout}}}
approvals:
  tiers: {{all: {{approvers: {{any: 1}}, decide_within: 7d, valid_for: 90d}}}}
  canary: {{steps: [1.0], min_days: 1, min_per_action: 5}}
"""


@dataclass
class Shop:
    """A business whose experiment is approved, with `live` not yet running."""

    folder: Path
    workspace: Workspace
    token: str
    n: int = 0
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, config: str = "amso.yaml") -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "runner.py"), *arguments, "--config", str(self.folder / config)]
        environ = {**os.environ, "AMSO_TOKEN": self.token, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.running.append(process)
        return process

    def publish(self, key: str, body: Body) -> None:
        self.n += 1
        fields = entry_fields(body, event_id=f"e-{self.n}", producer="shop", at=datetime.now(UTC))
        RedisPublisher(self.workspace.wire).publish([OutboxEntry(self.n, key, fields)])

    def ask(self) -> dict[str, Any]:
        """A new customer's context, and what `live` answers."""
        keys = self.workspace.wire.keys
        request_id = f"r-{self.n}"
        self.publish(keys.contexts, DecisionRequest(request_id, "flow", f"unit-{self.n}", {"plan": "monthly"}))
        return dict(wait_for(lambda: self._answer(keys.decisions, request_id)))

    def _answer(self, key: str, request_id: str) -> dict[str, Any] | None:
        found: Any = self.workspace.wire.command(lambda client: client.xrevrange(key, count=5))  # redis-py's unions
        bodies: list[dict[str, Any]] = [json.loads(fields["body"]) for _, fields in found]
        return next((body for body in bodies if body["request_id"] == request_id), None)


def wait_for(look: Callable[[], T | None]) -> T:
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at:
        found = look()
        if found is not None:
            return found
        time.sleep(0.003)
    raise AssertionError("it did not happen in time")


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    for name, holdout in (("amso.yaml", 0.0), ("other.yaml", 0.1)):
        (folder / name).write_text(CONFIG.format(data=folder / "data", holdout=holdout))
    workspace, now = open_workspace(folder / "amso.yaml"), datetime.now(UTC)
    with workspace.knowledge.transaction() as books:
        ana, _ = add_person(books, "ana", [Role.PROPOSER], None, actor="operator", now=now)
        ben, token = add_person(books, "ben", [Role.APPROVER], None, actor="operator", now=now)
        settings = workspace.settings
        proposal = propose(books, make_draft(books, workspace), proposer=ana, settings=settings, now=now).proposal
        approve(books, proposal.proposal_id, person=ben, seen_hash=shown_hash(proposal), settings=settings, now=now)
    shop = Shop(folder, workspace, token)
    try:
        workspace.wire.check()
        yield shop
    finally:
        for process in shop.running:
            process.kill()
            process.communicate(timeout=20)
        workspace.close()
        workspace.knowledge.close()  # type: ignore[attr-defined] # the real one


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with opened(tmp_path) as found:
        yield found


def test_halt__stops_a_running_live_within_a_second(shop: Shop) -> None:
    shop.start("live")
    wait_for(lambda: True if shop.ask()["served"] == "policy" else None)  # once it has started its canary
    halted = shop.start("halt", "--reason", "doubt")
    assert halted.wait(PATIENCE) == 0
    since = time.monotonic()
    answer = shop.ask()
    assert (answer["served"], answer["action"]) == ("baseline", "none")
    assert "doubt" in answer["why"]
    assert time.monotonic() - since < 1.0


def test_redis_killed__live_says_so_once_and_comes_back_by_itself(shop: Shop) -> None:
    live = shop.start("live")
    wait_for(lambda: True if shop.ask()["served"] == "policy" else None)
    server = json.loads((shop.folder / "data" / "redis" / "server.json").read_text())
    os.kill(server["pid"], signal.SIGKILL)
    assert shop.ask()["served"] == "policy"
    live.send_signal(signal.SIGTERM)
    _, said = live.communicate(timeout=PATIENCE)
    assert live.returncode == 0, said
    assert said.count("waiting for it") <= 1
    assert "Traceback" not in said
    with shop.workspace.knowledge.transaction() as books:
        assert books.workers.all() == []


def test_second_live_under_other_rules__is_refused_while_the_first_runs(shop: Shop) -> None:
    first = shop.start("live")
    assert "live; Ctrl-C ends it" in line_of(first)
    second = shop.start("live", config="other.yaml")
    _, said = second.communicate(timeout=PATIENCE)
    assert second.returncode == 2
    assert "under other rules" in said
    first.send_signal(signal.SIGINT)
    assert first.wait(PATIENCE) == 0
    third = shop.start("live", config="other.yaml")
    assert "live; Ctrl-C ends it" in line_of(third)
    third.send_signal(signal.SIGTERM)
    assert third.wait(PATIENCE) == 0


def test_redis_unreachable__live_once_ends_with_3_and_status_shows_sql(shop: Shop) -> None:
    away = ("--set", "stores.redis=redis://127.0.0.1:1")
    once = shop.start("live", "--once", *away)
    _, said = once.communicate(timeout=PATIENCE)
    assert once.returncode == 3
    assert "does not answer" in said
    status = shop.start("status", "--json", *away)
    shown, _ = status.communicate(timeout=PATIENCE)
    assert json.loads(shown)["source"] == "sql"
    assert "Redis" in json.loads(shown)["why_sql"]


@pytest.mark.parametrize("idle_seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_idle_collect__says_nothing_costs_nothing_and_reacts_at_once(shop: Shop, idle_seconds: float) -> None:
    collecting = shop.start("collect", "--follow")
    assert "collecting" in line_of(collecting)
    shop.publish(shop.workspace.wire.keys.events, MarketPoint("first", 1.0))
    wait_for(lambda: _stored(shop, "first"))
    before = _cpu_seconds(collecting.pid)
    time.sleep(idle_seconds)
    assert _cpu_seconds(collecting.pid) - before < 0.2 * idle_seconds
    waits = sorted(_reaction(shop, f"s{i}") for i in range(5))
    assert waits[2] < 0.1, waits
    collecting.send_signal(signal.SIGTERM)
    out, said = collecting.communicate(timeout=PATIENCE)
    assert collecting.returncode == 0
    assert said == ""
    assert "market: 6 stored" in out


def _reaction(shop: Shop, series: str) -> float:
    since = time.monotonic()
    shop.publish(shop.workspace.wire.keys.events, MarketPoint(series, 1.0))
    wait_for(lambda: _stored(shop, series))
    return time.monotonic() - since


def _stored(shop: Shop, series: str) -> bool | None:
    with shop.workspace.knowledge.transaction() as books:
        return True if books.events.latest("market", series) is not None else None


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
