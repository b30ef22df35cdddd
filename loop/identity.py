"""Who acts: the person that a token proves. The token comes from AMSO_TOKEN, or from the file that `amso login` wrote.

It is never an option: command lines end up in shell histories and process lists.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from config.settings import Settings
from domain.errors import AlreadyRecorded, ConfigError, NotPermitted
from domain.people import Person, Role
from domain.ports import UnitOfWork
from loop.text import console
from loop.wiring import Workspace
from tracker.people import authenticate

VARIABLE = "AMSO_TOKEN"
TRIES = 5  # of an act whose audit row somebody else's was faster than

T = TypeVar("T")


@dataclass(frozen=True)
class LoginAnswer:
    """Who is logged in now; None after `logout`."""

    person: Person | None
    path: Path

    def to_data(self) -> dict[str, object]:
        if self.person is None:
            return {"person": None, "path": str(self.path)}
        return {**person_to_data(self.person), "path": str(self.path)}

    def print(self) -> None:
        out = console()
        if self.person is None:
            out.print(f"logged out; {self.path} is gone", soft_wrap=True)
            return
        roles = ", ".join(self.person.roles) or "no role"
        out.print(f"logged in as {self.person.name} ({roles}); the token lies in {self.path}", soft_wrap=True)


def token_of(environ: Mapping[str, str]) -> str | None:
    """AMSO_TOKEN, else what `amso login` wrote, else None.

    Raises:
        ConfigError: the file is there and cannot be read, or others can read it.
    """
    given = environ.get(VARIABLE, "").strip()
    if given:
        return given
    path = _token_file(environ)
    if path is None or not path.is_file():
        return None
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"the token in {path} can be read by others", f"chmod 600 {path}, and get a new token")
        return path.read_text().strip() or None
    except OSError as error:
        raise ConfigError(
            f"the token in {path} cannot be read: {error.strerror}", f"mend it, or set {VARIABLE}"
        ) from error


def login(token: str, workspace: Workspace) -> LoginAnswer:
    """The verb `login`: checks the token and keeps it where only this user can read it.

    Raises:
        NotPermitted: the token proves nobody.
        ConfigError: there is no place for the file.
    """
    with workspace.knowledge.transaction() as books:
        person = person_of(books, token.strip(), workspace.settings)
    path = _token_place(workspace.environ)
    try:
        _write_private(path, token.strip() + "\n")
    except OSError as error:
        raise ConfigError(
            f"the token cannot be kept in {path}: {error.strerror}", f"mend it, or set {VARIABLE}"
        ) from error
    return LoginAnswer(person, path)


def logout(workspace: Workspace) -> LoginAnswer:
    """The verb `logout`: forgets the token here. It still proves its person: `amso people rotate` ends that."""
    path = _token_place(workspace.environ)
    path.unlink(missing_ok=True)
    return LoginAnswer(None, path)


def person_of(books: UnitOfWork, token: str | None, settings: Settings) -> Person:
    """Whom a token proves. Where the config names people, its roles and team count, and nobody else may act.

    Raises:
        NotPermitted: no token, one that nobody has, a revoked person's, or of one whom the config no longer names.
    """
    return as_configured(authenticate(books, token), settings)


def as_configured(person: Person, settings: Settings) -> Person:
    """The person with the config's roles and team, where it names people.

    Raises:
        NotPermitted: it names people, and not this one.
    """
    if not settings.people:
        return person
    configured = settings.people.get(person.name)
    if configured is None:
        raise NotPermitted(
            f"{person.name} is none of the people that the config names", "add the name under `people:`, or ask them"
        )
    return replace(person, roles=tuple(map(Role, configured.roles)), team=configured.team)


def act_as(workspace: Workspace, token: str | None, act: Callable[[UnitOfWork, Person, datetime], T]) -> T:
    """One act of one person in one transaction; again as a whole where another act took its place in the audit chain.

    Raises:
        NotPermitted: the token proves nobody who may act.
    """

    def acting(books: UnitOfWork) -> T:
        return act(books, person_of(books, token, workspace.settings), workspace.clock.now())

    return in_transaction(workspace, acting)


def in_transaction(workspace: Workspace, act: Callable[[UnitOfWork], T]) -> T:
    """Runs `act` in a transaction of its own, a few times where its audit row was taken meanwhile."""
    for _ in range(TRIES - 1):
        try:
            with workspace.knowledge.transaction() as books:
                return act(books)
        except AlreadyRecorded:
            continue
    with workspace.knowledge.transaction() as books:
        return act(books)


def person_to_data(person: Person) -> dict[str, object]:
    """Never the token's hash."""
    return {
        "name": person.name,
        "roles": [role.value for role in person.roles],
        "team": person.team,
        "added_at": person.added_at.isoformat(),
        "revoked_at": None if person.revoked_at is None else person.revoked_at.isoformat(),
    }


def _token_file(environ: Mapping[str, str]) -> Path | None:
    """None where the environment names neither a config folder nor a home."""
    folder = environ.get("XDG_CONFIG_HOME")
    if folder:
        return Path(folder) / "amso" / "token"
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return Path(home) / ".config" / "amso" / "token" if home else None


def _token_place(environ: Mapping[str, str]) -> Path:
    path = _token_file(environ)
    if path is None:
        raise ConfigError("neither XDG_CONFIG_HOME nor HOME is set: a token has no place", f"set {VARIABLE} instead")
    return path


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and at no moment readable by others."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
