"""Why a row cannot be used: the first reason that applies, one a row, in words that stay the same between versions."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from collection.file_source import Table
from domain.arrays import BoolArray, IntArray
from domain.records import QuarantinedRecord

CHUNK_ROWS = 10_000  # quarantined at a time
MEND = "mend these rows in the export"
REMEDIES = {
    "episode with two rows of the same step": "number the steps of an episode 0, 1, 2, …",
    "episode that does not start at step 0": "export episodes from their first step",
    "episode with a missing step": "export every step of an episode",
    "episode that goes on after its end": "start a new episode where a customer comes back",
    "episode whose time goes back": "number the steps in the order of decided_at, or mend the times",
}


class Faults:
    """The first fault of each row.

    >>> faults = Faults(2)
    >>> faults.mark(np.array([True, False]), "reward infinite")
    >>> faults.mark(np.array([True, False]), "weight not positive")
    >>> faults.counts()
    {'reward infinite': 1}
    """

    def __init__(self, n_rows: int) -> None:
        self._code: IntArray = np.full(n_rows, -1, dtype=np.int64)
        self._reasons: list[str] = []

    def mark(self, mask: BoolArray, reason: str) -> None:
        """Gives the rows of `mask` this reason, where they have none yet."""
        if not mask.any():
            return
        fresh = mask & (self._code < 0)
        if fresh.any():
            if reason not in self._reasons:
                self._reasons.append(reason)
            self._code[fresh] = self._reasons.index(reason)

    @property
    def is_good(self) -> BoolArray:
        return self._code < 0

    @property
    def bad_rows(self) -> IntArray:
        """Positions of the rows with a fault, ascending."""
        return np.flatnonzero(self._code >= 0).astype(np.int64)

    def reason(self, position: int) -> str:
        return self._reasons[int(self._code[position])]

    def counts(self) -> dict[str, int]:
        n = np.bincount(self._code[self._code >= 0], minlength=len(self._reasons))
        return {reason: int(n[i]) for i, reason in enumerate(self._reasons)}


def remedies_of(reasons: Iterable[str]) -> str:
    """What mends the rows that were set aside for these reasons."""
    return "; ".join(dict.fromkeys(REMEDIES.get(reason, MEND) for reason in reasons))


def set_aside(
    faults: Faults,
    rows: pd.DataFrame,
    table: Table,
    quarantine: Callable[[Sequence[QuarantinedRecord]], None] | None,
) -> Mapping[str, int]:
    """Hands broken lines and faulty rows to the quarantine with their raw form; counts them by reason.

    Args:
        faults: of `rows`.
        rows: rows of the table's frame, indexed by row number.
        table: what was read.
        quarantine: called with a few thousand records at a time; None only counts.
    """
    if quarantine is not None:
        if table.broken:
            quarantine(table.broken)
        bad = faults.bad_rows
        for start in range(0, len(bad), CHUNK_ROWS):
            quarantine(_records(faults, rows, table, bad[start : start + CHUNK_ROWS]))
    counts = Counter(record.reason for record in table.broken)
    return dict(sorted((counts + Counter(faults.counts())).items()))


def _records(faults: Faults, rows: pd.DataFrame, table: Table, bad: IntArray) -> list[QuarantinedRecord]:
    chunk = rows.iloc[bad]
    raws = [_raw(record) for record in chunk.astype(object).to_dict("records")]
    records = []
    for position, number, raw in zip(bad, chunk.index, raws, strict=True):
        source, row = table.place(int(number))
        records.append(QuarantinedRecord(source, row, faults.reason(int(position)), raw))
    return records


def _raw(record: Mapping[object, object]) -> str:
    return json.dumps({str(k): _plain(v) for k, v in record.items()}, default=str)


def _plain(value: object) -> object:
    """JSON has no NaN and no infinity: missing becomes null, infinity its name."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return None if value is pd.NA or value is pd.NaT else value
