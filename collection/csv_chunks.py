"""A CSV file in chunks, one a block. Types are guessed from the first block, like those of a file that is read whole.

Where a later value breaks the guess, every column is read as text, and those that hold numbers throughout are numbers.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from collection.file_source import RAGGED, Table, csv_header
from collection.log_facts import LogFacts
from domain.records import QuarantinedRecord

BLOCK_BYTES = 4 << 20


class CsvChunks:
    """See `collection.chunks.ChunkedFile`."""

    known: LogFacts | None = None  # a text file says nothing about itself

    def __init__(self, path: Path, text_columns: frozenset[str]) -> None:
        self._path = path
        self._text_columns = text_columns
        self._delimiter, _ = csv_header(path)
        self._numbers: frozenset[str] | None = None  # where everything is read as text: what to turn into numbers
        with arrow_csv.open_csv(path, parse_options=self._parse_options([])) as reader:
            self.names: Sequence[str] = list(reader.schema.names)
        try:
            for _ in self._frames(None, []):
                pass
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            self._numbers = frozenset(self.names) - text_columns
            for frame in self._frames(None, []):
                self._numbers -= {name for name in self._numbers if not _holds_numbers(frame[name])}

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[float, Table]]:
        """See `collection.chunks.ChunkedFile`."""
        broken: list[QuarantinedRecord] = []
        ahead: set[int] = set()  # rows of broken lines that no chunk has passed yet: the parser is ahead of us
        n_bytes, next_row = self._path.stat().st_size, 0
        with self._path.open("rb") as file:
            for frame in self._frames(columns, broken, file):
                told = tuple(broken)
                broken.clear()
                ahead |= {record.row for record in told}
                numbers = _row_numbers(next_row, len(frame), ahead)
                next_row = numbers[-1] + 1 if numbers else next_row
                ahead = {row for row in ahead if row >= next_row}
                converted = self._converted(frame).set_axis(pd.Index(numbers, dtype="int64"))
                yield file.tell() / n_bytes, Table(converted, str(self._path), len(frame) + len(told), told)
        if broken:
            nothing = pd.DataFrame({name: pd.Series(dtype=object) for name in columns or self.names})
            yield 1.0, Table(nothing, str(self._path), len(broken), tuple(broken))

    def _frames(
        self, columns: Sequence[str] | None, broken: list[QuarantinedRecord], file: object = None
    ) -> Iterator[pd.DataFrame]:
        as_text = self._text_columns if self._numbers is None else self.names
        convert = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(as_text, pa.string()), include_columns=None if columns is None else list(columns)
        )
        read = arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)
        source = self._path if file is None else file
        with arrow_csv.open_csv(source, read, self._parse_options(broken), convert) as reader:
            for batch in reader:
                yield batch.to_pandas()

    def _parse_options(self, broken: list[QuarantinedRecord]) -> arrow_csv.ParseOptions:
        def set_aside(row: arrow_csv.InvalidRow) -> str:
            # Arrow counts the header as row 1 and skips blank lines; without a number it only wants the header
            if row.number is not None:
                broken.append(QuarantinedRecord(str(self._path), row.number - 2, RAGGED, json.dumps(row.text)))
            return "skip"

        return arrow_csv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=set_aside, newlines_in_values=True)

    def _converted(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self._numbers is None:
            return frame
        as_numbers = {name: pd.to_numeric(frame[name].replace("", None)) for name in frame if name in self._numbers}
        return frame.assign(**as_numbers)


def _holds_numbers(texts: pd.Series) -> bool:
    values = texts.replace("", None)
    return bool((pd.to_numeric(values, errors="coerce").notna() == values.notna()).all())


def _row_numbers(first: int, n: int, broken: set[int]) -> list[int]:
    """The numbers of the next n rows that are not broken."""
    if not broken:
        return list(range(first, first + n))
    numbers: list[int] = []
    row = first
    while len(numbers) < n:
        if row not in broken:
            numbers.append(row)
        row += 1
    return numbers
