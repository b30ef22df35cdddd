"""A record of a source before it is checked, and what every kind of source hands out.

A source yields records in the names of AMSO, and in between what was no record at all, ready for the quarantine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from collection.envelope import raw_text
from domain.records import QuarantinedRecord


@dataclass(frozen=True)
class RawRecord:
    """One record as it came, its columns renamed to ours."""

    source: str  # a file, a key or a source's name: where to look when it is quarantined
    row: int  # from 0, in the source
    fields: Mapping[str, object]
    is_text: bool = False  # every value came as text, numbers too (a Redis hash)

    def quarantined(self, reason: str) -> QuarantinedRecord:
        return QuarantinedRecord(self.source, self.row, reason, raw_text(self.fields))


SourceItem = RawRecord | QuarantinedRecord
SourceItems = Iterator[SourceItem]


def renamed(fields: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, object]:
    """The same values under our names; a column of theirs that already bears one of our mapped names gives way.

    >>> renamed({"user": "7", "age": 31}, {"unit_id": "user"})
    {'age': 31, 'unit_id': '7'}
    """
    theirs = set(columns.values())
    kept = {name: value for name, value in fields.items() if name not in theirs and name not in columns}
    return kept | {ours: fields[name] for ours, name in columns.items() if name in fields}
