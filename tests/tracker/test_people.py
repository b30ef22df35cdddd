"""People and tokens: shown once, kept as a hash, never repeated in a message or an audit row."""

import hashlib

import pytest

from domain.errors import AlreadyRecorded, NotPermitted, UsageError
from domain.people import Role
from domain.ports import UnitOfWork
from tests.tracker.office import ANA, BEN, DAY, NOON
from tracker.people import add_person, authenticate, require, revoke, rotate


def test_token__proves_its_person_and_is_kept_as_a_hash(books: UnitOfWork) -> None:
    person, token = add_person(books, "ben", [Role.APPROVER], "pricing", actor="ana", now=NOON)
    assert authenticate(books, token) == person
    assert person.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert len(token) >= 43  # 32 random bytes
    told = [str(e) for e in books.audit.entries(subject="person:ben")]
    assert len(told) == 1
    assert token not in told[0]
    assert person.token_hash not in told[0]


@pytest.mark.parametrize("token", [None, "", "guessed-token"])
def test_no_or_unknown_token__proves_nobody_and_is_not_repeated(books: UnitOfWork, token: str | None) -> None:
    with pytest.raises(NotPermitted) as caught:
        authenticate(books, token)
    assert "guessed-token" not in str(caught.value)


def test_rotated_token__ends_the_old_one(books: UnitOfWork) -> None:
    _, old = add_person(books, "ben", [Role.APPROVER], None, actor="ana", now=NOON)
    person, new = rotate(books, "ben", actor="ana", now=NOON + DAY)
    assert authenticate(books, new) == person
    with pytest.raises(NotPermitted, match="belongs to nobody"):
        authenticate(books, old)


def test_revoked__acts_no_more_and_keeps_the_name(books: UnitOfWork) -> None:
    _, token = add_person(books, "ben", [Role.APPROVER], None, actor="ana", now=NOON)
    revoked = revoke(books, "ben", actor="ana", now=NOON + DAY)
    assert not revoked.has(Role.APPROVER)
    assert revoke(books, "ben", actor="ana", now=NOON + 2 * DAY) == revoked
    with pytest.raises(NotPermitted, match="ben was revoked on 2026-03-02"):
        authenticate(books, token)
    with pytest.raises(NotPermitted, match="gets no token"):
        rotate(books, "ben", actor="ana", now=NOON)
    with pytest.raises(AlreadyRecorded):
        add_person(books, "ben", [Role.APPROVER], None, actor="ana", now=NOON)
    assert [e.act for e in books.audit.entries(subject="person:ben")] == ["add_person", "revoke_person"]


@pytest.mark.parametrize(("name", "team"), [("auto", None), ("amso", None), ("any", None), (" ", None), ("ben", "any")])
def test_names_that_mean_something_else__are_refused(books: UnitOfWork, name: str, team: str | None) -> None:
    with pytest.raises(UsageError):
        add_person(books, name, [Role.APPROVER], team, actor="ana", now=NOON)


def test_person_without_a_role__is_refused(books: UnitOfWork) -> None:
    with pytest.raises(UsageError, match="no role"):
        add_person(books, "ben", [], None, actor="ana", now=NOON)


def test_role__is_required_for_the_act() -> None:
    require(ANA, Role.PROPOSER, "propose")
    with pytest.raises(NotPermitted, match="ben has the roles approver and may not propose"):
        require(BEN, Role.PROPOSER, "propose")
