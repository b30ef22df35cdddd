"""What is wrong on the wire goes to the quarantine with its reason; everything else of the same batch is taken in."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from collection.envelope import entry_fields
from collection.publisher_store import RedisPublisher
from collection.stream_source import RedisStream
from domain.errors import InvalidSnapshot
from domain.events import Body, DecisionRequest, MarketPoint, Outcome, StreamEntry
from domain.ports import DrivenClock, UnitOfWork
from domain.records import OutboxEntry
from loop.consumer import LOST, MAX_DELIVERIES, Consumer
from loop.one_decision import decision_id
from loop.streams import intake_of
from loop.wiring import Workspace, open_workspace

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONFIG = """
version: 1
stores: {{data_dir: {data}, prefix: {prefix}}}
decision_points:
  flow: {{mode: log, baseline: none, actions: {{none: {{}}, promo: {{cost: 1}}}}}}
  free: {{mode: log, actions: {{none: {{}}, promo: {{cost: 1}}}}}}
"""


@dataclass
class Edge:
    """One stream of a business, and what its producers append to it."""

    workspace: Workspace
    key: str
    n: int = 0

    def send(self, sent: Body, /, **changes: str) -> None:
        self.n += 1
        fields = entry_fields(sent, event_id=f"e-{self.n}", producer="shop", at=NOON)
        self.send_fields({**fields, **changes})

    def send_fields(self, fields: dict[str, str]) -> None:
        RedisPublisher(self.workspace.wire).publish([OutboxEntry(self.n, self.key, fields)])

    def consumer(self, name: str = "c") -> Consumer:
        stream = RedisStream(self.workspace.wire, self.key, group="amso", consumer=name, claim_idle_seconds=0.01)
        intake = intake_of(self.workspace, self.key)
        return Consumer(stream, self.workspace.knowledge, intake.take, intake.reject)

    def quarantined(self) -> dict[str, int]:
        with self.workspace.knowledge.transaction() as books:
            return dict(books.quarantine.counts())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edge")


@pytest.fixture
def edge(data_dir: Path, request: pytest.FixtureRequest) -> Iterator[Edge]:
    name = "".join(c if c.isalnum() else "_" for c in request.node.name)[-40:]
    config = data_dir / f"{name}.yaml"
    config.write_text(CONFIG.format(data=data_dir, prefix=name))
    workspace = open_workspace(config, (), {"AMSO_SQL_URL": f"sqlite:///{data_dir / name}.db"}, clock=DrivenClock(NOON))
    yield Edge(workspace, workspace.wire.keys.outcomes)
    workspace.close()
    workspace.knowledge.close()  # type: ignore[attr-defined] # the real one


def make_context(request_id: str = "r-1", point: str = "flow") -> DecisionRequest:
    return DecisionRequest(request_id, point, "ann", {"plan": "monthly"})


def make_outcome(key: str = "o-1", *, decision: str | None = None, currency: str = "EUR") -> Outcome:
    return Outcome(key, "ann", "net_revenue", Decimal("2.50"), currency, decision)


def test_broken_entries__are_set_aside_and_the_others_taken(edge: Edge) -> None:
    edge.send(make_context())
    edge.send(MarketPoint("price", 1.0), body='{"series": "price", "val')
    edge.send(MarketPoint("price", 1.0), id="")
    edge.send(MarketPoint("price", 1.0), at="2026-03-02T12:00:00")
    edge.send(MarketPoint("price", 1.0), type="marked")
    edge.send(make_outcome("o-2", decision="d-never"))
    edge.send(make_outcome("o-3", currency="USD"))
    edge.send(make_context("r-2", "flaw"))
    edge.send(make_context("r-3", "free"))
    edge.send(MarketPoint("price", 2.0))
    consumer = edge.consumer()
    assert consumer.step(0.0) == 10
    assert consumer.step(0.0) == 0
    assert edge.quarantined() == dict.fromkeys(
        [
            "`body` is not JSON",
            "`id` is missing",
            "`at` has no time zone",
            "unknown type; did you mean `market`?",
            "names a decision that was never made",
            "not in EUR, and no exchange rate for its day",
            "unknown decision point",
            "no baseline: neither the config nor the request names one",
        ],
        1,
    )
    with edge.workspace.knowledge.transaction() as books:
        assert books.events.counts() == {"market": 1}
        assert books.decisions.count() == {"baseline": 1}
        (stream,) = books.imports.recent()
    assert (stream.n_rows, stream.n_used) == (10, 2)


def test_outcome_of_a_known_decision__is_taken(edge: Edge) -> None:
    edge.send(make_context())
    consumer = edge.consumer()
    consumer.step(0.0)
    edge.send(make_outcome(decision=decision_id("flow", "r-1")))
    consumer.step(0.0)
    assert edge.quarantined() == {}
    with edge.workspace.knowledge.transaction() as books:
        assert [o.reward for o in books.replay.observed("flow", only_matured=False)] == [Decimal("2.50")]


def test_same_id_with_another_body__leaves_the_first_one(edge: Edge) -> None:
    edge.send(MarketPoint("price", 1.0), id="same")
    edge.send(MarketPoint("price", 1.0), id="same")
    edge.send(MarketPoint("price", 2.0), id="same")
    edge.consumer().step(0.0)
    assert edge.quarantined() == {"the same id came before with another body": 1}
    with edge.workspace.knowledge.transaction() as books:
        found = books.events.latest("market", "price")
    assert found is not None
    assert found.body["value"] == 1.0


def test_same_request_with_another_content__keeps_its_answer(edge: Edge) -> None:
    edge.send(make_context())
    edge.send(DecisionRequest("r-1", "flow", "bob", {"plan": "monthly"}))
    edge.consumer().step(0.0)
    assert edge.quarantined() == {"the same request_id came before with another content": 1}


def test_poison__is_quarantined_after_some_tries_and_stops_nobody(edge: Edge) -> None:
    edge.send(MarketPoint("poison", 1.0))
    edge.send(MarketPoint("price", 1.0))
    good = edge.consumer()

    def take(books: UnitOfWork, entries: Sequence[StreamEntry]) -> None:
        if any("poison" in entry.fields["body"] for entry in entries):
            raise RuntimeError("a bug that this entry provokes")
        good.take(books, entries)

    consumer = Consumer(good.stream, good.knowledge, take, good.reject)
    assert consumer.step(0.0) == 1  # the other one, at once
    tries = 1
    while not edge.quarantined():
        consumer.step(0.0)
        tries += 1
    assert tries == MAX_DELIVERIES
    assert edge.quarantined() == {"could not be handled: RuntimeError": 1}
    with edge.workspace.knowledge.transaction() as books:
        (record,) = books.quarantine.records()
        assert "poison" in json.loads(record.raw)["body"]
        assert books.events.counts() == {"market": 1}


def test_gap_in_seq__is_told_and_closed_by_the_late_number(edge: Edge) -> None:
    for seq in (1, 2, 5):
        edge.send(MarketPoint("price", 1.0), seq=str(seq))
    consumer = edge.consumer()
    consumer.step(0.0)
    with edge.workspace.knowledge.transaction() as books:
        assert [(g.producer, g.first_missing, g.last_missing) for g in books.events.gaps()] == [("shop", 3, 4)]
    for seq in (4, 3):
        edge.send(MarketPoint("price", 1.0), seq=str(seq))
    consumer.step(0.0)
    with edge.workspace.knowledge.transaction() as books:
        assert books.events.gaps() == []


def test_entry_removed_unread__is_told(edge: Edge) -> None:
    edge.send(MarketPoint("price", 1.0))
    edge.consumer("dead").stream.read(block_seconds=0.0)
    edge.workspace.wire.command(lambda client: client.xtrim(edge.key, maxlen=0, approximate=False))
    consumer = edge.consumer("alive")
    for _ in range(200):
        consumer.step(0.005)
        if edge.quarantined():
            break
    assert edge.quarantined() == {LOST: 1}


def test_another_type_at_the_key__is_named(edge: Edge) -> None:
    edge.workspace.wire.command(lambda client: client.set(edge.key, "x"))
    with pytest.raises(InvalidSnapshot, match="holds a string, expected a stream"):
        edge.consumer().step(0.0)
