"""Small versions of benchmarks/evaluation/coverage.py."""

from collections import Counter

import numpy as np

from config.evaluation import EvaluationConfig
from evaluation.evaluate import open_assessor
from evaluation.target import target_of_policy
from tests.evaluation.worlds import LookupPolicy, bandit_world, greedy_table

RUNS = 300
NOMINAL = 0.95
MONTE_CARLO = 3 * np.sqrt(NOMINAL * (1 - NOMINAL) / RUNS)


def test_intervals_cover_the_true_value__and_the_same_check_catches_one_that_leaves_out_its_bias() -> None:
    world = bandit_world()
    table = greedy_table(world)
    truth, covered, n_trusted = world.value(table), Counter[str](), Counter[str]()
    for seed in range(RUNS):
        rng = np.random.default_rng([11, seed])
        assessor = open_assessor(world.log(400, rng), EvaluationConfig(), rng)
        for e in assessor.assess(target_of_policy(LookupPolicy(table))).estimates:
            name = e.estimator.split("(")[0]
            covered[name] += e.low <= truth <= e.high
            n_trusted[name] += e.trusted
    for name in ("ips", "snips", "dr", "sndr"):
        assert n_trusted[name] == RUNS
        assert covered[name] / RUNS > NOMINAL - MONTE_CARLO, name
        assert covered[name] / RUNS < NOMINAL + MONTE_CARLO, name
    assert n_trusted["dm"] == 0
    assert covered["dm"] / RUNS < NOMINAL - MONTE_CARLO
