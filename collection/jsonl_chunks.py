"""A JSONL file in chunks of whole lines, all with the types that the file as a whole has.

Where Arrow refuses a line, or a column changes its type, the file is read line by line, as `file_source` does.
"""

import json
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import json as arrow_json

from collection.file_source import NOT_JSON, Table, json_object
from collection.log_facts import LogFacts
from collection.values import texts_of
from domain.errors import InvalidSnapshot
from domain.records import QuarantinedRecord

CHUNK_BYTES = 8 << 20
TIMES = ("decided_at", "time")  # stay text, because Arrow would drop their zone


class JsonlChunks:
    """See `collection.chunks.ChunkedFile`."""

    known: LogFacts | None = None  # a text file says nothing about itself

    def __init__(self, path: Path, text_columns: frozenset[str]) -> None:
        self._path = path
        self._times = [name for name in TIMES if name in text_columns]
        self._text_columns = text_columns
        self._schema = self._common_schema()  # None: line by line
        self.names: Sequence[str] = self._schema.names if self._schema is not None else self._names_of_lines()

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[float, Table]]:
        """See `collection.chunks.ChunkedFile`."""
        wanted = self.names if columns is None else list(columns)
        row, n_bytes = 0, self._path.stat().st_size
        for position, lines in self._lines():
            frame, broken = self._by_line(lines, row) if self._schema is None else (self._by_arrow(lines, row), ())
            frame = frame.reindex(columns=pd.Index(wanted))
            row += len(lines)
            yield position / n_bytes, Table(frame, str(self._path), len(lines), broken)

    def _lines(self) -> Iterator[tuple[int, list[bytes]]]:
        with self._path.open("rb") as file:
            while found := file.readlines(CHUNK_BYTES):
                lines = [line for line in found if line.strip()]
                if lines:
                    yield file.tell(), lines

    def _common_schema(self) -> pa.Schema | None:
        known = pa.schema([(name, pa.string()) for name in self._times])
        found: dict[str, pa.DataType] = {}
        try:
            for _, lines in self._lines():
                table = _parse(lines, known)
                for field in table.schema:
                    is_empty = table[field.name].null_count == len(table)
                    if not is_empty or field.name not in found:
                        new = pa.null() if is_empty else field.type
                        found[field.name] = _common(found.get(field.name, pa.null()), new)
        except pa.ArrowException:
            return None
        absent = [name for name in self._times if pa.types.is_null(found.get(name, pa.null()))]
        return pa.schema([(name, kind) for name, kind in found.items() if name not in absent])

    def _names_of_lines(self) -> list[str]:
        names = dict[str, None]()
        for _, lines in self._lines():
            for line in lines:
                names |= dict.fromkeys(json_object(line.decode(errors="replace")) or ())
        if not names:
            raise InvalidSnapshot(f"{self._path} holds no JSON object", "write one object a line")
        return list(names)

    def _by_arrow(self, lines: list[bytes], row: int) -> pd.DataFrame:
        frame: pd.DataFrame = _parse(lines, self._schema).to_pandas()
        return frame.set_axis(pd.RangeIndex(row, row + len(frame)))

    def _by_line(self, lines: list[bytes], row: int) -> tuple[pd.DataFrame, tuple[QuarantinedRecord, ...]]:
        texts = [line.decode(errors="replace").rstrip("\r\n") for line in lines]
        records = [json_object(text) for text in texts]
        good = [i for i, record in enumerate(records) if record is not None]
        broken = tuple(
            QuarantinedRecord(str(self._path), row + i, NOT_JSON, json.dumps(texts[i]))
            for i, record in enumerate(records)
            if record is None
        )
        frame = pd.DataFrame([records[i] for i in good], index=pd.Index([row + i for i in good], dtype="int64"))
        # an id that is a number in one chunk and text in another must be the same
        as_text = {n: texts_of(frame[n]) for n in frame if n in self._text_columns and n != "eligible"}
        return frame.assign(**as_text), broken


def _parse(lines: list[bytes], schema: pa.Schema) -> pa.Table:
    options = arrow_json.ParseOptions(explicit_schema=schema)
    read = arrow_json.ReadOptions(use_threads=False, block_size=2 * CHUNK_BYTES)
    return arrow_json.read_json(BytesIO(b"".join(lines)), read, options)


def _common(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """The type that holds both.

    Raises:
        ArrowInvalid: there is none; Arrow would refuse the whole file too.
    """
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    kinds = {pa.types.is_timestamp(a) or pa.types.is_string(a), pa.types.is_timestamp(b) or pa.types.is_string(b)}
    if kinds == {True}:
        return pa.string()
    both = [pa.schema([("", a)]), pa.schema([("", b)])]
    return pa.unify_schemas(both, promote_options="permissive").field(0).type
