"""Files as tables: Parquet, CSV and JSONL, one or a glob of several.

A line that is no record (ragged CSV, broken JSON) is set aside with its text; the others go on. A file that is no
table at all is refused as a whole.
"""

import glob
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import json as arrow_json
from pyarrow import parquet as arrow_parquet

from domain.errors import InvalidSnapshot, UsageError
from domain.records import QuarantinedRecord

RAGGED = "line with a wrong number of fields"
NOT_JSON = "line is not a JSON object"
DELIMITERS = ",;\t|"
KINDS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


@dataclass(frozen=True)
class Table:
    """What a source holds. The frame's index is the row number in the source, from 0, with gaps at broken lines.

    Several files are numbered on from one another; `place` finds the file and the row inside it.
    """

    frame: pd.DataFrame
    source: str
    n_rows: int  # records and broken lines
    broken: tuple[QuarantinedRecord, ...] = ()
    files: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()  # the first row number of each file

    def place(self, row: int) -> tuple[str, int]:
        """The file that holds a row, and the row's number there."""
        if not self.files:
            return self.source, row
        i = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.files[i], row - self.starts[i]


def table_of_frame(frame: pd.DataFrame) -> Table:
    """A frame in memory as a source; its own index does not count."""
    numbered = frame.reset_index(drop=True)
    numbered.columns = pd.Index([str(name) for name in frame.columns])
    check_names(list(numbered.columns), "the frame")
    return Table(numbered, "DataFrame", len(frame))


def read_table(source: Path | str, text_columns: Collection[str] = ()) -> Table:
    """Reads one file or a glob of files, in sorted order, into one frame.

    Args:
        source: a path, or a pattern with `*`, `?` or `[`.
        text_columns: columns to keep as written, so that an action `01` does not become 1.

    Raises:
        UsageError: no such file.
        InvalidSnapshot: empty, damaged, not a table, or of an unknown kind.
    """
    paths = matching_files(str(source))
    tables = [_read_file(path, frozenset(text_columns)) for path in paths]
    if len(tables) == 1:
        return tables[0]
    starts = np.cumsum([0, *(t.n_rows for t in tables[:-1])]).tolist()
    frames = [t.frame.set_axis(t.frame.index + start) for t, start in zip(tables, starts, strict=True)]
    broken = tuple(record for t in tables for record in t.broken)
    n_rows = sum(t.n_rows for t in tables)
    return Table(pd.concat(frames), str(source), n_rows, broken, tuple(map(str, paths)), tuple(starts))


def matching_files(source: str) -> list[Path]:
    """The file, or those of a pattern, in sorted order.

    Raises:
        UsageError: there is none.
    """
    if Path(source).is_file():
        return [Path(source)]
    if Path(source).is_dir():
        raise UsageError(f"{source} is a folder", f"name its files with a pattern, such as '{source}/*.parquet'")
    paths = sorted(Path(p) for p in glob.glob(source) if Path(p).is_file())  # noqa: PTH207 # absolute patterns too
    if not paths:
        raise UsageError(f"no file at {source}", "check the path; patterns need quotes in a shell")
    return paths


def _read_file(path: Path, text_columns: frozenset[str]) -> Table:
    readers: dict[str, Callable[[Path, frozenset[str]], Table]] = {
        "parquet": _read_parquet,
        "csv": _read_csv,
        "jsonl": _read_jsonl,
    }
    reader = readers[kind_of_file(path)]
    with readable(path):
        table = reader(path, text_columns)
    check_names(list(table.frame.columns), str(path))
    return table


