"""Rows and records have the same field names, so one function converts each way; what every book builds on.

Statements go to tables, not to mapped objects: what was written is seen at once, and 60,000 rows cost no objects
but the records. "On conflict" relies on READ COMMITTED, which `database.py` sets on PostgreSQL: an insert waits for
another worker's of the same key, and the next statement sees what that one committed.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Column, ColumnElement, Select, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from domain.canonical import content_hash
from domain.errors import NotFound
from knowledge.columns import unstorable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BATCH = 10_000  # rows of one bulk statement: bounds memory, long past the point where larger pays
_SHOWN = 5  # names in the hint of a NotFound
_IDS = 5_000  # of one IN (...): engines bound the parameters of a statement

Record = TypeVar("Record", bound="DataclassInstance")
Values = dict[str, object]  # column -> value
Item = TypeVar("Item")


def table_of(row: type[SQLModel]) -> Table:
    return cast(Table, row.__table__)  # type: ignore[attr-defined] # SQLModel declares it at run time only


def values_of(record: "DataclassInstance") -> Values:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def select_records(record: type[Record], row: type[SQLModel]) -> Select[Any]:
    """Exactly the columns that the record has."""
    return select(*columns_of(record, table_of(row)))


def columns_of(record: type[Record], table: Table) -> list[Column[Any]]:
    return [table.c[field.name] for field in fields(record)]


def fetch(session: Session, record: type[Record], query: Select[Any]) -> list[Record]:
    """The records of a query built by `select_records`."""
    return [record(*row) for row in session.execute(query)]


def fetch_one(session: Session, record: type[Record], query: Select[Any]) -> Record | None:
    row = session.execute(query.limit(1)).first()
    return None if row is None else record(*row)


def fetch_pairs(session: Session, query: Select[Any]) -> dict[Any, Any]:
    """first column -> second column, in the query's order."""
    return {row[0]: row[1] for row in session.execute(query)}


def count_rows(session: Session, table: Table, *conditions: ColumnElement[bool]) -> int:
    return cast(int, session.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def insert_all(session: Session, row: type[SQLModel], values: Iterable[Values]) -> None:
    """One statement a batch; a taken key raises."""
    for batch in batches(values, BATCH):
        session.execute(table_of(row).insert(), batch)


def insert_new(session: Session, row: type[SQLModel], values: Values) -> bool:
    """False where the key is taken, and then nothing changed; the transaction goes on either way."""
    statement = _insert(session, table_of(row)).values(values).on_conflict_do_nothing()
    counted = statement.execution_options(preserve_rowcount=True)  # of an INSERT, SQLAlchemy forgets it otherwise
    return rows_touched(session.execute(counted)) == 1


def insert_missing(session: Session, row: type[SQLModel], values: Iterable[Values]) -> None:
    """Those whose key is not taken."""
    statement = _insert(session, table_of(row)).on_conflict_do_nothing()
    for batch in batches(values, BATCH):
        session.execute(statement, batch)


def upsert(session: Session, row: type[SQLModel], values: Iterable[Values]) -> None:
    """Inserts, or replaces the row of the same key."""
    table = table_of(row)
    statement = _insert(session, table)
    replaced = {c.name: statement.excluded[c.name] for c in table.c if not c.primary_key}
    keyed = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=replaced)
    for batch in batches(values, BATCH):
        session.execute(keyed, batch)


def rows_touched(result: object) -> int:
    return cast(int, result.rowcount)  # type: ignore[attr-defined] # Session.execute hides that it is a CursorResult


def batches(items: Iterable[Item], size: int = _IDS) -> Iterator[list[Item]]:
    """Lists of at most `size`.

    >>> list(batches("abc", 2))
    [['a', 'b'], ['c']]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def hash_of(content: Mapping[str, object]) -> str:
    """What tells a repeat from a conflict.

    Raises:
        InvalidSnapshot: something that has no form in JSON, such as NaN.
    """
    try:
        return content_hash(content)
    except (TypeError, ValueError) as error:
        raise unstorable(error) from error


def not_found(what: str, name: str, known: Sequence[str]) -> NotFound:
    """`known` from old to new: where nothing resembles the name, the newest are named."""
    if not known:
        return NotFound(f"unknown {what} {name!r}; the knowledge base holds none yet")
    near = difflib.get_close_matches(name, known, n=_SHOWN, cutoff=0.6)
    if near:
        return NotFound(f"unknown {what} {name!r}", f"did you mean {', '.join(near)}?")
    newest = ", ".join(list(reversed(known))[:_SHOWN])
    return NotFound(f"unknown {what} {name!r}", f"the newest of {len(known)} are {newest}")


def names_of(session: Session, column: Column[Any], *order: ColumnElement[Any]) -> Sequence[str]:
    """For `not_found`."""
    return session.execute(select(column).order_by(*order)).scalars().all()


def only(ids: Collection[str]) -> list[str]:
    """Each once, in an order that is the same for every worker: two that lock rows do not wait for each other."""
    return sorted(set(ids))


def _insert(session: Session, table: Table) -> sqlite.Insert | postgresql.Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
