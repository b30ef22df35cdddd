"""Do the intervals contain the truth? Worlds whose values are known, thousands of logs of each, nominal 95 %.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.coverage [N_RUNS] [WORLD ...]

Worlds (benchmarks/evaluation/worlds.py), all parameters set before the runs that are reported; pilots used other seeds:
dense: 1,000 rounds, a reward of one in about 55 % of them · clicks: 10,000 rounds, 2 % conversion · sparse: 1,000
rounds, about 20 lognormal purchases · purchases: about 200 of them in 1,000 and in 10,000 rounds · weak: 1,000 and
10,000 rounds, policies that lean opposite ways (ESS/n about .04). Dense and clicks are run N_RUNS times (5,000), the
others 2,000 times at most.

Writes coverage.json beside this file, a row an estimator: coverage of our interval and of Student's on the same
standard error, which side missed, mean widths, share of logs on which the gate refuses, coverage where it answers.
The row `difference` is what decides: candidate minus logging policy, doubly robust, paired.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from benchmarks.evaluation.worlds import OPPOSED, OPPOSING, World
from benchmarks.record import head_commit, write_record
from config.evaluation import EvaluationConfig
from evaluation.evaluate import open_assessor
from evaluation.scores import mean_interval
from evaluation.target import logged_target, target_of_policy

SEED = 4
CONVERSION = 0.0365  # times the mean appeal of a logged action, .55: 2 %
WORLDS = (
    World("dense", 1_000),
    World("clicks", 10_000, CONVERSION),
    World("sparse", 1_000, CONVERSION, is_revenue=True),
    World("purchases, 1,000 rounds", 1_000, 10 * CONVERSION, is_revenue=True),
    World("purchases, 10,000 rounds", 10_000, CONVERSION, is_revenue=True),
    World("weak, 1,000 rounds", 1_000, behavior=OPPOSED, candidate=OPPOSING),
    World("weak, 10,000 rounds", 10_000, behavior=OPPOSED, candidate=OPPOSING),
)
N_LONG = 2  # the first two worlds


@dataclass(frozen=True)
class Interval:
    """One estimator on one log."""

    estimator: str
    value: float
    low: float
    high: float
    stderr: float


@dataclass(frozen=True)
class Run:
    """One log."""

    intervals: tuple[Interval, ...]
    is_refused: bool
    ess_share: float
    n_positive: int


@dataclass(frozen=True)
class Coverage:
    """One estimator in one world."""

    world: str
    estimator: str
    n_runs: int
    coverage: float
    monte_carlo_error: float
    missed_below: float  # the whole interval lies below the truth
    missed_above: float
    student_coverage: float
    mean_width: float
    width_ratio: float  # mean width / Student's
    bias: float
    refused: float
    coverage_answered: float | None  # None where every log is refused
    ess_share: float
    n_positive: float


def run(world: World, seed: int) -> Run:
    """One log of a world, evaluated."""
    rng = np.random.default_rng([SEED, seed])
    log = world.log(rng)
    config = EvaluationConfig()
    assessor = open_assessor(log, config, rng)
    candidate, logged = assessor.assess(target_of_policy(world.candidate)), assessor.assess(logged_target())
    difference = mean_interval(candidate.scores - logged.scores, assessor.weight, assessor.cluster, config.confidence)
    found = [Interval(e.estimator.split("(")[0], e.value, e.low, e.high, e.stderr) for e in candidate.estimates]
    found.append(Interval("difference", difference.value, difference.low, difference.high, difference.stderr))
    return Run(
        tuple(found), bool(candidate.refusals), candidate.diagnostics.ess_share, int(np.count_nonzero(log.reward))
    )


def measure(world: World, runs: Iterable[Run]) -> list[Coverage]:
    """Coverage of every estimator."""
    by_estimator: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    logs = []
    for one in runs:
        logs.append((one.is_refused, one.ess_share, one.n_positive))
        for i in one.intervals:
            by_estimator[i.estimator].append((i.value, i.low, i.high, i.stderr, one.is_refused))
    refused, ess_share, n_positive = np.array(logs, dtype=np.float64).mean(axis=0)
    value, logged = world.truth
    results = []
    for name, rows in by_estimator.items():
        truth = value - logged if name == "difference" else value
        results.append(_summarize(world, name, truth, np.array(rows, dtype=np.float64), refused, ess_share, n_positive))
    return results


def _summarize(
    world: World,
    name: str,
    truth: float,
    rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    refused: float,
    ess_share: float,
    n_positive: float,
) -> Coverage:
    value, low, high, stderr, is_refused = rows.T
    covers = (low <= truth) & (truth <= high)
    half = float(stdtrit(world.n_rounds - 1, 0.975)) * stderr
    answered = covers[is_refused == 0]
    return Coverage(
        world=world.name,
        estimator=name,
        n_runs=len(rows),
        coverage=round(float(covers.mean()), 4),
        monte_carlo_error=round(float(np.sqrt(covers.mean() * (1 - covers.mean()) / len(rows))), 4),
        missed_below=round(float((high < truth).mean()), 4),
        missed_above=round(float((low > truth).mean()), 4),
        student_coverage=round(float((np.abs(value - truth) <= half).mean()), 4),
        mean_width=float(f"{(high - low).mean():.5g}"),
        width_ratio=round(float((high - low).mean() / (2 * half.mean())), 4),
        bias=float(f"{value.mean() - truth:.3g}"),
        refused=round(float(refused), 4),
        coverage_answered=round(float(answered.mean()), 4) if len(answered) else None,
        ess_share=round(float(ess_share), 4),
        n_positive=round(float(n_positive), 1),
    )


def _run(task: tuple[int, int]) -> Run:
    return run(WORLDS[task[0]], task[1])


def main() -> None:
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    chosen = [i for i, world in enumerate(WORLDS) if not sys.argv[2:] or world.name in sys.argv[2:]]
    commit = head_commit()
    results = []
    with ProcessPoolExecutor(2) as pool:
        for i in chosen:
            n = n_runs if i < N_LONG else min(n_runs, 2_000)
            results += measure(WORLDS[i], pool.map(_run, [(i, seed) for seed in range(n)], chunksize=50))
            for r in results[-9:]:
                print(f"{r.world:25} {r.estimator:12} coverage {r.coverage:.3f} (Student {r.student_coverage:.3f}) "
                      f"width {r.mean_width:.4g} x{r.width_ratio:.3f} refused {r.refused:.3f} "
                      f"answered {r.coverage_answered}", flush=True)  # fmt: skip
    design = {"n_runs": n_runs, "nominal": EvaluationConfig().confidence, "seed": SEED}
    write_record(Path(__file__).with_suffix(".json"), [asdict(r) for r in results], design, commit=commit)


if __name__ == "__main__":
    main()
