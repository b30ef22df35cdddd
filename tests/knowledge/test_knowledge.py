"""The knowledge base on both engines: the offline books, transactions, two processes at once."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from domain.errors import ConfigError, InvalidSnapshot, NotFound, SourceUnavailable
from domain.ports import KnowledgeBase
from domain.records import AnalysisRecord, ImportRecord, PolicyRecord, QuarantinedRecord, RunRecord
from knowledge.database import SqlKnowledgeBase, open_knowledge

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_import(import_id: str = "i-1", imported_at: datetime = NOON) -> ImportRecord:
    return ImportRecord(import_id, "log.csv", "decision_log", 10, 9, {"reward missing": 1}, imported_at)


def make_policy(policy_version: str = "p-1", *, created_at: datetime = NOON, run: str = "train_1") -> PolicyRecord:
    return PolicyRecord(
        policy_version, "main", "outcome", f"runs/{run}/policy", run, None, "candidate", "hold", created_at
    )


def test_knowledge_base__implements_its_port(base: SqlKnowledgeBase) -> None:
    port: KnowledgeBase = base
    with port.transaction() as books:
        assert books.imports.recent() == []


def test_records__come_back_as_they_went_in(base: SqlKnowledgeBase) -> None:
    run = RunRecord("train_1", "train", NOON, 7, {"a": {"b": [1, None]}}, {"verdict": "hold"})
    analysis = AnalysisRecord("a-1", "trend", "reward", {"slope": 0.5}, NOON)
    with base.transaction() as books:
        assert books.imports.add(make_import())
        books.runs.add(run)
        books.policies.add(make_policy())
        books.analyses.add(analysis)
    with base.transaction() as books:
        assert books.imports.recent() == [make_import()]
        assert books.runs.get("train_1") == run
        assert books.policies.get("p-1") == make_policy()
        assert books.analyses.latest("trend") == [analysis]


def test_times__are_utc_whatever_zone_they_came_in(base: SqlKnowledgeBase) -> None:
    berlin = timezone(timedelta(hours=2))
    with base.transaction() as books:
        books.imports.add(make_import(imported_at=datetime(2026, 7, 1, 14, tzinfo=berlin)))
    with base.transaction() as books:
        (found,) = books.imports.recent()
    assert found.imported_at == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert found.imported_at.utcoffset() == timedelta(0)


def test_same_import_again__changes_nothing(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        assert books.imports.add(make_import())
        assert not books.imports.add(make_import())


def test_exception__rolls_everything_back(base: SqlKnowledgeBase) -> None:
    def interrupted() -> None:
        with base.transaction() as books:
            books.imports.add(make_import())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with base.transaction() as books:
        assert books.imports.recent() == []


def test_quarantine__keeps_raw_form_and_counts_by_reason(base: SqlKnowledgeBase) -> None:
    records = [QuarantinedRecord("log.csv", row, f"reason {row % 2}", '{"a": "\'; DROP TABLE x"}') for row in range(5)]
    with base.transaction() as books:
        books.imports.add(make_import())
        books.quarantine.add("i-1", records)
    with base.transaction() as books:
        assert books.quarantine.counts() == {"reason 0": 3, "reason 1": 2}
        assert list(books.quarantine.records()) == records[::-1]
        assert list(books.quarantine.records(limit=1)) == records[-1:]


def test_policies__are_listed_newest_first_and_by_decision_point(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.policies.add(make_policy("p-1"))
        books.policies.add(make_policy("p-2", created_at=NOON + timedelta(hours=1)))
    with base.transaction() as books:
        assert [p.policy_version for p in books.policies.all()] == ["p-2", "p-1"]
        assert books.policies.all("elsewhere") == []


def test_policy_trained_to_the_same_bytes__records_the_newer_run(base: SqlKnowledgeBase) -> None:
    for run in ("train_1", "train_2"):
        with base.transaction() as books:
            books.policies.add(make_policy(run=run))
    with base.transaction() as books:
        assert [p.run for p in books.policies.all()] == ["train_2"]


def test_unknown_version__is_refused_with_the_nearest_known(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.policies.add(make_policy("p-0123456789ab"))
    with pytest.raises(NotFound) as caught, base.transaction() as books:
        books.policies.get("p-0123456789ac")
    assert "p-0123456789ab" in caught.value.hint


def test_analyses__only_the_newest_of_a_kind_and_subject(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        for i, hours in enumerate((0, 2, 1)):
            books.analyses.add(AnalysisRecord(f"a-{i}", "trend", "reward", {}, NOON + timedelta(hours=hours)))
    with base.transaction() as books:
        assert [a.analysis_id for a in books.analyses.latest()] == ["a-1"]


def test_opening_again__finds_what_was_written(url: str) -> None:
    with open_knowledge(url).transaction() as books:
        books.imports.add(make_import())
    with open_knowledge(url).transaction() as books:
        assert books.imports.recent() == [make_import()]


def test_file_that_is_no_database__is_refused(tmp_path: Path) -> None:
    (tmp_path / "amso.db").write_text("not a database, " * 100)
    with pytest.raises(InvalidSnapshot, match="not a usable database"):
        open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")


def test_newer_schema__is_refused(url: str) -> None:
    base = open_knowledge(url)
    with base.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE amso_schema SET version_num = '9999_future'")
    with pytest.raises(InvalidSnapshot, match="9999_future"):
        open_knowledge(url)
    base.close()


@pytest.mark.parametrize("url", ["nonsense", "oracle+nope://h/d"])
def test_url_that_nobody_understands__is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        open_knowledge(url)


def test_folder_that_cannot_be_opened__is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "amso.db").mkdir()
    with pytest.raises(SourceUnavailable):
        open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")


def test_two_processes_opening_one_fresh_database__both_succeed(url: str) -> None:
    code = "import sys; from knowledge.database import open_knowledge; open_knowledge(sys.argv[1])"
    running = [subprocess.Popen([sys.executable, "-c", code, url], cwd=ROOT) for _ in range(2)]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
