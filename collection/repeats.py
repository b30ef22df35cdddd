"""Decision ids that occur more than once. The same content twice is a duplicate; other content is a conflict.

Of duplicates the first row stays; of conflicting rows none is believed.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from collection.hashing import HashArray
from collection.values import text_of
from domain.arrays import BoolArray, IntArray


@dataclass(frozen=True)
class Repeated:
    """Which rows repeat an id."""

    is_conflicting: BoolArray  # (n_rows,)
    is_duplicate: BoolArray  # (n_rows,)


class Repeats(Protocol):
    """Knows which decision ids repeat."""

    def find(self, ids: pd.Series) -> Repeated: ...


@dataclass(frozen=True)
class RepeatsOfFrame:
    """Ids that repeat inside a frame that is all there is."""

    rows: pd.DataFrame

    def find(self, ids: pd.Series) -> Repeated:
        twice = np.flatnonzero(ids.duplicated(keep=False).to_numpy() & ids.notna().to_numpy())
        nowhere = np.zeros(len(ids), dtype=np.bool_)
        if not len(twice):
            return Repeated(nowhere, nowhere)
        ids = ids.iloc[twice].map(text_of).astype("str")
        prints = pd.Series(fingerprints(self.rows.iloc[twice]))
        n_contents = prints.groupby(ids.to_numpy()).transform("nunique").to_numpy()
        repeated = ids.duplicated(keep="first").to_numpy()
        is_duplicate = repeated & (n_contents == 1)
        return Repeated(_at(twice[n_contents > 1], len(nowhere)), _at(twice[is_duplicate], len(nowhere)))


def fingerprints(rows: pd.DataFrame) -> HashArray:
    """(n_rows,) of everything that a row holds."""
    content = rows.map(text_of).astype("str")
    return np.asarray(pd.util.hash_pandas_object(content, index=False), dtype=np.uint64)


def _at(positions: IntArray, n_rows: int) -> BoolArray:
    mask = np.zeros(n_rows, dtype=np.bool_)
    mask[positions] = True
    return mask
