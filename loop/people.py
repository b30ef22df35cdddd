"""`amso people`: who may propose and approve. An operator's act: whoever can write the data dir can do it.

Audited with the actor `operator`. A token is printed once and stored nowhere; the knowledge base keeps its hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.settings import Settings
from domain.errors import AmsoError, UsageError
from domain.people import Person, Role
from loop.identity import as_configured, in_transaction, person_to_data
from loop.text import console, table
from loop.wiring import Workspace
from tracker import people as tracker

OPERATOR = "operator"


@dataclass(frozen=True)
class PersonAnswer:
    """One person, and the token where a new one was made."""

    person: Person
    done: str  # what was done, in a word
    token: str | None = None

    def to_data(self) -> dict[str, object]:
        data: dict[str, object] = person_to_data(self.person)
        return data if self.token is None else {**data, "token": self.token}

    def print(self) -> None:
        out, p = console(), self.person
        out.print(f"{p.name} {self.done}: {', '.join(p.roles)}" + (f", team {p.team}" if p.team else ""))
        if self.token is not None:
            out.print("the token, shown this once; its owner sets AMSO_TOKEN or runs `amso login`:")
            out.print(self.token, soft_wrap=True)


@dataclass(frozen=True)
class PeopleAnswer:
    """Everybody, with what counts now."""

    people: tuple[Person, ...]
    unnamed: frozenset[str]  # may not act: the config names people, and not these

    def to_data(self) -> dict[str, object]:
        return {"people": [{**person_to_data(p), "may_act": self._may_act(p)} for p in self.people]}

    def print(self) -> None:
        out = console()
        if not self.people:
            out.print("nobody may act yet; `amso people add NAME --role proposer` adds somebody")
            return
        rows = [
            (p.name, ", ".join(p.roles), p.team or "–", f"{p.added_at:%Y-%m-%d}", "yes" if self._may_act(p) else "no")
            for p in self.people
        ]
        out.print(table("People", ("name", "roles", "team", "added", "may act"), rows, n_text=5))

    def _may_act(self, person: Person) -> bool:
        return person.revoked_at is None and person.name not in self.unnamed


def add_person(workspace: Workspace, name: str, *, roles: Sequence[Role] = (), team: str | None = None) -> PersonAnswer:
    """The verb `people add`. Where the config names people, only those, with its roles and team.

    Raises:
        UsageError: no role, or another one than the config says.
        AlreadyRecorded: the name is taken.
    """
    roles, team = _allowed(workspace.settings, name, tuple(roles), team)
    now = workspace.clock.now()
    person, token = in_transaction(
        workspace, lambda books: tracker.add_person(books, name, roles, team, actor=OPERATOR, now=now)
    )
    return PersonAnswer(person, "added", token)


def rotate_token(workspace: Workspace, name: str) -> PersonAnswer:
    """The verb `people rotate`: a new token; the old one proves nobody any more."""
    now = workspace.clock.now()
    person, token = in_transaction(workspace, lambda books: tracker.rotate(books, name, actor=OPERATOR, now=now))
    return PersonAnswer(person, "has a new token", token)


def revoke_person(workspace: Workspace, name: str) -> PersonAnswer:
    """The verb `people revoke`: acts no more; what was approved before stands."""
    now = workspace.clock.now()
    person = in_transaction(workspace, lambda books: tracker.revoke(books, name, actor=OPERATOR, now=now))
    return PersonAnswer(person, "revoked")


def list_people(workspace: Workspace) -> PeopleAnswer:
    """The verb `people list`."""
    with workspace.knowledge.transaction() as books:
        stored = books.people.all()
    people, unnamed = [], set()
    for person in stored:
        try:
            people.append(as_configured(person, workspace.settings))
        except AmsoError:
            people.append(person)
            unnamed.add(person.name)
    return PeopleAnswer(tuple(people), frozenset(unnamed))


def _allowed(
    settings: Settings, name: str, roles: tuple[Role, ...], team: str | None
) -> tuple[tuple[Role, ...], str | None]:
    """The roles and team that the person gets."""
    if not settings.people:
        return roles, team
    if name not in settings.people:
        raise UsageError(
            f"the config names {', '.join(settings.people)}, not {name!r}", "add the name under `people:` first"
        )
    configured = settings.people[name]
    its_roles = tuple(map(Role, configured.roles))
    if (roles and set(roles) != set(its_roles)) or team not in (None, configured.team):
        raise UsageError(
            f"the config gives {name} the roles {', '.join(its_roles)} and team {configured.team}",
            "leave --role and --team out, or change the config",
        )
    return its_roles, configured.team
