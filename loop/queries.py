"""Decision logs that lie in SQL: a query's rows, asked for once, as a file that is read like any other.

A log is read more than once (a first look, a sample, the evaluation): a table that grows meanwhile would be another log
every time. The file holds what the query holds, so only this user may read it, and it goes when the workspace closes.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from collection.raw_records import RawRecord
from collection.sql_source import read_query, source_url
from config.sources import SqlSource
from domain.errors import InvalidSnapshot
from loop.text import progress_bar

ROWS_A_REPORT = 20_000


class Queries:
    """Runs each query at most once."""

    def __init__(self, stores_sql: str, environ: Mapping[str, str]) -> None:
        self._stores_sql, self._environ = stores_sql, environ
        self._folder = TemporaryDirectory(prefix="amso-query-")
        self._files: dict[str, Path] = {}

    def log_file(self, name: str, source: SqlSource) -> Path:
        """The rows as JSON Lines, under the source's own column names.

        Raises:
            ConfigError, SourceUnavailable, InvalidSnapshot: as `collection.sql_source.read_query`; also no rows.
        """
        if name not in self._files:
            self._files[name] = self._write(name, source)
        return self._files[name]

    def close(self) -> None:
        self._folder.cleanup()

    def _write(self, name: str, source: SqlSource) -> Path:
        path, n_rows = Path(self._folder.name) / f"{name}.jsonl", 0
        url = source_url(name, source, self._stores_sql, self._environ)
        bare = source.model_copy(update={"columns": {}})  # the log's reader knows what they mean
        with path.open("w", encoding="utf-8") as file, progress_bar(f"query {name}") as report:
            for record in read_query(name, bare, url):
                assert isinstance(record, RawRecord)  # rows of a query are never broken
                file.write(json.dumps(dict(record.fields), default=_plain) + "\n")
                n_rows += 1
                if n_rows % ROWS_A_REPORT == 0:
                    report(0.0, f"{n_rows:,} rows")
        if not n_rows:
            raise InvalidSnapshot(f"the query of source {name} returned no rows", "check it, and the table it reads")
        return path


def _plain(value: object) -> float | str:
    """Of what JSON does not know: decimals stay numbers, lest a price become a text; times their ISO text."""
    return float(value) if isinstance(value, Decimal) else str(value)
