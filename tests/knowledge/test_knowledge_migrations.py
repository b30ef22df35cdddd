"""The migrations on both engines: they lead to the tables as declared, and keep what was there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect

from domain.records import QuarantinedRecord, RunRecord
from knowledge.database import SqlKnowledgeBase, open_knowledge
from knowledge.schema import VERSION_TABLE, migrate
from knowledge.tables import METADATA
from tests.knowledge.making import NOON, make_audit_entry

_RUN = "INSERT INTO runs VALUES ('train_1', 'train', '2026-03-01 12:00:00.000000+00:00', 7, '{}', '{\"value\": 0.1}')"
_IMPORT = (
    "INSERT INTO imports VALUES ('i-1', 'log.csv', 'decision_log', 2, 1, '{}', '2026-03-01 12:00:00.000000+00:00')"
)
_QUARANTINED = "INSERT INTO quarantine VALUES (1, 'i-1', 'log.csv', 1, 'reward missing', 'null')"


@pytest.fixture
def empty(url: str, tmp_path: Path) -> Iterator[Engine]:
    """The database of `url`, before AMSO opens it."""
    (tmp_path / "deep").mkdir()
    engine = create_engine(url)
    yield engine
    engine.dispose()


def test_migrations__lead_to_the_tables_as_declared(base: SqlKnowledgeBase) -> None:
    with base.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_database_of_the_offline_loop__keeps_its_data_when_it_goes_live(empty: Engine, url: str) -> None:
    with empty.begin() as connection:
        migrate(connection, target="0001_offline")
        for statement in (_RUN, _IMPORT, _QUARANTINED):
            connection.exec_driver_sql(statement)
    assert "decisions" not in inspect(empty).get_table_names()
    base = open_knowledge(url)
    with base.transaction() as books:
        assert books.runs.get("train_1") == RunRecord("train_1", "train", NOON, 7, {}, {"value": 0.1})
        assert books.quarantine.records() == [QuarantinedRecord("log.csv", 1, "reward missing", "null")]
        books.audit.append(make_audit_entry(1))
        assert books.replay.counts() == {"matured": 0, "waiting": 0}
    base.close()
