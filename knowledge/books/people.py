"""Books of who may act and who did: people, the audit trail."""

from collections.abc import Sequence

from sqlmodel import Session

from domain.people import Person
from domain.proposals import AuditEntry
from knowledge.rows import (
    fetch,
    fetch_one,
    insert_all,
    names_of,
    not_found,
    select_records,
    table_of,
    upsert,
    values_of,
)
from knowledge.tables.people import AuditRow, PersonRow

_PEOPLE = table_of(PersonRow)
_AUDIT = table_of(AuditRow)


class SqlPeopleBook:
    """People, revoked ones too."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, person: Person) -> None:
        """A token proves one person: a hash that another one holds is refused."""
        upsert(self._session, PersonRow, [values_of(person)])

    def get(self, name: str) -> Person:
        """One person.

        Raises:
            NotFound: nobody of that name.
        """
        found = fetch_one(self._session, Person, select_records(Person, PersonRow).where(_PEOPLE.c.name == name))
        if found is None:
            raise not_found("person", name, names_of(self._session, _PEOPLE.c.name, _PEOPLE.c.added_at))
        return found

    def by_token_hash(self, token_hash: str) -> Person | None:
        query = select_records(Person, PersonRow).where(_PEOPLE.c.token_hash == token_hash)
        return fetch_one(self._session, Person, query)

    def all(self) -> Sequence[Person]:
        """The longest known first."""
        query = select_records(Person, PersonRow).order_by(_PEOPLE.c.added_at, _PEOPLE.c.name)
        return fetch(self._session, Person, query)


class SqlAuditTrail:
    """The audit chain as it was appended; triggers keep anybody from editing it by accident."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, entry: AuditEntry) -> None:
        """One more row. A taken seq (somebody else appended meanwhile) fails the transaction as AlreadyRecorded."""
        insert_all(self._session, AuditRow, [values_of(entry)])

    def head(self) -> AuditEntry | None:
        return fetch_one(self._session, AuditEntry, select_records(AuditEntry, AuditRow).order_by(_AUDIT.c.seq.desc()))

    def entries(self, *, subject: str | None = None, after_seq: int = 0, limit: int = 100_000) -> Sequence[AuditEntry]:
        """Ordered by seq."""
        query = select_records(AuditEntry, AuditRow).where(_AUDIT.c.seq > after_seq)
        if subject is not None:
            query = query.where(_AUDIT.c.subject == subject)
        return fetch(self._session, AuditEntry, query.order_by(_AUDIT.c.seq).limit(limit))
