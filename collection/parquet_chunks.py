"""A Parquet file in chunks. Its footer says which columns hold anything, so only a few need a look beforehand."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet as arrow_parquet

from collection.file_source import Table
from collection.log_facts import NUMBER, TEXT, TIME, LogFacts
from collection.values import has_values

CHUNK_ROWS = 65_536  # the columns of a chunk fit the processor's cache
PEEK_ROWS, MAX_DISTINCT = 4096, 256  # rows looked at, and how many texts a column may hold there to count as few
BUFFER_BYTES = 1 << 18  # of each column, read at a time: a row group as large as the file costs no more memory


class ParquetChunks:
    """See `collection.chunks.ChunkedFile`."""

    def __init__(self, path: Path, text_columns: frozenset[str]) -> None:
        self._path = path
        with arrow_parquet.ParquetFile(path) as file:
            self._schema: pa.Schema = file.schema_arrow
            self._metadata = file.metadata
            texts = [name for name in self._schema.names if name in text_columns and _is_text(self._type(name))]
            # few texts that repeat come as codes; a dictionary of ids would cost far more than the ids
            self._coded = _repeating(file, texts)
        empty = self._schema.empty_table().to_pandas().reset_index(drop=True)
        self.names: Sequence[str] = [str(name) for name in empty]

    @property
    def known(self) -> LogFacts:
        """By the footer's statistics; a column that lacks them is read until something is found in it."""
        filled = [name for name in self.names if self._is_filled(name)]
        kinds = {name: frozenset({self._kind(name)}) for name in filled}
        return LogFacts(self._metadata.num_rows, frozenset(filled), kinds=kinds)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[float, Table]]:
        """See `collection.chunks.ChunkedFile`."""
        wanted = list(self.names) if columns is None else list(columns)
        row, n_rows = 0, max(self._metadata.num_rows, 1)
        coded = [name for name in self._coded if name in wanted]
        with arrow_parquet.ParquetFile(
            self._path, read_dictionary=coded, buffer_size=BUFFER_BYTES, pre_buffer=False
        ) as file:  # pre-buffering would keep what was read until the end
            for batch in file.iter_batches(CHUNK_ROWS, columns=wanted, use_threads=False):
                # without a copy, so the arrays are read only
                frame = batch.to_pandas(split_blocks=True, ignore_metadata=True)
                frame.index = pd.RangeIndex(row, row + len(frame))
                row += len(frame)
                yield row / n_rows, Table(frame, str(self._path), len(frame))

    def _type(self, name: str) -> pa.DataType:
        return self._schema.field(name).type

    def _kind(self, name: str) -> str:
        found = self._type(name)
        if pa.types.is_timestamp(found):
            return TIME
        tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
        return NUMBER if any(test(found) for test in tests) else TEXT

    def _is_filled(self, name: str) -> bool:
        paths = [self._metadata.schema.column(i).path for i in range(self._metadata.num_columns)]
        leaves = [i for i, path in enumerate(paths) if path == name or path.startswith(f"{name}.")]
        groups = [self._metadata.row_group(i) for i in range(self._metadata.num_row_groups)]
        found = [_holds_anything(group.column(leaf)) for group in groups for leaf in leaves]
        if None in found:
            return any(has_values(table.frame[name]) for _, table in self.chunks([name]))
        return any(found)


def _repeating(file: arrow_parquet.ParquetFile, names: list[str]) -> list[str]:
    first = next(file.iter_batches(PEEK_ROWS, columns=names, use_threads=False), None) if names else None
    if first is None:
        return []
    return [name for name in names if len(first.column(name).unique()) <= MAX_DISTINCT]


def _holds_anything(column: arrow_parquet.ColumnChunkMetaData) -> bool | None:
    """Not only missing values and empty text; None where there are no statistics, as of a column of nothing."""
    statistics = column.statistics
    if statistics is None or not statistics.has_null_count:
        return None
    if column.num_values == statistics.null_count:
        return False
    return statistics.physical_type != "BYTE_ARRAY" or not statistics.has_min_max or statistics.max not in ("", b"")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
