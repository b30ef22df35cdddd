"""One reader for all sources that are read as a whole: file, sql, redis_hash, redis_json."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from collection.file_source import Table, read_table
from collection.hash_source import read_hashes
from collection.json_source import read_json_key
from collection.raw_records import RawRecord, SourceItems, renamed
from collection.redis_store import RedisWire
from collection.sql_source import read_query, source_url
from config.sources import FileSource, RedisHashSource, RedisJsonSource, Source, SqlSource
from domain.errors import ConfigError

ROWS_AT_A_TIME = 10_000
# Read as they are written, so that an id 01 stays 01 and an amount exact.
AS_WRITTEN = (
    "unit_id",
    "outcome_id",
    "decision_id",
    "corrects",
    "metric",
    "series",
    "account",
    "amount",
    "currency",
    "environment",
    "at",
)


@dataclass(frozen=True)
class SourceAccess:
    """How the kinds of sources are reached."""

    wire: Callable[[], RedisWire]  # called only for the kinds that need it
    stores_sql: str
    environ: Mapping[str, str]


def read_snapshot(name: str, source: Source, access: SourceAccess) -> SourceItems:
    """Everything a source holds now, in our names; what is no record comes ready for the quarantine.

    Raises:
        SourceUnavailable, InvalidSnapshot, UsageError: it cannot be read as a whole.
        ConfigError: a stream, which is followed instead.
    """
    if isinstance(source, FileSource):
        return _file_items(source)
    if isinstance(source, SqlSource):
        return read_query(name, source, source_url(name, source, access.stores_sql, access.environ))
    if isinstance(source, RedisHashSource):
        return read_hashes(access.wire(), source)
    if isinstance(source, RedisJsonSource):
        return read_json_key(access.wire(), source)
    raise ConfigError(f"source {name} is a stream, which has no end", "follow it instead")


def _file_items(source: FileSource) -> SourceItems:
    table = read_table(source.path, [source.columns.get(name, name) for name in AS_WRITTEN])
    yield from table.broken
    for start in range(0, len(table.frame), ROWS_AT_A_TIME):
        yield from _records(table, slice(start, start + ROWS_AT_A_TIME), source.columns)


def _records(table: Table, rows: slice, columns: Mapping[str, str]) -> Collection[RawRecord]:
    chunk = table.frame.iloc[rows]
    plain = chunk.astype(object).where(chunk.notna(), None)
    records = []
    for number, fields in zip(chunk.index, plain.to_dict("records"), strict=True):
        source, row = table.place(int(number))
        records.append(RawRecord(source, row, renamed({str(k): v for k, v in fields.items()}, columns)))
    return records
