"""What came of a proposal, step by step, and after it has ended."""

from collections.abc import Iterator

import pytest

from config.settings import Settings
from domain.decisions import Arm
from domain.ports import UnitOfWork
from domain.proposals import Status, TrackedProposal
from domain.records import RealisedGain
from knowledge.database import open_knowledge
from loop.realised import keep_realised, served_policy
from tests.tracker.office import (
    ANA,
    DAY,
    MONTHLY,
    NOON,
    SETTINGS,
    earn,
    make_approved,
    make_live,
    make_pending,
    step_on,
)
from tracker.rollout import roll_back


@pytest.fixture
def books() -> Iterator[UnitOfWork]:
    knowledge = open_knowledge("sqlite://")
    with knowledge.transaction() as books:
        yield books
    knowledge.close()


def both_earn(books: UnitOfWork, policy: str, baseline: str, *, day: float, name: str, n: int = 60) -> None:
    earn(books, policy, day=day, arm=Arm.POLICY, proposal_id=name, n=n)
    earn(books, baseline, day=day, arm=Arm.BASELINE, proposal_id=None, n=n)


def look(
    books: UnitOfWork, tracked: TrackedProposal, *, day: float, settings: Settings = SETTINGS
) -> RealisedGain | None:
    keep_realised(books, tracked, settings, NOON + day * DAY)
    return books.realised.get(tracked.proposal.proposal_id)


def test_what_never_served__has_no_row(books: UnitOfWork) -> None:
    assert look(books, make_pending(books), day=1) is None
    assert look(books, make_approved(books), day=1) is None


def test_what_serves__counts_its_step_alone(books: UnitOfWork) -> None:
    approved = make_approved(books)
    earn(books, "9", day=1, arm=Arm.BASELINE, proposal_id=None)  # a good season, before anything was live
    live = step_on(books, approved, now=NOON + 2 * DAY)
    both_earn(books, "3", "3", day=3, name=live.proposal.proposal_id)
    found = look(books, live, day=20)
    assert found is not None
    assert found.amount == pytest.approx(0.0)
    assert (found.n_decisions, found.n_units, found.until) == (60, 60, None)
    assert (found.policy, found.baseline, found.reward) == ("p-1", "constant:nothing", "net_revenue")


def test_step_that_widens__takes_over_once_it_knows_as_much(books: UnitOfWork) -> None:
    live = make_live(books)
    name = live.proposal.proposal_id
    both_earn(books, "4", "3", day=1, name=name)
    first = look(books, live, day=3)
    wider = step_on(books, live, now=NOON + 3 * DAY)
    assert (wider.status, wider.step) == (Status.CANARY, 1)
    both_earn(books, "9", "3", day=4, name=name, n=40)
    still = look(books, wider, day=5)
    both_earn(books, "9", "3", day=4.5, name=name, n=40)
    now = look(books, wider, day=6)
    assert first is not None
    assert still is not None
    assert now is not None
    assert (still.amount, still.since, still.until) == (first.amount, NOON, wider.since)
    assert now.amount == pytest.approx(6.0)
    assert now.since == wider.since


def test_what_was_rolled_back__counts_rewards_that_mature_late_and_no_baseline_of_afterwards(books: UnitOfWork) -> None:
    live = make_live(books)
    name = live.proposal.proposal_id
    both_earn(books, "4", "3", day=1, name=name, n=40)
    look(books, live, day=1.5)
    ended = roll_back(books, name, person=ANA, reason="enough", now=NOON + 2 * DAY)
    earn(books, "4", day=1.6, arm=Arm.POLICY, proposal_id=name, n=20)  # matures after the end
    earn(books, "50", day=5, arm=Arm.BASELINE, proposal_id=None)
    found = look(books, ended, day=10)
    assert found is not None
    assert found.amount == pytest.approx(1.0, abs=0.01)
    assert (found.n_decisions, found.until) == (60, NOON + 2 * DAY)


def test_what_has_settled__is_left_alone(books: UnitOfWork) -> None:
    live = make_live(books)
    name = live.proposal.proposal_id
    both_earn(books, "4", "3", day=1, name=name)
    ended = roll_back(books, name, person=ANA, reason="enough", now=NOON + 2 * DAY)
    settled = look(books, ended, day=17)
    earn(books, "99", day=1.5, arm=Arm.POLICY, proposal_id=name)
    assert look(books, ended, day=18) == settled


def test_proposal_for_a_segment_meanwhile__is_noted_for_good(books: UnitOfWork) -> None:
    live = make_live(books)
    rival = make_live(books, segment=MONTHLY, strategy_id="st-2")
    both_earn(books, "4", "3", day=1, name=live.proposal.proposal_id)
    for others, is_noted in (((live,), False), ((live, rival), True), ((live,), True)):
        keep_realised(books, live, SETTINGS, NOON + 2 * DAY, others)
        found = books.realised.get(live.proposal.proposal_id)
        assert found is not None
        assert found.has_rivals is is_noted


def test_version_that_serves_one_action_only__is_that_constant(books: UnitOfWork) -> None:
    assert served_policy(make_pending(books, actions=("offer",))) == "constant:offer"
    assert served_policy(make_pending(books, action="offer", actions=("offer",))) == "constant:offer"
