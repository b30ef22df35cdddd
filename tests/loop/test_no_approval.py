"""No action but the baseline leaves over the wire without an approval that covers it, whatever came about.

Contexts come in on a real Redis; what leaves is what stands in `amso:decisions` and `amso:effects`. The HTTP API has
the same test in tests/dashboard/test_api.py.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from collection.envelope import entry_fields
from collection.halt_store import RedisHaltMirror
from collection.publisher_store import RedisPublisher
from domain.decisions import Answer
from domain.errors import NotPermitted, SourceUnavailable
from domain.events import DecisionRequest
from domain.people import Person, Role
from domain.ports import DrivenClock, UnitOfWork
from domain.proposals import Halt, Scope, Status
from domain.records import OutboxEntry
from domain.segments import ALL, Condition, Predicate, Segment
from domain.strategies import Strategy
from knowledge.database import SqlKnowledgeBase
from loop.live import LiveWorker
from loop.relay import WITHHELD, Relay
from loop.streams import open_streams
from loop.wiring import Workspace, open_workspace
from tracker.approvals import approve
from tracker.coverage import shown_hash
from tracker.halts import halt
from tracker.people import add_person
from tracker.plans import PlanInputs
from tracker.proposals import ProposalDraft, propose
from tracker.rollout import advance, base_version, pause, roll_back

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONFIG = """
version: 1
stores: {{data_dir: {data}, prefix: {prefix}}}
decision_points:
  flow:
    mode: {mode}
    baseline: none
    reward_wait: 14d
    actions: {{none: {{}}, promo: {{cost: 1}}, gift: {{cost: 2}}}}
limits: {{loss_cap: 1000, same_price_for: 30d}}
holdout: {{share: {holdout}}}
approvals:
  tiers: {{all: {{approvers: {{any: 2}}, decide_within: 7d, valid_for: 90d}}}}
  canary: {{steps: [1.0], min_days: 1, min_per_action: 5, on_inconclusive: pause}}
