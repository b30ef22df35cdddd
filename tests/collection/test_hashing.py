"""Ids as hashes: one id is one number, in whatever file and chunk it stands."""

import numpy as np
import pandas as pd
import pytest

from collection.hashing import hash_values

WHOLE = [7, -12, 0, 2**53]


HELD = (
    pd.Series([float(n) for n in WHOLE]),
    pd.Series(WHOLE, dtype="Int64"),
    pd.Series([str(n) for n in WHOLE]),
    pd.Series(WHOLE, dtype="object"),
    pd.Series(WHOLE, dtype="category"),
    pd.Series([str(n) for n in WHOLE], dtype="category"),
)


@pytest.mark.parametrize("held", HELD, ids=lambda held: str(held.dtype))
def test_a_whole_number__hashes_alike_as_number_and_as_text(held: pd.Series) -> None:
    np.testing.assert_array_equal(hash_values(held), hash_values(pd.Series(WHOLE, dtype="int64")))


def test_different_ids__hash_apart() -> None:
    ids = pd.Series(["7", "007", "7.5", "7a", "+7", "-7", "u7", "9" * 30, ""])
    assert len(set(hash_values(ids).tolist())) == len(ids)


def test_other_ids_beside_it__do_not_change_a_hash() -> None:
    alone = hash_values(pd.Series(["u1"]))
    assert hash_values(pd.Series(["1", "u1", None]))[1] == alone[0]
