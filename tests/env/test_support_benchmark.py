"""benchmarks/env/support.py on one seed: nothing outside support with the mask, much without it."""

import pytest

from benchmarks.env import support


@pytest.mark.parametrize("learner", ["outcome", "dqn"])
def test_no_decision_in_the_truth_is_outside_support__and_without_the_mask_many_are(learner: str) -> None:
    (row,) = support.run(1002, (learner,))
    assert (row["outside_leaf"], row["outside_ban"]) == (0, 0)
    without = (row["unmasked_outside_leaf"], row["unmasked_outside_ban"])
    assert min(int(str(n)) for n in without) > 0
