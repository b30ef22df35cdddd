"""People and the audit trail on both engines."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import DBAPIError

from domain.errors import AlreadyRecorded, NotFound
from domain.people import Role
from knowledge.database import SqlKnowledgeBase
from tests.knowledge.making import at, make_audit_entry, make_person


def test_people__are_found_by_name_and_token(base: SqlKnowledgeBase) -> None:
    ann, bob = make_person("ann"), replace(make_person("bob"), roles=(), team=None)
    with base.transaction() as books:
        books.people.put(ann)
        books.people.put(bob)
    with base.transaction() as books:
        assert books.people.get("ann") == ann
        assert [type(role) for role in books.people.get("ann").roles] == [Role, Role]
        assert books.people.by_token_hash(bob.token_hash) == bob
        assert books.people.by_token_hash("guess") is None
        assert books.people.all() == [ann, bob]
        with pytest.raises(NotFound, match="unknown person 'anne'") as caught:
            books.people.get("anne")
    assert "ann" in caught.value.hint


def test_person_put_again__is_changed(base: SqlKnowledgeBase) -> None:
    for person in (make_person(), replace(make_person(), token_hash="new", revoked_at=at(1))):  # noqa: S106 # no secret
        with base.transaction() as books:
            books.people.put(person)
    with base.transaction() as books:
        assert books.people.by_token_hash(make_person().token_hash) is None
        assert not books.people.get("ann").has(Role.APPROVER)


def test_token_of_another__is_refused(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.people.put(make_person("ann"))
    with pytest.raises(AlreadyRecorded), base.transaction() as books:
        books.people.put(make_person("bob", token_hash=make_person("ann").token_hash))


def test_audit_trail__comes_back_in_order(base: SqlKnowledgeBase) -> None:
    entries = [make_audit_entry(seq, subject=f"proposal:prop-{seq % 2}") for seq in (1, 2, 3)]
    with base.transaction() as books:
        assert books.audit.head() is None
        for entry in entries:
            books.audit.append(entry)
    with base.transaction() as books:
        assert books.audit.head() == entries[-1]
        assert books.audit.entries() == entries
        assert books.audit.entries(after_seq=1, limit=1) == entries[1:2]
        assert books.audit.entries(subject="proposal:prop-1") == [entries[0], entries[2]]


def test_seq_that_is_taken__is_refused(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.audit.append(make_audit_entry(1))
    with pytest.raises(AlreadyRecorded), base.transaction() as books:
        books.audit.append(replace(make_audit_entry(1), actor="eve"))
    with base.transaction() as books:
        assert books.audit.entries() == [make_audit_entry(1)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'eve'",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT seq, at, 'eve', act, previous_hash, entry_hash, subject, '{}' FROM audit",
        "TRUNCATE audit",
    ],
)
def test_audit_trail__refuses_to_be_edited(base: SqlKnowledgeBase, statement: str) -> None:
    others = {"sqlite": "TRUNCATE", "postgresql": "INSERT OR"}
    if statement.startswith(others[base.engine.dialect.name]):
        pytest.skip("this engine has no such statement")
    with base.transaction() as books:
        books.audit.append(make_audit_entry(1))
    with pytest.raises(DBAPIError, match="append-only"), base.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with base.transaction() as books:
        assert books.audit.entries() == [make_audit_entry(1)]
