"""Small factories of the dashboard's tests: a workspace on a real SQLite file and a real Valkey, people, strategies."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from config.settings import Settings
from dashboard.app import create_app
from dashboard.serve import bind, make_server
from domain.people import Role
from domain.ports import Clock, KnowledgeBase, SystemClock
from domain.proposals import TrackedProposal
from domain.records import StrategyRecord
from domain.segments import ALL, Condition, Predicate, Segment
from domain.strategies import Strategy
from knowledge.database import open_knowledge
from loop.gate import approve, propose
from loop.people import add_person
from loop.wiring import Workspace
from tracker.rollout import advance

POINT = "paywall"
UNIT_KEY = {"AMSO_UNIT_KEY": "k" * 32}  # so that the same customers are in the same arms every time
HOSTILE = "<script>alert('x')</script>\"'&"
MONTHLY = Segment("plan is monthly", Predicate((Condition("plan", any_of=("monthly",)),)))


@dataclass(frozen=True)
class House:
    """A workspace with three people, ana proposes, ben and cleo approve; served on a port of its own."""

    workspace: Workspace
    tokens: Mapping[str, str]
    url: str
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, **options: object) -> httpx.Client:
        """Follows no redirect: tests look at them. Closed with the house."""
        client = httpx.Client(base_url=self.url, timeout=20, **options)  # type: ignore[arg-type] # httpx's own
        self.clients.append(client)
        return client

    def signed_in(self, name: str) -> httpx.Client:
        client = self.client()
        answer = client.post("/login", data={"csrf": csrf_of(client, "/login"), "token": self.tokens[name]})
        assert answer.status_code == 303, answer.text
        return client

    def propose(self, **limits: object) -> str:
        shown = propose(self.workspace, self.tokens["ana"], strategy=strategy_id(), reach=0.5, **limits)  # type: ignore[arg-type] # tests say what they narrow
        return shown.tracked.proposal.proposal_id

    def approve(self, proposal_id: str, *names: str) -> None:
        for name in names:
            approve(self.workspace, self.tokens[name], proposal_id)

    def advance(self, proposal_id: str) -> TrackedProposal:
        """One step on, as `live` does."""
        with self.workspace.knowledge.transaction() as books:
            tracked = books.proposals.get(proposal_id)
            settings, now = self.workspace.settings, self.workspace.clock.now()
            return advance(books, tracked, settings=settings, tally={"offer": 50}, reading=None, now=now)

    def live(self) -> str:
        """A proposal in its canary, whose whole scope is decided for."""
        proposal_id = self.propose()
        self.approve(proposal_id, "ben", "cleo")
        self.advance(proposal_id)
        return proposal_id


@contextmanager
def open_house(
    folder: Path,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    knowledge: KnowledgeBase | None = None,
    came_from: str | None = None,
    **changes: object,
) -> Iterator[House]:
    """Args: `knowledge` instead of the real one, once people are there; `came_from` as every request's address."""
    settings = make_settings(folder, **changes)
    real = open_knowledge(settings.sql_url)
    workspace = Workspace(settings, real, clock or SystemClock(), {**UNIT_KEY, **(environ or {})})
    tokens = {name: _add(workspace, name, role) for name, role in PEOPLE.items()}
    if knowledge is not None:
        workspace = replace(workspace, knowledge=knowledge)
    try:
        with serving(workspace, came_from) as url:
            house = House(workspace, tokens, url)
            try:
                yield house
            finally:
                for client in house.clients:
                    client.close()
    finally:
        workspace.close()
        real.close()


@contextmanager
def serving(workspace: Workspace, came_from: str | None = None) -> Iterator[str]:
    """The application behind a real server in a thread; its URL."""
    app = create_app(workspace)
    with bind("127.0.0.1", 0) as listening:
        server = make_server(app if came_from is None else _Elsewhere(app, came_from), app.state.feed)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.005)


class _Elsewhere:
    """Lets every request come from another machine."""

    def __init__(self, app: ASGIApp, address: str) -> None:
        self._app, self._address = app, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "client": (self._address, 1)} if scope["type"] == "http" else scope, receive, send)


PEOPLE = {"ana": (Role.PROPOSER,), "ben": (Role.APPROVER,), "cleo": (Role.APPROVER,)}


def make_settings(folder: Path, **changes: object) -> Settings:
    """One gated point; sections replaced as given."""
    tier = {"approvers": {"any": 2}, "decide_within": "3d", "valid_for": "90d"}
    data = {
        "stores": {"data_dir": str(folder)},
        "business": {"name": "Acme", "currency": "EUR"},
        "decision_points": {
            POINT: {
                "mode": "gated",
                "baseline": "nothing",
                "reward_wait": "14d",
                "actions": {"nothing": {}, "offer": {"discount": 0.1, "cost": 1.5, "max_cost": 2}},
            }
        },
        "limits": {"loss_cap": 500},
        "approvals": {"tiers": {"all": tier}, "canary": {"steps": [0.5, 1.0], "min_days": 1, "min_per_action": 20}},
    }
    return Settings.model_validate_json(json.dumps(data | changes))


def put_strategies(house: House, *, reason: str = "provably better", run: str = "recommend_1") -> None:
    """The list of one recommendation: a promoted action and one that nobody can tell."""
    known = {"kind": "recommendation", "baseline": "nothing", "currency": "EUR", "n_units": 1200, "horizon_days": 28.0}
    promoted = {"verdict": "promote", "value": 1234.5, "low": 800.0, "high": 1700.0, "reason": reason, "rank": 1}
    unknown = {"verdict": "cannot_tell", "value": None, "low": None, "high": None, "reason": "too few tried", "rank": 2}
    traffic = {"decisions_per_day": 400.0, "reward_sd": 5.0, "segment_share": 1.0, "cost": 300.0, "roi": 4.1}
    now = house.workspace.clock.now()
    records = [
        StrategyRecord(strategy_id(), POINT, ALL, "offer", {}, known | promoted | traffic, run, now),
        StrategyRecord(strategy_id(MONTHLY), POINT, MONTHLY, "offer", {}, known | unknown | traffic, run, now),
    ]
    with house.workspace.knowledge.transaction() as books:
        books.strategies.put(records)


def strategy_id(segment: Segment = ALL) -> str:
    return Strategy(POINT, segment, "offer").strategy_id


def csrf_of(client: httpx.Client, path: str) -> str:
    """The secret of the forms of this client's session."""
    text = client.get(path).text
    return text.partition('name="csrf" value="')[2].partition('"')[0]


def make_context(request_id: str = "r-1", unit_id: str = "ann@example.com", **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "request_id": request_id,
        "decision_point": POINT,
        "unit_id": unit_id,
        "features": {"plan": "monthly", "tenure_days": 90},
    }
    return body | changes


def make_outcome(decision_id: str, outcome_id: str = "o-1", **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "outcome_id": outcome_id,
        "decision_id": decision_id,
        "unit_id": "ann@example.com",
        "metric": "net_revenue",
        "amount": "9.99",
        "currency": "EUR",
    }
    return body | changes


def _add(workspace: Workspace, name: str, roles: tuple[Role, ...]) -> str:
    token = add_person(workspace, name, roles=roles).token
    assert token is not None
    return token
