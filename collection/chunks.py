"""Files as chunks of bounded size that can be read again and again, each with the same types throughout.

What `file_source` reads as one frame comes here in pieces: the same names, types, row numbers and broken lines.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collection.csv_chunks import CsvChunks
from collection.file_source import Table, check_names, kind_of_file, matching_files, readable
from collection.jsonl_chunks import JsonlChunks
from collection.log_facts import LogFacts
from collection.parquet_chunks import ParquetChunks


class ChunkedFile(Protocol):
    """One file."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def known(self) -> LogFacts | None:
        """What the file says about its columns without being read; None where it says nothing."""
        ...

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[float, Table]]:
        """Tables one after another, each with the share of the file that is done; None = all columns."""
        ...


@dataclass(frozen=True)
class ChunkedFiles:
    """Several files after one another; a column that one of them lacks is missing there."""

    source: str
    paths: tuple[Path, ...]
    files: tuple[ChunkedFile, ...]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for file in self.files for name in file.names))

    @property
    def known(self) -> LogFacts | None:
        """What all of them say without being read."""
        parts = [file.known for file in self.files]
        known = [part for part in parts if part is not None]
        return sum(known, LogFacts()) if len(known) == len(parts) else None

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[float, int, Table]]:
        """Share done, number of the file, table.

        Raises:
            InvalidSnapshot: damaged further on.
        """
        wanted = self.names if columns is None else list(columns)
        for i, (path, file) in enumerate(zip(self.paths, self.files, strict=True)):
            here = [name for name in wanted if name in file.names]
            with readable(path):
                for share, table in file.chunks(here):
                    whole = len(here) == len(wanted)
                    frame = table.frame if whole else table.frame.reindex(columns=wanted)
                    yield (
                        (i + share) / len(self.files),
                        i,
                        table if whole else Table(frame, table.source, table.n_rows, table.broken),
                    )


def open_chunks(source: Path | str, text_columns: Sequence[str] = ()) -> ChunkedFiles:
    """One file or a glob of files, in sorted order.

    Raises:
        UsageError: no such file.
        InvalidSnapshot: empty, damaged, not a table, or of an unknown kind.
    """
    paths = tuple(matching_files(str(source)))
    return ChunkedFiles(str(source), paths, tuple(_open(path, frozenset(text_columns)) for path in paths))


def _open(path: Path, text_columns: frozenset[str]) -> ChunkedFile:
    kinds: dict[str, Callable[[Path, frozenset[str]], ChunkedFile]] = {
        "parquet": ParquetChunks,
        "csv": CsvChunks,
        "jsonl": JsonlChunks,
    }
    open_file = kinds[kind_of_file(path)]
    with readable(path):
        file = open_file(path, text_columns)
    check_names(list(file.names), str(path))
    return file
