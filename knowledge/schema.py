"""Brings a database to this version's schema, inside one transaction, with Alembic driven from code.

There is no env.py: handing Alembic a connection is done here, on the one that already keeps other migrators out.
"""

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from domain.errors import InvalidSnapshot
from knowledge.tables import METADATA

VERSION_TABLE = "amso_schema"  # not Alembic's default: the database may hold another program's
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 4716  # any number, the same for every AMSO


def migrate(connection: Connection, *, target: str = "head") -> None:
    """Applies the versions that the database lacks, up to `target`.

    Raises:
        InvalidSnapshot: the schema is newer than this version, or tables of our names are not ours.
    """
    if connection.dialect.name == "postgresql":  # one process at a time; SQLite's write lock does the same
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    _check(connection, script)

    def upgrade(revision: Any, _context: object) -> Any:  # noqa: ANN401 # Alembic's own: what its upgrade command does
        return script._upgrade_revs(target, revision)

    with EnvironmentContext(config, script, fn=upgrade) as environment:
        # SQLite alters tables by copying them, hence batches
        environment.configure(
            connection=connection, target_metadata=METADATA, version_table=VERSION_TABLE, render_as_batch=True
        )
        environment.run_migrations()


def _check(connection: Connection, script: ScriptDirectory) -> None:
    at = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if at is None:
        taken = sorted(set(inspect(connection).get_table_names()) & set(METADATA.tables))
        if taken:
            raise InvalidSnapshot(
                f"the database holds tables named {', '.join(taken)} that AMSO did not make",
                "give AMSO a database of its own: stores.sql or AMSO_SQL_URL",
            )
    elif at not in {revision.revision for revision in script.walk_revisions()}:
        raise InvalidSnapshot(
            f"the database is at schema {at}, expected at most {script.get_current_head()}: a newer AMSO wrote it",
            "use the version of AMSO that wrote it, or another data dir (AMSO_DATA_DIR)",
        )
