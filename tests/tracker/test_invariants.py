"""A random walk over every act, with a clock that jumps both ways: what DESIGN section 7 promises holds throughout."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from config.settings import Settings
from domain.errors import AmsoError
from domain.guardrails import GuardrailReading
from domain.people import Person, Role
from domain.ports import UnitOfWork
from domain.proposals import LIVE, Approval, AuditEntry, Coverage, Scope, Status, TrackedProposal
from knowledge.database import SqlKnowledgeBase, open_knowledge
from tests.tracker.office import ANA, BEN, CLEO, DAN, NOON, SETTINGS, make_draft, make_person, make_settings
from tracker.approvals import approve, reject
from tracker.audit import verify
from tracker.coverage import coverage, shown_hash, standing
from tracker.lifecycle import move
from tracker.proposals import propose, revise, withdraw
from tracker.rollout import advance, base_version, pause, resume, roll_back

EVE = make_person("eve", Role.PROPOSER, Role.APPROVER, team="legal")
PEOPLE = (ANA, BEN, CLEO, DAN, EVE)
OTHER_RULES = make_settings(exploration={"share": 0.5})
GOOD = GuardrailReading("reward", 100, 100, 0.1, -0.1, 0.3, 0.5, is_breached=False)
LOSING = GuardrailReading("reward", 100, 100, -1.0, -1.5, -0.5, 0.5, is_breached=False)
BREACH = GuardrailReading("churn_30d", 100, 100, 0.1, 0.05, 0.2, 0.02, is_breached=True)
FINAL = frozenset(
    {Status.REFUSED, Status.REJECTED, Status.EXPIRED, Status.WITHDRAWN, Status.ROLLED_BACK, Status.SUPERSEDED}
)
Transition = tuple[str, str]


class Undone(Exception):
    pass


class Walk:
    """Acts at random, each in its own transaction; what is refused changes nothing."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 # a test's choices are no secrets
        self.base: SqlKnowledgeBase = open_knowledge("sqlite://")
        self.now: datetime = NOON
        self.settings: Settings = SETTINGS
        self.final: dict[str, Status] = {}

    def step(self) -> None:
        acts: dict[Callable[[], None], int] = {
            self.let_time_pass: 5,
            self.let_time_return: 1,
            self.change_the_rules: 1,
            self.propose_something: 2,
            self.launch: 3,
            self.approve_something: 3,
            self.sweep: 6,
            self.act: 4,
            self.revise_something: 1,
            self.force: 3,
        }
        self.rng.choices(list(acts), weights=list(acts.values()))[0]()

    def let_time_pass(self) -> None:
        self.now += timedelta(hours=self.rng.choice([1, 72, 72, 72, 72, 72, 24 * 45]))

    def let_time_return(self) -> None:
        self.now -= timedelta(hours=self.rng.choice([1, 24, 24 * 40]))

    def change_the_rules(self) -> None:
        self.settings = OTHER_RULES if self.settings is SETTINGS else SETTINGS

    def propose_something(self, person: Person | None = None) -> None:
        verdict = "promote" if person or self.rng.random() < 0.7 else "hold"
        draft = make_draft(
            scope=Scope(self.rng.choice([0.04, 0.3, 0.9]), None, Decimal(50)), evidence={"verdict": verdict}
        )
        who = person or self.rng.choice(PEOPLE)
        self.attempt(
            lambda books: propose(
                books,
                replace(draft, base_version=base_version(books, self.settings, "flow", draft.segment)),
                proposer=who,
                settings=self.settings,
                now=self.now,
            )
        )

    def launch(self) -> None:
        """The usual way, so that the walk spends its time among live ones."""
        self.propose_something(ANA)
        for tracked in self.found()[:1]:
            for person in (BEN, CLEO):
                self.approve(tracked, person, shown_hash(tracked.proposal))

    def approve_something(self) -> None:
        tracked = self.pick()
        if tracked is not None:
            person = self.rng.choice(PEOPLE)
            is_stale = self.rng.random() < 0.3
            is_taken = self.approve(tracked, person, "f00" if is_stale else shown_hash(tracked.proposal))
            assert not (is_taken and (is_stale or person.name == tracked.proposal.proposer))

    def approve(self, tracked: TrackedProposal, person: Person, seen: str) -> bool:
        name = tracked.proposal.proposal_id
        return self.attempt(
            lambda books: approve(books, name, person=person, seen_hash=seen, settings=self.settings, now=self.now)
        )

    def act(self) -> None:
        tracked, person = self.pick(), self.rng.choice(PEOPLE)
        if tracked is None:
            return
        name, now = tracked.proposal.proposal_id, self.now
        acts: list[Callable[[UnitOfWork], object]] = [
            lambda books: reject(books, name, person=person, reason="a walk", now=now),
            lambda books: withdraw(books, name, person=person, reason="a walk", now=now),
            lambda books: pause(books, name, person=person, reason="a walk", now=now),
            lambda books: resume(books, name, person=person, settings=self.settings, now=now),
            lambda books: roll_back(books, name, person=person, reason="a walk", now=now),
        ]
        self.attempt(self.rng.choice(acts))

    def revise_something(self) -> None:
        tracked = self.pick()
        if tracked is not None:
            proposer = make_person(tracked.proposal.proposer, Role.PROPOSER)
            name, draft = tracked.proposal.proposal_id, make_draft(scope=Scope(0.2, None, Decimal(50)))
            self.attempt(
                lambda books: revise(books, name, draft, proposer=proposer, settings=self.settings, now=self.now)
            )

    def force(self) -> None:
        """Whoever calls `move` directly gets no further than the table and the approvals allow."""
        tracked, to = self.pick(), self.rng.choice(sorted(LIVE))
        if tracked is None:
            return
        name = tracked.proposal.proposal_id
        if self.attempt(lambda books: move(books, name, to, actor="force", reason="forced", now=self.now)):
            self.is_covered(self.get(name))

    def sweep(self) -> None:
        reading = self.rng.choice([None, None, None, GOOD, GOOD, LOSING, BREACH])
        tally = {"offer": self.rng.choice([0, 500, 500, 500])}
        for tracked in self.found():
            with self.base.transaction() as books:
                moved = advance(books, tracked, settings=self.settings, tally=tally, reading=reading, now=self.now)
            if moved.status in LIVE:
                assert all(self.now < a.expires_at for a in self.approvals(moved))
                if (moved.status, moved.step) != (tracked.status, tracked.step):
                    self.is_covered(moved)
            if reading in (LOSING, BREACH) and tracked.status in LIVE and moved.status in LIVE:
                assert any(self.now < a.approved_at for a in self.approvals(moved))  # a clock nobody can trust

    def attempt(self, act: Callable[[UnitOfWork], object]) -> bool:
        try:
            with self.base.transaction() as books:
                act(books)
        except AmsoError:
            return False
        return True

    def found(self) -> Sequence[TrackedProposal]:
        with self.base.transaction() as books:
            return books.proposals.all()

    def pick(self) -> TrackedProposal | None:
        """Live or paused ones half of the time, where there are any."""
        found = self.found()
        wanted = [t for t in found if t.status in LIVE | {Status.PAUSED}] or found
        return self.rng.choice(wanted if self.rng.random() < 0.5 else found) if found else None

    def get(self, name: str) -> TrackedProposal:
        with self.base.transaction() as books:
            return books.proposals.get(name)

    def approvals(self, tracked: TrackedProposal) -> Sequence[Approval]:
        with self.base.transaction() as books:
            return books.approvals.of(tracked.proposal.proposal_id, tracked.proposal.revision)

    def is_covered(self, moved: TrackedProposal) -> None:
        """No live state without approvals that cover it at the time of moving."""
        rules = moved.proposal.rules_hash
        assert isinstance(coverage(moved, self.approvals(moved), rules_hash=rules, now=self.now), Coverage)

    def check(self) -> None:
        with self.base.transaction() as books:
            report = verify(books)
            assert report.is_intact, report.problems  # state = fold(audit)
            entries = books.audit.entries()
        assert_one_effect_a_step(entries)
        for tracked in self.found():
            self._check_people(tracked)
            if tracked.status in LIVE | {Status.PAUSED}:
                self._check_rollback(tracked)
        statuses = {t.proposal.proposal_id: t.status for t in self.found()}
        assert all(statuses[name] is status for name, status in self.final.items())
        self.final |= {name: status for name, status in statuses.items() if status in FINAL}

    def _check_people(self, tracked: TrackedProposal) -> None:
        proposal, approvals = tracked.proposal, self.approvals(tracked)
        assert proposal.proposer not in [a.approver for a in approvals]
        found = coverage(tracked, approvals, rules_hash=proposal.rules_hash, now=self.now)
        if isinstance(found, Coverage):
            assert tracked.status in LIVE
            assert all(a.approved_at <= self.now < a.expires_at for a in approvals)
        if tracked.status in LIVE:
            covered = standing(proposal, approvals, rules_hash=proposal.rules_hash, now=tracked.since)
            assert isinstance(covered, Coverage)

    def _check_rollback(self, tracked: TrackedProposal) -> None:
        """Reachable in one step, whatever the clock says; tried and undone."""
        name = tracked.proposal.proposal_id
        try:
            with self.base.transaction() as books:
                assert roll_back(books, name, person=DAN, reason="?", now=self.now).status is Status.ROLLED_BACK
                raise Undone
        except Undone:
            assert self.get(name) == tracked

    def transitions(self) -> set[Transition]:
        with self.base.transaction() as books:
            moves = [e for e in books.audit.entries() if e.act == "move"]
        return {(str(e.details["from"]), str(e.details["to"])) for e in moves}


