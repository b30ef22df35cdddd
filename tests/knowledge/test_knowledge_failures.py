"""What the knowledge base refuses, and how: nothing half-written, every database error in words."""

import multiprocessing
import sqlite3
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import AlreadyRecorded, AmsoError, ConfigError, InvalidSnapshot, NotFound, SourceUnavailable
from domain.records import ImportRecord, QuarantinedRecord, RunRecord
from knowledge.database import SqlKnowledgeBase, open_knowledge

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
    max_leaves=6,
)


def make_run(run: str, metrics: object = None, *, started_at: datetime = NOON) -> RunRecord:
    return RunRecord(run, "train", started_at, 2**40, {}, metrics if isinstance(metrics, dict) else {"value": metrics})


def make_import(import_id: str, n_rows: int = 1) -> ImportRecord:
    return ImportRecord(import_id, "log.csv", "decision_log", n_rows, 0, {"reward missing": n_rows}, NOON)


def make_quarantined(row: int) -> QuarantinedRecord:
    return QuarantinedRecord("log.csv", row, "reward missing", '{"action": "a", "reward": null}')


@given(TEXT.filter(bool), JSON)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_and_any_json__come_back(base: SqlKnowledgeBase, name: str, metrics: object) -> None:
    run = make_run(f"{time.monotonic_ns()} {name}", metrics)  # a name is used once; its text may be anything
    with base.transaction() as books:
        books.runs.add(run)
    with base.transaction() as books:
        assert books.runs.get(run.run) == run


def test_taken_name__is_refused_and_the_first_record_stays(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.runs.add(make_run("taken", 1))
    with pytest.raises(AlreadyRecorded, match=r"runs\.run|runs_pkey"):
        _add_both(base, make_import("beside the taken name"), make_run("taken", 2))
    with base.transaction() as books:
        assert books.runs.get("taken").metrics == {"value": 1}
        assert "beside the taken name" not in {record.import_id for record in books.imports.recent()}


def _add_both(base: SqlKnowledgeBase, import_: ImportRecord, run: RunRecord) -> None:
    with base.transaction() as books:
        books.imports.add(import_)
        books.runs.add(run)


def test_quarantine_of_no_import__is_refused(base: SqlKnowledgeBase) -> None:
    with pytest.raises(AlreadyRecorded, match=r"(?i)foreign key"), base.transaction() as books:
        books.quarantine.add("no such import", [make_quarantined(0)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_say__is_refused(base: SqlKnowledgeBase, value: object) -> None:
    with pytest.raises(InvalidSnapshot, match="cannot be stored"), base.transaction() as books:
        books.runs.add(make_run("unsayable", value))


def test_naive_datetime__is_refused(base: SqlKnowledgeBase) -> None:
    with pytest.raises(InvalidSnapshot, match="naive datetime"), base.transaction() as books:
        books.runs.add(make_run("naive", 1, started_at=NOON.replace(tzinfo=None)))


def test_text_with_a_nul__is_refused_by_postgresql_alone(base: SqlKnowledgeBase) -> None:
    if base.engine.dialect.name == "sqlite":
        with base.transaction() as books:
            books.runs.add(make_run("nul \x00"))
        return
    with pytest.raises(InvalidSnapshot, match=r"cannot be stored: .*NUL"), base.transaction() as books:
        books.runs.add(make_run("nul \x00"))


def test_frozen_mapping__is_stored_like_any_other(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.runs.add(make_run("frozen", {"inner": MappingProxyType({"a": 1})}))
    with base.transaction() as books:
        assert books.runs.get("frozen").metrics == {"inner": {"a": 1}}


def test_unknown_run__names_the_newest_where_none_is_near(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.runs.add(make_run("latest", started_at=datetime(2030, 1, 1, tzinfo=UTC)))
    with pytest.raises(NotFound) as caught, base.transaction() as books:
        books.runs.get("#######")
    assert "are latest" in caught.value.hint


def test_hundred_thousand_bad_rows__are_kept_in_seconds(tmp_path: Path) -> None:
    base = open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")
    records = [make_quarantined(row) for row in range(100_000)]
    started = time.process_time()
    with base.transaction() as books:
        books.imports.add(make_import("large", len(records)))
        books.quarantine.add("large", records)
    assert time.process_time() - started < 15  # 1.4 s on a quiet core: fails only if rows go one by one
    with base.transaction() as books:
        assert books.quarantine.counts() == {"reward missing": 100_000}
        assert [record.row for record in books.quarantine.records(limit=2)] == [99_999, 99_998]


def test_another_program_s_tables__are_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "theirs.db")
    connection.execute("CREATE TABLE runs (distance REAL)")
    connection.close()
    with pytest.raises(InvalidSnapshot, match="tables named runs that AMSO did not make"):
        open_knowledge(f"sqlite:///{tmp_path / 'theirs.db'}")


def test_migration_that_fails__leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_afterwards(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("alembic.runtime.environment.EnvironmentContext.run_migrations", fail_afterwards)
    with pytest.raises(RuntimeError):
        open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")
    monkeypatch.undo()
    open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")


def test_bad_url__does_not_print_its_password() -> None:
    for url in ("postgresql://ann:secret@host:port/d", "nonsense+driver://ann:secret@host/d"):
        with pytest.raises(ConfigError) as caught:
            open_knowledge(url)
        assert "secret" not in str(caught.value)


def test_locked_database__is_worth_retrying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.database.BUSY_SECONDS", 0.05)
    base = open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")
    holder = sqlite3.connect(tmp_path / "amso.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(SourceUnavailable, match="locked"), base.transaction() as books:
        books.runs.recent()
    holder.close()
    with base.transaction() as books:
        assert books.runs.recent() == []


def _open_at_once(url: str, barrier: Barrier) -> None:
    barrier.wait()
    try:
        base = open_knowledge(url)
    except AmsoError as error:
        raise SystemExit(str(error)) from error
    with base.transaction() as books:
        books.imports.add(make_import("first come"))


@pytest.mark.slow
def test_processes_at_once_on_a_fresh_file__all_succeed_every_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for round_ in range(2):
        barrier = context.Barrier(4)
        url = f"sqlite:///{tmp_path / str(round_) / 'amso.db'}"
        running = [context.Process(target=_open_at_once, args=(url, barrier)) for _ in range(4)]
        for process in running:
            process.start()
        for process in running:
            process.join(120)
        assert [process.exitcode for process in running] == [0] * 4
        with open_knowledge(url).transaction() as books:
            assert [record.import_id for record in books.imports.recent()] == ["first come"]
