"""People and their tokens: a token is shown once and kept as a hash; without one nobody acts (DESIGN section 7)."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.errors import AlreadyRecorded, NotFound, NotPermitted, UsageError
from domain.people import Person, Role
from domain.ports import UnitOfWork
from tracker.audit import SYSTEM, append

AUTO = "auto"  # approver of a tier that the config approves without a person
ANY = "any"  # in a tier: whatever team
_RESERVED = (AUTO, ANY, SYSTEM)


def add_person(
    books: UnitOfWork, name: str, roles: Sequence[Role], team: str | None, *, actor: str, now: datetime
) -> tuple[Person, str]:
    """A new person and the token, which is shown once.

    Raises:
        UsageError: no name, no role, or a name that means something else here.
        AlreadyRecorded: the name is taken, also by somebody revoked: names in the audit chain mean one person.
    """
    _refuse_unusable(name, roles, team)
    if _exists(books, name):
        raise AlreadyRecorded(f"there is a person {name!r} already", "rotate the token, or choose another name")
    token = secrets.token_urlsafe(32)
    person = Person(name, tuple(dict.fromkeys(roles)), team, _hash(token), now)
    _put(books, person, "add_person", actor=actor, now=now)
    return person, token


def rotate(books: UnitOfWork, name: str, *, actor: str, now: datetime) -> tuple[Person, str]:
    """A new token; the old one proves nobody from now on.

    Raises:
        NotPermitted: the person was revoked.
    """
    person = books.people.get(name)
    if person.revoked_at is not None:
        raise NotPermitted(f"{name} was revoked and gets no token", "add a person under another name")
    token = secrets.token_urlsafe(32)
    person = replace(person, token_hash=_hash(token))
    _put(books, person, "rotate_token", actor=actor, now=now)
    return person, token


def revoke(books: UnitOfWork, name: str, *, actor: str, now: datetime) -> Person:
    """Whoever it was acts no more; what they approved before stands until it expires or is rolled back."""
    person = books.people.get(name)
    if person.revoked_at is not None:
        return person
    person = replace(person, revoked_at=now)
    _put(books, person, "revoke_person", actor=actor, now=now)
    return person


def authenticate(books: UnitOfWork, token: str | None) -> Person:
    """Whom a token proves.

    Raises:
        NotPermitted: no token, one that nobody has, or a revoked person's. The message never holds the token.
    """
    if not token:
        raise NotPermitted("no token was given, and without one nobody acts", "set AMSO_TOKEN, or log in")
    token_hash = _hash(token)
    person = books.people.by_token_hash(token_hash)
    if person is None or not hmac.compare_digest(person.token_hash, token_hash):
        raise NotPermitted("the token belongs to nobody", "ask for a new one: `amso people rotate NAME`")
    if person.revoked_at is not None:
        raise NotPermitted(f"{person.name} was revoked on {person.revoked_at:%Y-%m-%d}", "somebody else must act")
    return person


def require(person: Person, role: Role, act: str) -> None:
    """Refuses whoever lacks a role.

    Raises:
        NotPermitted: the role is missing, or the person was revoked.
    """
    if not person.has(role):
        roles = ", ".join(person.roles) or "none"
        raise NotPermitted(
            f"{person.name} has the roles {roles} and may not {act}, which takes the role {role}",
            f"somebody with the role {role} must do it",
        )


def _refuse_unusable(name: str, roles: Sequence[Role], team: str | None) -> None:
    if not name.strip() or name in _RESERVED or team in _RESERVED:
        raise UsageError(
            f"found name {name!r} and team {team!r}, expected neither empty nor one of {', '.join(_RESERVED)}",
            "choose another",
        )
    if not roles:
        raise UsageError(f"{name} has no role", f"expected at least one of {', '.join(Role)}")


def _exists(books: UnitOfWork, name: str) -> bool:
    try:
        books.people.get(name)
    except NotFound:
        return False
    return True


def _put(books: UnitOfWork, person: Person, act: str, *, actor: str, now: datetime) -> None:
    books.people.put(person)
    details = {"roles": list(person.roles), "team": person.team, "is_revoked": person.revoked_at is not None}
    append(books, actor=actor, subject=f"person:{person.name}", act=act, details=details, now=now)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
