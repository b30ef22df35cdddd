"""The life cycle over the full product of states, and what makes a move impossible."""

from itertools import product

import pytest

from domain.errors import IllegalTransition, NotPermitted
from domain.ports import UnitOfWork
from domain.proposals import LIVE, MOVES, OPEN, Status, TrackedProposal
from tests.tracker.office import BEN, DAY, NOON, make_approved, make_live, make_pending
from tracker.audit import verify
from tracker.lifecycle import move
from tracker.rollout import roll_back

S = Status
LIVING = (S.APPROVED, S.CANARY)
PATHS = {  # one way to every status, from DRAFT
    S.DRAFT: (),
    S.EVALUATING: (S.EVALUATING,),
    S.REFUSED: (S.EVALUATING, S.REFUSED),
    S.PENDING: (S.EVALUATING, S.PENDING),
    S.REJECTED: (S.EVALUATING, S.PENDING, S.REJECTED),
    S.EXPIRED: (S.EVALUATING, S.PENDING, S.EXPIRED),
    S.WITHDRAWN: (S.EVALUATING, S.PENDING, S.WITHDRAWN),
    S.APPROVED: (S.EVALUATING, S.PENDING, S.APPROVED),
    S.CANARY: (S.EVALUATING, S.PENDING, *LIVING),
    S.ACTIVE: (S.EVALUATING, S.PENDING, *LIVING, S.ACTIVE),
    S.PAUSED: (S.EVALUATING, S.PENDING, *LIVING, S.PAUSED),
    S.ROLLING_BACK: (S.EVALUATING, S.PENDING, *LIVING, S.ROLLING_BACK),
    S.ROLLED_BACK: (S.EVALUATING, S.PENDING, *LIVING, S.ROLLING_BACK, S.ROLLED_BACK),
    S.SUPERSEDED: (S.EVALUATING, S.PENDING, *LIVING, S.SUPERSEDED),
    S.MATURING: (S.EVALUATING, S.PENDING, *LIVING, S.ACTIVE, S.MATURING),
    S.COMPLETED: (S.EVALUATING, S.PENDING, *LIVING, S.ACTIVE, S.MATURING, S.COMPLETED),
}


def go(books: UnitOfWork, to: Status, step: int | None = None) -> TrackedProposal:
    return move(books, "pr-1", to, actor="test", reason="a test", now=NOON, step=step)


def stand_at(books: UnitOfWork, status: Status) -> None:
    """pr-1, approved, walked from DRAFT to `status`."""
    approved = make_approved(books).proposal
    books.proposals.set_status(approved.proposal_id, expected=S.APPROVED, to=S.DRAFT, at=NOON, step=0, paused_from=None)
    for to in PATHS[status]:
        go(books, to)


@pytest.mark.parametrize(("origin", "to"), list(product(S, S)))
def test_every_pair__moves_as_the_table_says_and_no_other_way(books: UnitOfWork, origin: Status, to: Status) -> None:
    stand_at(books, origin)
    is_allowed = to in MOVES[origin] and (origin, to) != (S.PAUSED, S.ACTIVE)  # it was paused from CANARY
    if is_allowed:
        assert go(books, to).status is to
    else:
        with pytest.raises(IllegalTransition, match=f"pr-1 is .*{origin}|canary step"):
            go(books, to)
    assert books.proposals.get("pr-1").status is (to if is_allowed else origin)


def test_error__says_where_it_stands_and_where_it_cannot_go(books: UnitOfWork) -> None:
    stand_at(books, S.ROLLED_BACK)
    with pytest.raises(IllegalTransition, match=r"^proposal pr-1 is ROLLED_BACK and cannot become ACTIVE"):
        go(books, S.ACTIVE)


def test_paused__returns_only_to_where_it_was_paused_from(books: UnitOfWork) -> None:
    make_live(books, S.ACTIVE)
    assert go(books, S.PAUSED).paused_from is S.ACTIVE
    with pytest.raises(IllegalTransition, match="PAUSED and cannot become CANARY"):
        go(books, S.CANARY)
    assert go(books, S.ACTIVE).paused_from is None


def test_canary_step_taken_twice__is_one_effect(books: UnitOfWork) -> None:
    make_live(books)
    first = move(books, "pr-1", S.CANARY, actor="w1", reason="widens", now=NOON + DAY, step=1)
    n_rows = len(books.audit.entries())
    again = move(books, "pr-1", S.CANARY, actor="w2", reason="widens", now=NOON + 2 * DAY, step=1)
    assert (again, len(books.audit.entries())) == (first, n_rows)
    for step in (2, 7):
        with pytest.raises(IllegalTransition, match="is at canary step 1 of 2"):
            go(books, S.CANARY, step)


def test_step_without_a_canary__is_refused(books: UnitOfWork) -> None:
    make_approved(books)
    with pytest.raises(IllegalTransition, match="has no step 3"):
        go(books, S.CANARY, 3)


def test_mover_that_saw_another_state__loses_the_race(books: UnitOfWork) -> None:
    seen = make_live(books)
    go(books, S.PAUSED)
    with pytest.raises(IllegalTransition, match="no longer CANARY step 0: somebody else was faster"):
        move(books, "pr-1", S.ACTIVE, actor="late", reason="", now=NOON, expected=seen)


def test_becoming_approved_or_live__takes_approvals_whoever_asks(books: UnitOfWork) -> None:
    make_pending(books)
    with pytest.raises(NotPermitted, match="nobody has approved pr-1"):
        go(books, S.APPROVED)
    make_approved(books)
    for when in (NOON + 90 * DAY, NOON - DAY):  # the approval has ended; it is not yet given
        with pytest.raises(NotPermitted, match=r"ended|the clock"):
            move(books, "pr-2", S.CANARY, actor="test", reason="", now=when)


@pytest.mark.parametrize("origin", sorted({*LIVE, S.PAUSED}))
def test_rollback__takes_one_act_from_every_live_state(books: UnitOfWork, origin: Status) -> None:
    stand_at(books, origin)
    assert roll_back(books, "pr-1", person=BEN, reason="enough", now=NOON).status is S.ROLLED_BACK


def test_every_move__is_one_row_with_who_and_why(books: UnitOfWork) -> None:
    make_live(books)
    go(books, S.PAUSED)
    moves = [e for e in books.audit.entries(subject="proposal:pr-1") if e.act == "move"]
    walked = [(e.details["from"], e.details["to"]) for e in moves]
    assert walked == [
        ("DRAFT", "EVALUATING"),
        ("EVALUATING", "PENDING"),
        ("PENDING", "APPROVED"),
        ("APPROVED", "CANARY"),
        ("CANARY", "PAUSED"),
    ]
    assert (moves[-1].actor, moves[-1].details["reason"]) == ("test", "a test")
    assert verify(books).is_intact


def test_terminal_states__lead_nowhere() -> None:
    assert set(S) - OPEN == {S.REFUSED, S.REJECTED, S.EXPIRED, S.WITHDRAWN, S.ROLLED_BACK, S.SUPERSEDED, S.COMPLETED}
