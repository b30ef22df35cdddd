"""Source `sql`: the rows of a query that can only read, from SQLite or PostgreSQL, through their own drivers."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from collection.raw_records import RawRecord, SourceItems, renamed
from config.overrides import without_password
from config.sources import SqlSource
from domain.errors import ConfigError, InvalidSnapshot, SourceUnavailable

BATCH = 2_000  # rows at a time
CONNECT_SECONDS = 10
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_Row = Sequence[object]


def source_url(name: str, source: SqlSource, stores_sql: str, environ: Mapping[str, str]) -> str:
    """AMSO_SOURCE_<NAME>_URL (the only one that may hold a password), else the source's own, else `stores.sql`."""
    variable = f"AMSO_SOURCE_{''.join(c if c.isalnum() else '_' for c in name).upper()}_URL"
    return environ.get(variable) or source.url or stores_sql


def read_query(name: str, source: SqlSource, url: str) -> SourceItems:
    """One record a row.

    Raises:
        ConfigError: a URL of another database.
        SourceUnavailable: the database cannot be reached, or is busy.
        InvalidSnapshot: the query is wrong, or would change something.
    """
    for row, fields in enumerate(_rows(name, source.query, url)):
        yield RawRecord(name, row, renamed(fields, source.columns))


def _rows(name: str, query: str, url: str) -> Iterator[dict[str, object]]:
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme == "sqlite":
        return _sqlite_rows(name, query, url)
    if scheme in ("postgresql", "postgres"):
        return _postgres_rows(name, query, url)
    raise ConfigError(
        f"source {name}: a URL that begins with {scheme or 'nothing'}", "expected sqlite:///FILE or postgresql://..."
    )


def _sqlite_rows(name: str, query: str, url: str) -> Iterator[dict[str, object]]:
    path = url.partition(":///")[2]
    if path in ("", ":memory:"):
        raise ConfigError(f"source {name}: a database in memory holds nothing to read", "expected sqlite:///FILE")
    try:
        connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=CONNECT_SECONDS)
    except sqlite3.Error as error:
        raise _unavailable(name, url, error) from error
    with closing(connection):
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
        try:
            cursor = connection.execute(query)
            names = _distinct(name, [column[0] for column in cursor.description or ()])
            while rows := cursor.fetchmany(BATCH):
                yield from _named(names, rows)
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN"))
            raise (_unavailable(name, url, error) if is_busy else _refused(name, error)) from error
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise _refused(name, error) from error


def _postgres_rows(name: str, query: str, url: str) -> Iterator[dict[str, object]]:
    try:
        import psycopg
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"source {name} lies in PostgreSQL, whose driver is not installed", "install AMSO's extra `postgres`"
        ) from error
    try:
        connection = psycopg.connect(_libpq(url), connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        raise _unavailable(name, url, error) from error
    except psycopg.Error:
        # neither the URL nor the error is repeated: they may hold a password
        hint = "expected postgresql://USER@HOST:PORT/DATABASE"
        raise ConfigError(f"source {name}: its URL cannot be understood", hint) from None
    with closing(connection):
        connection.read_only = True
        try:
            # a named cursor stays on the server, and takes nothing but one SELECT
            with connection.cursor(name="amso_source") as cursor:
                cursor.execute(query.rstrip().removesuffix(";").encode())
                names = _distinct(name, [column.name for column in cursor.description or ()])
                while rows := cursor.fetchmany(BATCH):
                    yield from _named(names, rows)
        except psycopg.OperationalError as error:
            raise _unavailable(name, url, error) from error
        except psycopg.Error as error:
            raise _refused(name, error) from error


def _libpq(url: str) -> str:
    """SQLAlchemy names the driver in the scheme, libpq does not."""
    return "postgresql://" + url.partition("://")[2]


def _distinct(name: str, columns: Sequence[str]) -> Sequence[str]:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice or not columns:
        what = f"has more than one column named {', '.join(twice)}" if twice else "returns no columns"
        raise InvalidSnapshot(f"the query of source {name} {what}", "expected a SELECT whose columns are named apart")
    return columns


def _named(names: Sequence[str], rows: Sequence[_Row]) -> Iterator[dict[str, object]]:
    return (dict(zip(names, row, strict=True)) for row in rows)


def _unavailable(name: str, url: str, error: Exception) -> SourceUnavailable:
    return SourceUnavailable(
        f"source {name}: {without_password(url)} cannot be used: {_first_line(error)}",
        "check that it is there and can be reached",
    )


def _refused(name: str, error: Exception) -> InvalidSnapshot:
    return InvalidSnapshot(
        f"the query of source {name} failed: {_first_line(error)}", "expected one SELECT that only reads"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
