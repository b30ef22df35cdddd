"""The halt latch: one person stops everything, a decision point or a policy version; two people let it go on."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from domain.errors import IllegalTransition, NotFound, NotPermitted, UsageError
from domain.people import Person
from domain.ports import UnitOfWork
from domain.proposals import Halt
from tracker.audit import append

GLOBAL = "global"
_KINDS = ("point", "policy")


def point_scope(decision_point: str) -> str:
    return f"point:{decision_point}"


def policy_scope(policy_version: str) -> str:
    return f"policy:{policy_version}"


def halt(books: UnitOfWork, scope: str, reason: str, person: Person, now: datetime) -> Halt:
    """Stops at once. A halt that stands keeps its beginning; a request to resume it is void.

    Raises:
        UsageError: no such kind of scope.
        NotPermitted: the person was revoked.
    """
    _refuse_unknown(scope)
    _refuse_revoked(person, "halt")
    known = _find(books, scope)
    made = Halt(scope, reason, person.name, now) if known is None else replace(known, resume_asked_by=None)
    books.halts.put(made)
    _note(books, scope, "halt", person, reason, now)
    return made


def ask_resume(books: UnitOfWork, scope: str, person: Person, now: datetime) -> Halt:
    """The first of two people; asking again changes nothing but who asked.

    Raises:
        NotFound: nothing of that scope is halted.
        NotPermitted: the person was revoked.
    """
    _refuse_revoked(person, "resume")
    asked = replace(_get(books, scope), resume_asked_by=person.name)
    books.halts.put(asked)
    _note(books, scope, "ask_resume", person, "asks to resume", now)
    return asked


def confirm_resume(books: UnitOfWork, scope: str, person: Person, now: datetime) -> Halt:
    """The second person; after that it is no longer halted.

    Raises:
        NotFound: nothing of that scope is halted.
        IllegalTransition: nobody has asked.
        NotPermitted: the very person who asked, or one that was revoked.
    """
    _refuse_revoked(person, "resume")
    standing = _get(books, scope)
    if standing.resume_asked_by is None:
        raise IllegalTransition(f"nobody has asked to resume {scope}", "one person asks, a second confirms")
    if standing.resume_asked_by == person.name:
        raise NotPermitted(f"{person.name} asked to resume {scope} and cannot confirm it", "a second person must")
    books.halts.remove(scope)
    _note(books, scope, "resume", person, f"confirms what {standing.resume_asked_by} asked for", now)
    return standing


def halted(halts: Iterable[Halt], decision_point: str, policy_version: str) -> str | None:
    """Why nothing but the baseline may be served here; None where nothing stands."""
    scopes = (GLOBAL, point_scope(decision_point), policy_scope(policy_version))
    found = {h.scope: h for h in halts if h.scope in scopes}
    for scope in scopes:
        if scope in found:
            return f"halted ({scope}) by {found[scope].halted_by}: {found[scope].reason}"
    return None


def _find(books: UnitOfWork, scope: str) -> Halt | None:
    return next((h for h in books.halts.all() if h.scope == scope), None)


def _get(books: UnitOfWork, scope: str) -> Halt:
    found = _find(books, scope)
    if found is None:
        known = ", ".join(h.scope for h in books.halts.all()) or "nothing"
        raise NotFound(f"{scope} is not halted", f"halted: {known}")
    return found


def _refuse_unknown(scope: str) -> None:
    kind, _, name = scope.partition(":")
    if scope != GLOBAL and (kind not in _KINDS or not name):
        raise UsageError(f"found the scope {scope!r}", f"expected {GLOBAL}, point:NAME or policy:VERSION")


def _refuse_revoked(person: Person, act: str) -> None:
    if person.revoked_at is not None:
        raise NotPermitted(f"{person.name} was revoked and cannot {act}", "somebody else can")


def _note(books: UnitOfWork, scope: str, act: str, person: Person, reason: str, now: datetime) -> None:
    append(books, actor=person.name, subject=f"halt:{scope}", act=act, details={"reason": reason}, now=now)
