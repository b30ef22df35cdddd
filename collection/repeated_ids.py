"""Decision ids that repeat in a log of any size: exact but for collisions of 64-bit hashes, in bounded memory.

Every id's hash goes to a temporary file (8 bytes a row), which is sorted part by part. Only rows whose id repeats are
looked at again, with all they hold, to tell duplicates from conflicts. Among n ids two share a hash by chance with
probability n^2 / 2^65: 3e-6 at ten million.
"""

import tempfile

import numpy as np
import pandas as pd

from collection.hashing import HashArray, hash_values
from collection.repeats import Repeated, fingerprints
from domain.arrays import BoolArray, IntArray

PART = 1 << 22  # hashes that are sorted at a time


class IdHashes:
    """Collects the ids of a log."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 # lives as long as this object
        self._n = 0

    def add(self, ids: pd.Series) -> None:
        """What is missing is no id."""
        hashes = hash_values(ids[ids.notna()])
        hashes.tofile(self._file)
        self._n += len(hashes)

    def repeated(self) -> HashArray:
        """Sorted hashes of the ids that occur more than once."""
        n_parts = max(1, -(-self._n // PART))
        found = [_repeated(self._part(part, n_parts)) for part in range(n_parts)]
        return np.sort(np.concatenate(found))

    def close(self) -> None:
        self._file.close()

    def _part(self, part: int, n_parts: int) -> HashArray:
        self._file.seek(0)
        kept = []
        while len(block := np.fromfile(self._file, dtype=np.uint64, count=PART)):
            kept.append(block if n_parts == 1 else block[block % np.uint64(n_parts) == part])
        return np.concatenate(kept) if kept else np.zeros(0, dtype=np.uint64)


class RepeatedIds:
    """See `collection.repeats.Repeats`; chunks must come in the log's order, `rewind` before the next reading."""

    def __init__(self, repeated: HashArray) -> None:
        self._hashes = repeated
        self._prints: list[HashArray] = []  # (2, n) id and content of the rows that repeat an id
        self._n_contents = np.zeros(len(repeated), dtype=np.int64)
        self._is_seen = np.zeros(len(repeated), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._hashes)

    def look(self, rows: pd.DataFrame, ids: pd.Series) -> None:
        """Remembers what the rows that repeat an id hold."""
        hashes = hash_values(ids)
        is_repeated = self._is_repeated(hashes, ids)
        if is_repeated.any():
            self._prints.append(np.stack([hashes[is_repeated], fingerprints(rows[is_repeated])]))

    def compare(self) -> None:
        """After every row was looked at: how many contents each id has."""
        if self._prints:
            distinct = np.unique(np.concatenate(self._prints, axis=1), axis=1)
            place = np.searchsorted(self._hashes, distinct[0])
            self._n_contents = np.bincount(place, minlength=len(self._hashes))
            self._prints.clear()

    def rewind(self) -> None:
        self._is_seen[:] = False

    def find(self, ids: pd.Series) -> Repeated:
        nowhere = np.zeros(len(ids), dtype=np.bool_)
        if not len(self._hashes):
            return Repeated(nowhere, nowhere)
        hashes = hash_values(ids)
        rows = np.flatnonzero(self._is_repeated(hashes, ids))
        place = np.searchsorted(self._hashes, hashes[rows])
        _, first = np.unique(place, return_index=True)
        is_again = np.ones(len(rows), dtype=np.bool_)
        is_again[first] = self._is_seen[place[first]]
        self._is_seen[place] = True
        is_conflicting = self._n_contents[place] > 1
        return Repeated(_at(rows[is_conflicting], nowhere), _at(rows[is_again & ~is_conflicting], nowhere))

    def _is_repeated(self, hashes: HashArray, ids: pd.Series) -> BoolArray:
        if not len(self._hashes):
            return np.zeros(len(ids), dtype=np.bool_)
        place = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.asarray((self._hashes[place] == hashes) & ids.notna().to_numpy())


def _repeated(hashes: HashArray) -> HashArray:
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _at(rows: IntArray, nowhere: BoolArray) -> BoolArray:
    mask = nowhere.copy()
    mask[rows] = True
    return mask
