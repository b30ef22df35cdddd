"""The halt latch: one person stops, two let it go on."""

import pytest

from domain.errors import IllegalTransition, NotFound, NotPermitted, UsageError
from domain.ports import UnitOfWork
from domain.proposals import Halt
from tests.tracker.office import ANA, BEN, CLEO, DAY, NOON
from tracker.halts import ask_resume, confirm_resume, halt, halted, point_scope, policy_scope
from tracker.people import add_person, revoke


def test_halt__stands_until_a_second_person_confirms(books: UnitOfWork) -> None:
    halt(books, "global", "it smells", BEN, NOON)
    with pytest.raises(IllegalTransition, match="nobody has asked"):
        confirm_resume(books, "global", CLEO, NOON)
    ask_resume(books, "global", BEN, NOON)
    with pytest.raises(NotPermitted, match="ben asked to resume global and cannot confirm it"):
        confirm_resume(books, "global", BEN, NOON)
    assert halted(books.halts.all(), "flow", "p-1") == "halted (global) by ben: it smells"
    confirm_resume(books, "global", CLEO, NOON + DAY)
    assert halted(books.halts.all(), "flow", "p-1") is None
    acts = [(e.act, e.actor) for e in books.audit.entries(subject="halt:global")]
    assert acts == [("halt", "ben"), ("ask_resume", "ben"), ("resume", "cleo")]


def test_halting_again__voids_the_request_to_resume(books: UnitOfWork) -> None:
    halt(books, "point:flow", "first", BEN, NOON)
    ask_resume(books, "point:flow", BEN, NOON)
    again = halt(books, "point:flow", "second", ANA, NOON + DAY)
    assert again == Halt("point:flow", "first", "ben", NOON)
    with pytest.raises(IllegalTransition):
        confirm_resume(books, "point:flow", CLEO, NOON)


def test_scope__reaches_what_it_names_and_no_more() -> None:
    point = [Halt(point_scope("flow"), "r", "ben", NOON)]
    policy = [Halt(policy_scope("p-1"), "r", "ben", NOON)]
    assert halted(point, "flow", "p-2") is not None
    assert halted(point, "paywall", "p-1") is None
    assert halted(policy, "paywall", "p-1") is not None
    assert halted(policy, "paywall", "p-2") is None
    assert halted([Halt("global", "r", "ben", NOON)], "paywall", "p-2") is not None


@pytest.mark.parametrize("scope", ["everything", "point:", "segment:x", ""])
def test_unknown_scope__is_refused(books: UnitOfWork, scope: str) -> None:
    with pytest.raises(UsageError, match="found the scope"):
        halt(books, scope, "r", BEN, NOON)


def test_resuming_what_is_not_halted__is_refused_with_what_is(books: UnitOfWork) -> None:
    halt(books, "point:flow", "r", BEN, NOON)
    with pytest.raises(NotFound) as caught:
        ask_resume(books, "global", BEN, NOON)
    assert caught.value.hint == "halted: point:flow"


def test_revoked_person__neither_halts_nor_resumes(books: UnitOfWork) -> None:
    add_person(books, "eve", ["approver"], None, actor="ana", now=NOON)  # type: ignore[list-item]  # the word is the role
    eve = revoke(books, "eve", actor="ana", now=NOON)
    with pytest.raises(NotPermitted, match="eve was revoked"):
        halt(books, "global", "r", eve, NOON)
