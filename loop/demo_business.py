"""The demo's business behind the wire: a reference market whose customers ask, are treated, pay late, twice, and less.

It knows AMSO only by its streams. It publishes customers, market and finance events and contexts; reads decisions and
effects; carries the effects out; and sends what came of them: most within the month, some after the reward wait, some
twice, some wrong and corrected, some paid and partly refunded. Its own books say what AMSO's must add up to.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from collection.envelope import entry_fields, parse_json_object
from collection.publisher_store import RedisPublisher
from collection.redis_store import RedisWire
from collection.stream_source import RedisStream
from domain.arrays import FloatArray, IntArray
from domain.events import Body, CustomerSnapshot, DecisionRequest, FinanceEntry, MarketPoint, Outcome
from domain.records import OutboxEntry
from env.reference.tabular import TabularMarket

POINT = "monthly_offer"
BASELINE = "nothing"
CURRENCY = "EUR"
CENT = Decimal("0.01")
LATE, TWICE, CORRECTED, REFUNDED = 0.10, 0.05, 0.03, 0.03  # shares of the outcomes
LATE_DAYS = 35  # after the decision: past the reward wait


@dataclass
class Customers:
    """Everybody who ever joined, in columns."""

    state: FloatArray  # (n, 1) raw state of the market
    is_here: np.ndarray  # (n,) bool
    joined_month: IntArray  # (n,)

    def join(self, state: FloatArray, month: int) -> None:
        n = len(state)
        self.state = np.concatenate([self.state, state])
        self.is_here = np.concatenate([self.is_here, np.ones(n, dtype=np.bool_)])
        self.joined_month = np.concatenate([self.joined_month, np.full(n, month)])


@dataclass
class Business:
    """Month by month. `ledger` is its own account: decision -> what it really earned, action cost off."""

    market: TabularMarket
    wire: RedisWire
    rng: np.random.Generator
    customers: Customers = field(
        default_factory=lambda: Customers(np.empty((0, 1)), np.empty(0, dtype=np.bool_), np.empty(0, dtype=np.int64))
    )
    ledger: dict[str, Decimal] = field(default_factory=dict)
    month_of: dict[str, int] = field(default_factory=dict)  # decision -> month
    customer_of: dict[str, int] = field(default_factory=dict)  # decision -> customer
    n_sent: int = 0
    _due: dict[int, list[tuple[datetime, Outcome]]] = field(default_factory=lambda: defaultdict(list))
    _seq: int = 0

    def __post_init__(self) -> None:
        keys = self.wire.keys
        self._publisher = RedisPublisher(self.wire)
        self._decisions = RedisStream(self.wire, keys.decisions, group="shop", consumer="shop")
        self._effects = RedisStream(self.wire, keys.effects, group="shop", consumer="shop")

    def welcome(self, n: int, month: int, at: datetime) -> None:
        """New customers, announced on the wire."""
        first = len(self.customers.is_here)
        self.customers.join(self.market.initial(n, self.rng), month)
        rows = np.arange(first, first + n)
        self._send(self.wire.keys.events, [(at, CustomerSnapshot(_name(i), f)) for i, f in self._features(rows)])

    def report(self, month: int, at: datetime) -> None:
        """What else a business tells: a competitor's price, and last month's books."""
        earned = sum((self.ledger[d] for d, m in self.month_of.items() if m == month - 1), Decimal(0))
        price = MarketPoint("competitor_price", 20.0 + float(self.rng.normal()))
        self._send(self.wire.keys.events, [(at, price), (at, FinanceEntry("net_revenue", earned, CURRENCY))])

    def ask(self, month: int, at: datetime) -> int:
        """A context for every customer who is here; how many."""
        rows = np.flatnonzero(self.customers.is_here)
        asked = [
            (at, DecisionRequest(f"r-{month}-{i}", POINT, _name(i), features)) for i, features in self._features(rows)
        ]
        self._send(self.wire.keys.contexts, asked)
        return len(asked)

    def act(self, month: int, at: datetime) -> int:
        """Reads what was decided, carries the effects out, lets the month pass; how many decisions there were."""
        decided = {str(b["request_id"]): str(b["decision_id"]) for b in self._read(self._decisions)}
        effects = {str(b["decision_id"]): str(b["action"]) for b in self._read(self._effects)}
        rows = np.array([int(request.rpartition("-")[2]) for request in decided], dtype=np.int64)
        actions = [effects.get(decision, BASELINE) for decision in decided.values()]
        places = np.array([self.market.actions.index(a) for a in actions], dtype=np.int64)
        moved = self.market.advance(self.customers.state[rows], places, self.rng)
        self.customers.state[rows] = moved.next_state
        self.customers.is_here[rows] = ~moved.terminated
        cost = self.market.cost_amount[places]
        for decision, row, reward, c, left in zip(
            decided.values(), rows.tolist(), moved.reward, cost, moved.terminated, strict=True
        ):
            self._book(decision, row, month, at, _cents(float(reward + c)), _cents(float(c)), is_gone=bool(left))
        return len(decided)

    def settle(self, month: int, at: datetime) -> None:
        """Sends the outcomes that are known by now."""
        due = [item for m in sorted(self._due) if m <= month for item in self._due[m]]
        for m in [m for m in self._due if m <= month]:
            del self._due[m]
        self._send(self.wire.keys.outcomes, [(when, outcome) for when, outcome in due if when <= at])
        self._due[month + 1] += [(when, outcome) for when, outcome in due if when > at]
        self.n_sent += sum(when <= at for when, _ in due)

    def _book(
        self, decision: str, row: int, month: int, at: datetime, paid: Decimal, cost: Decimal, *, is_gone: bool
    ) -> None:
        """The ledger's line, and the outcomes by which AMSO will hear of it."""
        self.ledger[decision] = paid - cost
        self.month_of[decision], self.customer_of[decision] = month, row
        luck = self.rng.random(4)
        when = at + timedelta(days=LATE_DAYS if luck[0] < LATE else float(self.rng.uniform(1, 25)))
        outcomes = [] if is_gone else self._payment(decision, row, paid, luck, when)
        if is_gone:
            outcomes = [(when, _outcome(f"left-{decision}", decision, row, "left", Decimal(1)))]
        self._due[month] += outcomes
        if luck[1] < TWICE:
            self._due[month] += outcomes[:1]

    def _payment(
        self, decision: str, row: int, paid: Decimal, luck: FloatArray, when: datetime
    ) -> list[tuple[datetime, Outcome]]:
        name, later = f"pay-{decision}", when + timedelta(days=1)
        if luck[2] < CORRECTED:
            wrong = _outcome(name, decision, row, "net_revenue", paid + 100)
            right = _outcome(f"fix-{decision}", decision, row, "net_revenue", paid, corrects=name)
            return [(later, right), (when, wrong)]  # the correction may come first
        if luck[3] < REFUNDED:
            whole = _outcome(name, decision, row, "net_revenue", paid + 10)
            return [(when, whole), (later, _outcome(f"back-{decision}", decision, row, "net_revenue", Decimal(-10)))]
        return [(when, _outcome(name, decision, row, "net_revenue", paid))]

    def _features(self, rows: IntArray) -> list[tuple[int, Mapping[str, float | str]]]:
        context = self.market.context(self.customers.state[rows])
        names = list(context.columns)
        values = zip(*(context.columns[name].tolist() for name in names), strict=True)
        return [(int(i), dict(zip(names, v, strict=True))) for i, v in zip(rows, values, strict=True)]

    def _send(self, stream: str, bodies: Sequence[tuple[datetime, Body]]) -> None:
        entries = []
        for at, body in bodies:
            self._seq += 1
            fields = entry_fields(body, event_id=f"shop-{self._seq}", producer="shop", at=at, seq=self._seq)
            entries.append(OutboxEntry(self._seq, stream, fields))
        self._publisher.publish(entries)

    def _read(self, stream: RedisStream) -> list[Mapping[str, object]]:
        bodies: list[Mapping[str, object]] = []
        while entries := stream.read(block_seconds=0.0, limit=1_000):
            bodies += [parse_json_object(e.fields["body"], "body") for e in entries]
            stream.acknowledge(entries)
        return bodies


def _name(row: int) -> str:
    return f"customer-{row}"


def _outcome(
    outcome_id: str, decision: str, row: int, metric: str, amount: Decimal, corrects: str | None = None
) -> Outcome:
    return Outcome(outcome_id, _name(row), metric, amount, CURRENCY, decision, corrects)


def _cents(amount: float) -> Decimal:
    return Decimal(str(amount)).quantize(CENT)
