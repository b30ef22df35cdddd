"""Opens the knowledge base: SQLite by default, PostgreSQL by URL, the same migrations (DESIGN section 4).

SQLite runs in WAL mode. A transaction takes the write lock at its first statement and waits up to BUSY_SECONDS for
another one. On PostgreSQL transactions run side by side, READ COMMITTED whatever the server's default is: the books
rely on a statement seeing what others committed before it. Migrations run on open, one process at a time.
"""

import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlmodel import Session

from domain.errors import ConfigError
from knowledge.columns import json_text
from knowledge.failures import translated
from knowledge.schema import migrate
from knowledge.unit_of_work import SqlUnitOfWork

BUSY_SECONDS = 30


@dataclass(frozen=True)
class SqlKnowledgeBase:
    """Opens units of work on one database; implements `domain.ports.KnowledgeBase`.

    >>> from datetime import UTC, datetime
    >>> from domain.ports import RunRecord
    >>> knowledge = open_knowledge("sqlite://")
    >>> with knowledge.transaction() as books:
    ...     books.runs.add(RunRecord("train_1", "train", datetime(2026, 1, 1, tzinfo=UTC), 0, {}, {"value": 1.5}))
    >>> with knowledge.transaction() as books:
    ...     books.runs.get("train_1").metrics["value"]
    1.5
    """

    engine: Engine

    @contextmanager
    def transaction(self) -> Iterator[SqlUnitOfWork]:
        """Commits on a clean exit, rolls back on an exception.

        Raises:
            AlreadyRecorded: a key is taken, or a record refers to one that is not there.
            InvalidSnapshot: a record holds what cannot be stored, such as NaN in its JSON.
            SourceUnavailable: the database does not answer, or another process holds it too long.
        """
        with translated(self.engine.url), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield SqlUnitOfWork(session)

    def close(self) -> None:
        self.engine.dispose()


def open_knowledge(url: str) -> SqlKnowledgeBase:
    """Opens the database of a SQLAlchemy URL and brings it to the newest schema.

    Raises:
        ConfigError: the URL cannot be understood, or its driver is not installed.
        InvalidSnapshot: the file is no database, another program's, or of a newer version than this one.
        SourceUnavailable: the server cannot be reached, or another process holds the file.
    """
    engine = _engine(url)
    try:
        with translated(engine.url), engine.begin() as connection:
            migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    base = SqlKnowledgeBase(engine)
    weakref.finalize(base, engine.dispose)  # whoever forgets to close leaves no open file behind
    return base


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # the text is not repeated: it may hold a password
        raise ConfigError(
            "the SQL URL cannot be used: it is no URL", "expected sqlite:///FILE or postgresql+psycopg://..."
        ) from error
    is_sqlite = parsed.get_backend_name() == "sqlite"
    try:
        if is_sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        if is_sqlite:
            engine = create_engine(parsed, json_serializer=json_text, connect_args={"timeout": BUSY_SECONDS})
        else:  # a connection that died while idle is noticed before it is used
            engine = create_engine(
                parsed, json_serializer=json_text, isolation_level="READ COMMITTED", pool_pre_ping=True
            )
    except (NoSuchModuleError, ModuleNotFoundError, OSError) as error:
        hint = "expected sqlite:///FILE, or postgresql+psycopg://... with AMSO's extra `postgres` installed"
        raise ConfigError(f"the SQL URL cannot be used: {error}", hint) from error
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, below: so DDL rolls back too
    _switch_to_wal(connection)
    for pragma in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not always wait here, whatever the timeout: six at once on a fresh file, 3 of 360 openings failed."""
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


def _begin_immediate(connection: Connection) -> None:
    """Takes the write lock at once, so that two writers queue instead of one failing in the middle."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
