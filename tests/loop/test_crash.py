"""Consumers killed with SIGKILL at named points: every acknowledged outcome exactly once, rewards to the cent.

The harness proves itself: the four designs known to lose, to double or to get stuck are caught by the very same check.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collection.envelope import entry_fields
from collection.redis_store import RedisWire, open_wire
from domain.events import Body, CustomerSnapshot, DecisionRequest, Outcome
from loop.one_decision import decision_id
from tests.loop.crash_world import AT, POINTS, open_world
from tracker.audit import verify

ROOT = Path(__file__).parents[2]
N_DECISIONS = 40
COST = Decimal("0.25")


@dataclass
class Producer:
    """Sends outcomes, many of them twice, corrected or refunded, and keeps its own ledger."""

    wire: RedisWire
    rng: random.Random
    maxlen: int | None = None
    ledger: dict[str, Decimal] = field(default_factory=dict)  # decision -> what it earned
    outcomes: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    _sent: list[tuple[str, Outcome]] = field(default_factory=list)
    _n: int = 0

    def ask(self) -> None:
        for i in range(N_DECISIONS):
            self._send(self.wire.keys.contexts, DecisionRequest(f"r-{i}", "main", f"unit-{i % 7}", {"age": float(i)}))
            self.ledger[decision_id("main", f"r-{i}")] = -COST

    def earn(self, n: int) -> None:
        """`n` new outcomes and what comes with them."""
        for _ in range(n):
            self._pay()
            if self._sent and self.rng.random() < 0.3:  # again, under the same keys
                self._append(self.wire.keys.outcomes, *self.rng.choice(self._sent))
            if self.rng.random() < 0.2:
                self.events.add(self._send(self.wire.keys.events, CustomerSnapshot("unit-1", {"age": 1.0})))

    def _pay(self) -> None:
        number = self.rng.randrange(N_DECISIONS)
        decision, amount = decision_id("main", f"r-{number}"), Decimal(self.rng.randrange(1, 999)) / 100
        key, luck = f"o-{self._n}", self.rng.random()
        first = Outcome(key, f"unit-{number % 7}", "net_revenue", amount, "EUR", decision)
        self.ledger[decision] += amount
        if luck < 0.15:  # corrected, and sometimes the correction comes first
            right = Outcome(f"{key}c", first.unit_id, "net_revenue", amount + 1, "EUR", decision, corrects=key)
            self.ledger[decision] += 1
            pair = [first, right] if luck < 0.1 else [right, first]
        elif luck < 0.3:
            back = Outcome(f"{key}r", first.unit_id, "net_revenue", -amount, "EUR", decision)
            self.ledger[decision] -= amount
            pair = [first, back]
        else:
            pair = [first]
        for outcome in pair:
            self.outcomes.add(outcome.outcome_id)
            self._send(self.wire.keys.outcomes, outcome)

    def _send(self, stream: str, body: Body) -> str:
        self._n += 1
        key = f"e-{self._n}"
        self._append(stream, key, body)
        if isinstance(body, Outcome):
            self._sent.append((key, body))
        return key

    def _append(self, stream: str, key: str, body: Body) -> None:
        fields = entry_fields(body, event_id=key, producer="shop", at=AT)
        self.wire.command(
            lambda client: client.xadd(stream, fields, maxlen=self.maxlen, approximate=False)  # type: ignore[arg-type]  # redis-py's own invariance
        )


@dataclass
class Arena:
    """A warmed process that forks consumers, over one Redis and one SQLite file."""

    folder: Path
    url: str
    zygote: subprocess.Popen[str]
    kills: Counter[str] = field(default_factory=Counter)

    def run(self, *, point: str | None = None, n: int = 1, design: str = "ours") -> int:
        """The child's exit status; -9 where it was killed."""
        told = {"folder": str(self.folder), "redis_url": self.url, "point": point, "n": n, "design": design}
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        self.zygote.stdin.write(json.dumps(told) + "\n")
        self.zygote.stdin.flush()
        status = int(self.zygote.stdout.readline())
        if point is not None and status == -9:
            self.kills[point] += 1
        return status


@pytest.fixture
def wire() -> Iterator[RedisWire]:
    with tempfile.TemporaryDirectory(prefix="amso-crash-") as folder:
        opened = open_wire("embedded", Path(folder))
        opened.check()
        yield opened
        opened.close()