def kind_of_file(path: Path) -> str:
    """parquet, csv or jsonl, by its name.

    Raises:
        InvalidSnapshot: of an unknown kind, or empty.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InvalidSnapshot(
            f"{path} ends in {path.suffix or 'nothing'!r}; known kinds are {', '.join(KINDS)}",
            "convert it, or rename it if only the name is wrong",
        )
    if not path.stat().st_size:
        raise InvalidSnapshot(f"{path} is empty (0 bytes)", "check the export that wrote it")
    return kind


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What breaks inside means that the file is damaged, or no such table."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        what = str(error).splitlines()[0]
        raise InvalidSnapshot(
            f"{path} cannot be read as {path.suffix[1:].lower()}: {what}",
            "it may be cut off or of another format; write it again",
        ) from error


def check_names(names: Sequence[str], source: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidSnapshot(f"{source} has more than one column named {', '.join(twice)}", "rename the columns apart")


def _read_parquet(path: Path, text_columns: frozenset[str]) -> Table:  # noqa: ARG001 # Parquet keeps its own types
    frame = arrow_parquet.ParquetFile(path).read(use_threads=False).to_pandas().reset_index(drop=True)
    return Table(frame, str(path), len(frame))


def _read_csv(path: Path, text_columns: frozenset[str]) -> Table:
    broken: list[QuarantinedRecord] = []

    def set_aside(row: arrow_csv.InvalidRow) -> str:
        # Arrow counts the header as row 1 and skips blank lines
        broken.append(QuarantinedRecord(str(path), row.number - 2, RAGGED, json.dumps(row.text)))
        return "skip"

    delimiter, names = csv_header(path)
    try:
        frame = _parse_csv(path, delimiter, text_columns, set_aside)
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
        # types are guessed from the first block; a later value that breaks the guess must not cost the file
        broken.clear()
        frame = _numbers_where_possible(_parse_csv(path, delimiter, names, set_aside), text_columns)
    n_rows = len(frame) + len(broken)
    bad = {record.row for record in broken}
    frame.index = pd.Index([i for i in range(n_rows) if i not in bad] if bad else range(n_rows))
    return Table(frame, str(path), n_rows, tuple(broken))


def csv_header(path: Path) -> tuple[str, tuple[str, ...]]:
    """The delimiter and the names of the columns."""
    with path.open(encoding="utf-8-sig") as lines:
        header = lines.readline().rstrip("\r\n")
    delimiter = max(DELIMITERS, key=header.count)
    return delimiter, tuple(name.strip('"') for name in header.split(delimiter))


def _parse_csv(
    path: Path, delimiter: str, text_columns: Collection[str], set_aside: Callable[[arrow_csv.InvalidRow], str]
) -> pd.DataFrame:
    options = arrow_csv.ConvertOptions(column_types=dict.fromkeys(text_columns, pa.string()))
    table = arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False),  # with threads, broken lines carry no number
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter, invalid_row_handler=set_aside, newlines_in_values=True
        ),
        convert_options=options,
    )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _numbers_where_possible(frame: pd.DataFrame, text_columns: Collection[str]) -> pd.DataFrame:
    """Columns that are numbers throughout as numbers, the rest as they were written."""
    converted = {}
    for name in frame.columns:
        values = frame[name].replace("", None)
        numbers = pd.to_numeric(values, errors="coerce")
        is_number = name not in text_columns and bool((numbers.notna() == values.notna()).all())
        converted[name] = numbers if is_number else frame[name]
    return pd.DataFrame(converted)


def _read_jsonl(path: Path, text_columns: frozenset[str]) -> Table:
    # times stay text here, because Arrow would drop their zone
    times = [name for name in ("decided_at", "time") if name in text_columns]
    schema = pa.schema([(name, pa.string()) for name in times])
    try:
        table = arrow_json.read_json(path, parse_options=arrow_json.ParseOptions(explicit_schema=schema))
    except pa.ArrowException:
        return _read_json_lines(path)
    frame = table.to_pandas()
    absent = [name for name in times if frame[name].isna().all()]
    return Table(frame.drop(columns=absent), str(path), len(frame))


def _read_json_lines(path: Path) -> Table:
    """Line by line, for files that Arrow refuses: one broken line, or a column whose type changes."""
    records: list[dict[str, object]] = []
    rows: list[int] = []
    broken: list[QuarantinedRecord] = []
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    for row, line in enumerate(lines):
        record = json_object(line)
        if record is None:
            broken.append(QuarantinedRecord(str(path), row, NOT_JSON, json.dumps(line)))
        else:
            records.append(record)
            rows.append(row)
    if not records:
        raise InvalidSnapshot(f"{path} holds no JSON object in {len(lines)} lines", "write one object a line")
    return Table(pd.DataFrame(records, index=pd.Index(rows)), str(path), len(lines), tuple(broken))


def json_object(line: str | bytes) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