"""
N_UNITS = 30


@dataclass
class Shop:
    """A business with a gated point, three people, and an experiment that would serve promo or gift."""

    workspace: Workspace
    clock: DrivenClock
    people: dict[str, Person]
    proposal_id: str

    @property
    def knowledge(self) -> SqlKnowledgeBase:
        assert isinstance(self.workspace.knowledge, SqlKnowledgeBase)
        return self.workspace.knowledge

    def approve(self, *names: str) -> None:
        for name in names:
            with self.knowledge.transaction() as books:
                seen = shown_hash(books.proposals.get(self.proposal_id).proposal)
                settings = self.workspace.settings
                approve(
                    books,
                    self.proposal_id,
                    person=self.people[name],
                    seen_hash=seen,
                    settings=settings,
                    now=self.clock.at,
                )

    def advance(self) -> None:
        with self.knowledge.transaction() as books:
            tracked = books.proposals.get(self.proposal_id)
            advance(books, tracked, settings=self.workspace.settings, tally={}, reading=None, now=self.clock.at)

    def go_live(self) -> None:
        self.approve("ben", "cleo")
        self.advance()

    def sql(self, statement: str, **values: object) -> None:
        """What an intruder with the database would do."""
        with self.knowledge.engine.begin() as connection:
            connection.execute(text(statement), values)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


def open_shop(data_dir: Path, name: str, *, mode: str = "gated", holdout: float = 0.0) -> Shop:
    """One embedded Redis for all; a prefix and a database of its own for each."""
    config = data_dir / f"{name}.yaml"
    config.write_text(CONFIG.format(data=data_dir, prefix=name, mode=mode, holdout=holdout))
    clock = DrivenClock(NOON)
    environ = {"AMSO_SQL_URL": f"sqlite:///{data_dir / name}.db", "AMSO_UNIT_KEY": "k" * 40}
    workspace = open_workspace(config, (), environ, clock=clock)
    with workspace.knowledge.transaction() as books:
        roles = {"ana": [Role.PROPOSER, Role.APPROVER], "ben": [Role.APPROVER], "cleo": [Role.APPROVER]}
        people = {n: add_person(books, n, r, None, actor="operator", now=NOON)[0] for n, r in roles.items()}
        proposal = propose(
            books, make_draft(books, workspace), proposer=people["ana"], settings=workspace.settings, now=NOON
        )
    assert proposal.status is Status.PENDING
    return Shop(workspace, clock, people, proposal.proposal.proposal_id)


def make_draft(books: UnitOfWork, workspace: Workspace, segment: Segment = ALL, reach: float = 1.0) -> ProposalDraft:
    design = {"units_per_action": 50, "days": 20, "smallest_difference": 1.0, "largest_loss": 100}
    return ProposalDraft(
        strategy_id=Strategy("flow", segment, "experiment").strategy_id,
        decision_point="flow",
        segment=segment,
        action="experiment",
        actions=("promo", "gift"),
        evidence={"verdict": "cannot_tell", "design": design},
        base_version=base_version(books, workspace.settings, "flow", segment),
        scope=Scope(reach, loss_cap_amount=Decimal(500)),
        plan=PlanInputs(decisions_per_day=100.0, reward_sd=1.0),
    )


@pytest.fixture
def shop(data_dir: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    name = "".join(c if c.isalnum() else "_" for c in request.node.name)[-40:]
    opened = open_shop(data_dir, name)
    yield opened
    opened.workspace.close()
    opened.knowledge.close()


def leaves(shop: Shop, *, first: int = 0, halts: Sequence[Halt] = ()) -> tuple[set[str], set[str]]:
    """What customers are told, and what workers outside are told to do, after a context of each unit came in."""
    keys = shop.workspace.wire.keys
    worker = LiveWorker(shop.workspace, tell=lambda _text: None)
    worker.start()
    if halts:
        RedisHaltMirror(shop.workspace.wire).write(halts)
    for i in range(first, first + N_UNITS):
        request = DecisionRequest(f"r-{i}", "flow", f"unit-{i}", {"plan": "monthly"})
        fields = entry_fields(request, event_id=f"c-{i}", producer="shop", at=NOON)
        RedisPublisher(shop.workspace.wire).publish([OutboxEntry(i, keys.contexts, fields)])
    worker.drain()
    worker.stop()
    return _actions(shop, keys.decisions), _actions(shop, keys.effects)


def _actions(shop: Shop, key: str) -> set[str]:
    found: Any = shop.workspace.wire.command(lambda client: client.xrange(key))  # redis-py's unions
    return {json.loads(fields["body"])["action"] for _, fields in found}


def pending(shop: Shop) -> None:
    pass


def half_approved(shop: Shop) -> None:
    shop.approve("ben")
    shop.advance()


def own_approval(shop: Shop) -> None:
    shop.approve("ben")
    with pytest.raises(NotPermitted):
        shop.approve("ana")
    shop.advance()


def own_approval_forced(shop: Shop) -> None:
    shop.go_live()
    shop.sql("UPDATE approvals SET approver = 'ana' WHERE approver = 'ben'")


def approved_by_one_made_live_by_hand(shop: Shop) -> None:
    shop.approve("ben")
    shop.sql("UPDATE proposals SET status = 'ACTIVE'")


def approved_but_not_started(shop: Shop) -> None:
    shop.approve("ben", "cleo")


def expired(shop: Shop) -> None:
    shop.go_live()
    shop.clock.at = NOON + timedelta(days=91)


def clock_runs_back(shop: Shop) -> None:
    shop.go_live()
    shop.clock.at = NOON - timedelta(hours=1)


def approval_of_something_else(shop: Shop) -> None:
    shop.go_live()
    with shop.knowledge.transaction() as books:
        given = books.approvals.of(shop.proposal_id, 1)
    shop.sql("DELETE FROM approvals")
    with shop.knowledge.transaction() as books:
        for approval in given:
            books.approvals.add(replace(approval, proposal_hash="0" * 64))


def content_edited(shop: Shop) -> None:
    shop.go_live()
    shop.sql("UPDATE proposals SET proposal = replace(proposal, '\"experiment\"', '\"gift\"')")


def evidence_edited(shop: Shop) -> None:
    shop.go_live()
    shop.sql("UPDATE proposals SET proposal = replace(proposal, '\"largest_loss\": 100', '\"largest_loss\": 1')")


def rules_changed(shop: Shop) -> None:
    shop.go_live()
    config = shop.workspace.data_dir / "changed.yaml"
    prefix = shop.workspace.settings.stores.prefix
    config.write_text(CONFIG.format(data=shop.workspace.data_dir, prefix=prefix, mode="gated", holdout=0.01))
    shop.workspace = open_workspace(config, (), shop.workspace.environ, clock=shop.clock)


def paused(shop: Shop) -> None:
    shop.go_live()
    with shop.knowledge.transaction() as books:
        pause(books, shop.proposal_id, person=shop.people["ben"], reason="doubt", now=shop.clock.at)


def rolled_back(shop: Shop) -> None:
    shop.go_live()
    with shop.knowledge.transaction() as books:
        roll_back(books, shop.proposal_id, person=shop.people["ben"], reason="doubt", now=shop.clock.at)


def halted_in_sql_only(shop: Shop) -> None:
    shop.go_live()
    with shop.knowledge.transaction() as books:
        halt(books, "global", "doubt", shop.people["ben"], shop.clock.at)


WAYS = (
    pending,
    half_approved,
    own_approval,
    own_approval_forced,
    approved_by_one_made_live_by_hand,
    approved_but_not_started,
    expired,
    clock_runs_back,
    approval_of_something_else,
    content_edited,
    evidence_edited,
    rules_changed,
    paused,
    rolled_back,
    halted_in_sql_only,
)


def test_covered_proposal__does_leave(shop: Shop) -> None:
    shop.go_live()
    assert leaves(shop) == ({"promo", "gift"}, {"promo", "gift"})


@pytest.mark.parametrize("come_about", WAYS)
def test_what_no_approval_covers__never_leaves(shop: Shop, come_about: Callable[[Shop], None]) -> None:
    come_about(shop)
    assert leaves(shop) == ({"none"}, set())


def test_halt_that_only_redis_knows__holds(shop: Shop) -> None:
    shop.go_live()
    assert leaves(shop, halts=[Halt("point:flow", "doubt", "ben", NOON)]) == ({"none"}, set())


@pytest.mark.parametrize("mode", ["log", "shadow"])
def test_other_modes__serve_the_baseline(data_dir: Path, mode: str) -> None:
    shop = open_shop(data_dir, f"mode_{mode}", mode=mode)
    shop.go_live()
    assert leaves(shop) == ({"none"}, set())
    shop.workspace.close()
    shop.knowledge.close()


def test_holdout__never_gets_anything_else(data_dir: Path) -> None:
    shop = open_shop(data_dir, "holdout", holdout=1.0)
    shop.go_live()
    assert leaves(shop) == ({"none"}, set())
    shop.workspace.close()
    shop.knowledge.close()


def ask(shop: Shop, request_id: str, unit_id: str = "ann") -> Answer:
    request = DecisionRequest(request_id, "flow", unit_id, {"plan": "monthly"})
    with shop.knowledge.transaction() as books:
        (found,) = shop.workspace.decider.answer(books, [request], shop.clock.at)
    assert isinstance(found, Answer)
    return found


def test_offer__stands_while_it_is_valid_and_new_ones_stop(shop: Shop) -> None:
    shop.go_live()
    offer = ask(shop, "r-1")
    assert offer.served == "policy"
    assert offer.valid_until == NOON + timedelta(days=30)
    with shop.knowledge.transaction() as books:
        roll_back(books, shop.proposal_id, person=shop.people["ben"], reason="doubt", now=NOON)
    assert ask(shop, "r-2") == replace(offer, request_id="r-2")  # the same customer, the same price
    assert ask(shop, "r-3", "bob").served == "baseline"
    shop.clock.at = NOON + timedelta(days=31)
    assert ask(shop, "r-4").served == "baseline"


def test_offer__never_outlives_its_approval(shop: Shop) -> None:
    shop.go_live()
    shop.clock.at = NOON + timedelta(days=80)
    offer = ask(shop, "r-1")
    assert offer.valid_until == NOON + timedelta(days=90)


def test_redis_gone__serves_the_baseline_and_says_so_then_recovers(shop: Shop) -> None:
    shop.go_live()
    assert ask(shop, "r-1").served == "policy"
    wire = shop.workspace.wire
    wire.command(lambda client: client.set(wire.keys.halt, "no hash"))  # nothing to be read there
    gone = ask(shop, "r-2", "bob")
    assert (gone.served, gone.action) == ("baseline", "none")
    assert "cannot be read" in gone.why
    wire.command(lambda client: client.delete(wire.keys.halt))
    assert ask(shop, "r-3", "cy").served == "policy"


def test_controls__are_baseline_decisions_about_the_same_segment(data_dir: Path) -> None:
    shop = open_shop(data_dir, "controls")
    monthly = Segment("monthly", Predicate((Condition("plan", any_of=("monthly",)),)))
    with shop.knowledge.transaction() as books:
        draft = make_draft(books, shop.workspace, monthly, reach=0.5)
        settings = shop.workspace.settings
        made = propose(books, draft, proposer=shop.people["ana"], settings=settings, now=NOON)
    shop.proposal_id = made.proposal.proposal_id
    shop.go_live()
    plans = ["monthly", "yearly", ""]
    requests = [DecisionRequest(f"r-{i}", "flow", f"unit-{i}", {"plan": plans[i % 3] or None}) for i in range(90)]
    with shop.knowledge.transaction() as books:
        answers = shop.workspace.decider.answer(books, requests, NOON)
        baseline = {
            a.decision_id: r.features["plan"]
            for a, r in zip(answers, requests, strict=True)
            if isinstance(a, Answer) and a.served == "baseline"
        }
    with shop.knowledge.engine.begin() as connection:
        noted = set(connection.execute(text("SELECT decision_id FROM decision_controls")).scalars())
    assert set(baseline.values()) == {"monthly", "yearly", None}
    assert noted == {decision for decision, plan in baseline.items() if plan == "monthly"}
    shop.workspace.close()
    shop.knowledge.close()


def test_what_waited_in_the_outbox__leaves_only_while_it_is_covered(shop: Shop) -> None:
    """A worker died between its commit and the relay; before the next one came, everything was halted."""
    shop.go_live()
    keys, knowledge = shop.workspace.wire.keys, shop.workspace.knowledge
    away = Relay(knowledge, _Away(), shop.workspace.decider, keys.effects, shop.clock)
    streams = replace(open_streams(shop.workspace, with_contexts=True), relay=away)
    for i in range(8):
        request = DecisionRequest(f"w-{i}", "flow", f"unit-{i}", {"plan": "monthly"})
        fields = entry_fields(request, event_id=f"w-{i}", producer="shop", at=NOON)
        RedisPublisher(shop.workspace.wire).publish([OutboxEntry(i, keys.contexts, fields)])
    with pytest.raises(SourceUnavailable):
        streams.step(0.0)
    with shop.knowledge.transaction() as books:
        assert books.outbox.n_pending() == 16
        halt(books, "global", "doubt", shop.people["ben"], NOON)
    worker = LiveWorker(shop.workspace, tell=lambda _text: None)
    worker.start()
    worker.drain()
    assert _actions(shop, keys.decisions) == _actions(shop, keys.effects) == set()
    with shop.knowledge.transaction() as books:
        assert books.outbox.n_pending() == 0
        assert books.quarantine.counts() == {WITHHELD: 16}


class _Away:
    """Redis is gone when the relay comes."""

    def publish(self, entries: Sequence[OutboxEntry]) -> None:
        raise SourceUnavailable(f"{len(entries)} entries find no Redis")


def test_repeated_request__gets_its_answer_only_while_something_covers_it(data_dir: Path) -> None:
    shop = open_shop(data_dir, "repeated")
    shop.go_live()
    offer = ask(shop, "r-1")
    assert offer.served == "policy"
    with shop.knowledge.transaction() as books:
        halt(books, "global", "doubt", shop.people["ben"], NOON)
    assert (ask(shop, "r-1").served, ask(shop, "r-1").action) == ("baseline", "none")
    with shop.knowledge.transaction() as books:
        books.halts.remove("global")
    assert ask(shop, "r-1") == offer
    shop.clock.at = NOON + timedelta(days=400)
    late = ask(shop, "r-1")
    assert (late.served, late.action, late.decision_id) == ("baseline", "none", offer.decision_id)
    shop.workspace.close()
    shop.knowledge.close()