@pytest.fixture
def arena(wire: RedisWire, tmp_path: Path) -> Iterator[Arena]:
    url = wire.command(lambda client: f"unix://{client.get_connection_kwargs()['path']}")
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    zygote = subprocess.Popen(
        [sys.executable, "-m", "tests.loop.crash_world"],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Arena(tmp_path, url, zygote)
    finally:
        zygote.communicate(timeout=60)


@dataclass(frozen=True)
class Account:
    """What is wrong: nothing may be."""

    lost: int  # outcomes and events that were sent and are not there
    doubled: int  # that are there more than once
    stuck: int  # entries that nobody will take in
    off: int  # decisions whose reward is not the ledger's
    unpublished: int  # decisions that never left
    n_revisions_off: int  # decisions with more or fewer revisions than outcomes
    is_intact: bool  # the audit chain

    @property
    def is_clean(self) -> bool:
        return self == Account(0, 0, 0, 0, 0, 0, is_intact=True)


def account(arena: Arena, wire: RedisWire, producer: Producer) -> Account:
    workspace = open_world(arena.folder, arena.url)
    with workspace.knowledge.transaction() as books:
        found = [o for d in producer.ledger for o in books.outcomes.of_decision(d)]
        rewards = {d: books.rewards.history(d) for d in producer.ledger}
        is_intact = verify(books).is_intact
        events = Counter(e.event_id.partition("#")[0] for e in books.events.of_kind("customer"))
        observed = {o.decision.decision_id: o.reward for o in books.replay.observed("main", only_matured=False)}
    workspace.close()
    times = Counter(o.outcome_id.partition("#")[0] for o in found)
    paid = Counter(o.decision_id for o in found)
    reward = {d: history[-1].amount if history else -COST for d, history in rewards.items()}
    agree = {d for d, amount in reward.items() if observed.get(d, -COST) == amount == producer.ledger[d]}
    keys = (wire.keys.contexts, wire.keys.events, wire.keys.outcomes)
    published = {json.loads(fields["body"])["decision_id"] for fields in _entries(wire, wire.keys.decisions)}
    return Account(
        lost=len(producer.outcomes - times.keys()) + len(producer.events - events.keys()),
        doubled=sum(n - 1 for n in times.values()),
        stuck=sum(wire.command(lambda client, k=key: client.xpending(k, "amso")["pending"]) for key in keys),  # type: ignore[misc] # bound at once
        off=len(producer.ledger.keys() - agree),
        unpublished=len(producer.ledger.keys() - published),
        n_revisions_off=sum(len(history) != paid[d] for d, history in rewards.items()),
        is_intact=is_intact,
    )


def _entries(wire: RedisWire, key: str) -> list[dict[str, str]]:
    found: Any = wire.command(lambda client: client.xrange(key))  # redis-py types answers as unions of all shapes
    return [fields for _, fields in found]


def test_killed_consumers__take_every_outcome_in_exactly_once(arena: Arena, wire: RedisWire) -> None:
    producer, rng = Producer(wire, random.Random(1)), random.Random(2)  # noqa: S311 # no secret
    producer.ask()
    for _ in range(8):  # while contexts are answered and answers leave
        arena.run(point=rng.choice(["read", "before_commit", "committed", "acknowledged", "published"]))
    assert arena.run() == 0
    for i in range(72):
        producer.earn(12)
        status = arena.run(point=POINTS[i % len(POINTS)] if i % 8 < 7 else "committed", n=rng.choice([1, 1, 2, 3]))
        assert status in (0, -9)
    assert arena.run() == 0
    assert account(arena, wire, producer) == Account(0, 0, 0, 0, 0, 0, is_intact=True)
    assert arena.kills.total() >= 60
    assert all(arena.kills[point] >= 4 for point in POINTS if point != "published"), arena.kills
    assert arena.kills["published"] >= 1


@pytest.mark.parametrize(
    ("design", "point", "sign"),
    [("ack_first", "acknowledged", "lost"), ("no_reclaim", "committed", "stuck"), ("no_keys", "committed", "doubled")],
)
def test_bad_design__is_caught(arena: Arena, wire: RedisWire, design: str, point: str, sign: str) -> None:
    producer = Producer(wire, random.Random(1))  # noqa: S311 # no secret
    producer.ask()
    assert arena.run() == 0
    for _ in range(6):
        producer.earn(10)
        arena.run(point=point, design=design)
    arena.run(design=design)
    assert arena.kills.total() >= 5
    found = account(arena, wire, producer)
    assert getattr(found, sign) > 0, found


def test_capped_stream__is_caught(arena: Arena, wire: RedisWire) -> None:
    producer = Producer(wire, random.Random(1))  # noqa: S311 # no secret
    producer.ask()
    assert arena.run() == 0
    producer.maxlen = 30
    for _ in range(3):
        producer.earn(40)  # faster than anybody reads
        arena.run(point="committed", n=2)
    arena.run()
    assert account(arena, wire, producer).lost > 0
