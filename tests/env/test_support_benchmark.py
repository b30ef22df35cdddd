"""benchmarks/env/support.py on two seeds: nothing outside support with the mask, much without it."""

import pytest

from benchmarks.env import support


@pytest.mark.parametrize("learner", ["outcome", "dqn"])
def test_no_decision_in_the_truth_is_outside_support__and_without_the_mask_many_are(learner: str) -> None:
    rows = [row for seed in (1000, 1001) for row in support.run(seed, (learner,))]
    assert all((row["outside_leaf"], row["outside_ban"]) == (0, 0) for row in rows)
    for count in ("unmasked_outside_leaf", "unmasked_outside_ban"):
        assert sum(int(str(row[count])) for row in rows) > 100