def assert_one_effect_a_step(entries: Sequence[AuditEntry]) -> None:
    """Of one proposal and revision, a step of the canary is entered once; a resumed one was left by a pause."""
    widened = [
        (e.subject, e.details["revision"], e.details["step"])
        for e in entries
        if e.act == "move" and e.details["to"] == Status.CANARY and e.details["from"] != Status.PAUSED
    ]
    assert len(widened) == len(set(widened))


def test_promises__hold_whatever_happens_in_whatever_order() -> None:
    walked: set[Transition] = set()
    for seed in range(12):
        walk = Walk(seed)
        for _ in range(70):
            walk.step()
            walk.check()
        walked |= walk.transitions()
        walk.base.close()
    s = Status
    must_be_seen = {(s.CANARY, s.CANARY), (s.CANARY, s.ACTIVE), (s.CANARY, s.PAUSED), (s.ACTIVE, s.PAUSED)}
    must_be_seen |= {(s.PAUSED, s.CANARY), (s.PENDING, s.EXPIRED)}
    must_be_seen |= {(state, s.ROLLING_BACK) for state in (s.CANARY, s.ACTIVE, s.PAUSED)}
    must_be_seen |= {(s.PENDING, s.DRAFT), (s.PENDING, s.WITHDRAWN), (s.PENDING, s.REJECTED)}
    assert {(str(a), str(b)) for a, b in must_be_seen} <= walked  # a walk that meets nothing shows nothing
