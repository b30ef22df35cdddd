"""How wrong are values of whole episodes, and do their intervals know it? Reference markets, truth exact.

Bar: fqe and sequential DR (drl, which decides) within 10 % relative error at 2,000 episodes, intervals covering >= .90.

A log: 2,000 customers of a subscription market until they leave, at most 12 periods, by the market's targeted behavior
policy, propensities logged. Two policies: the market's optimum softened over 3 EUR of long-run value, far from what was
logged, and uniform. Ten logs share a market with drawn parameters; the streams of the reported seeds were never used
for tuning. Values are undiscounted sums of 12 periods. Settings are the defaults of EvaluationConfig, features and
penalties those of the code. Relative error: mean |value - truth| / truth, and root mean square error / mean truth.
Every interval counts, those of refused logs too; `trusted` counts where the report vouches for it (no refusal,
estimator trusted).

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.sequential [N_LOGS]

writes sequential.json beside this file.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.evaluation.table_policy import TablePolicy, soften
from benchmarks.record import head_commit, write_record
from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from env.reference import exact
from env.reference.log import panel_log
from env.reference.parameters import draw_parameters
from env.reference.subscription import subscription_market
from evaluation.assessment import Assessment
from evaluation.evaluate import open_assessor
from evaluation.target import target_of_policy

N_LOGS = 200
LOGS_A_MARKET = 10
N_CUSTOMERS, N_PERIODS = 2000, 12
TEMPERATURE = 3.0  # EUR of long-run value over which the softened optimum spreads


@dataclass(frozen=True)
class Trial:
    """What one log said about one policy, and the truth."""

    answer: Assessment
    truth: float
    seconds: float  # of assessing the policy


@dataclass(frozen=True)
class Accuracy:
    """One estimator on one policy over all logs."""

    policy: str
    estimator: str
    n_logs: int  # on which it had an answer
    relative_error: float  # mean |value - truth| / truth
    relative_rmse: float  # root mean square error / mean truth
    relative_bias: float
    coverage: float
    mean_width: float
    mean_truth: float
    spread: float  # standard deviation of value - truth
    mean_stderr: float
    refused: float  # share of the logs
    trusted: float  # share of the logs on which the report vouches for this interval
    trusted_coverage: float | None  # among those; None where there are none
    trusted_relative_error: float | None


def run_trials(seeds: range) -> Iterator[Trial]:
    for seed in seeds:
        rng = np.random.default_rng([5, 1, seed])
        market = subscription_market(draw_parameters(np.random.default_rng([5, 0, seed // LOGS_A_MARKET])))
        log = panel_log(market, N_CUSTOMERS, N_PERIODS, rng=rng)
        assessor = open_assessor(log, EvaluationConfig(), rng)
        softened = soften(exact.solve(market).action_value, TEMPERATURE)
        for name, table in (("softened optimum", softened), ("uniform", exact.uniform(market))):
            truth = exact.value(market, table, horizon=N_PERIODS, discount=1.0)
            began = time.perf_counter()
            answer = assessor.assess(target_of_policy(TablePolicy(market, table, name)))
            yield Trial(answer, truth, time.perf_counter() - began)


def summarize(trials: list[Trial]) -> list[Accuracy]:
    """One row a policy and estimator."""
    rows: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for t in trials:
        for e in t.answer.estimates:
            is_refused = bool(t.answer.refusals)
            row = (e.value, e.low, e.high, e.stderr, t.truth, is_refused, e.trusted and not is_refused)
            rows.setdefault((e.policy, e.estimator), []).append(row)
    return [_summarize(*key, np.array(found, dtype=np.float64)) for key, found in rows.items()]


def _summarize(policy: str, estimator: str, rows: FloatArray) -> Accuracy:
    value, low, high, stderr, truth, refused, trusted = rows.T
    error, covers = value - truth, (low <= truth) & (truth <= high)
    relative, kept = np.abs(error) / truth, trusted > 0
    return Accuracy(
        policy=policy,
        estimator=estimator,
        n_logs=len(rows),
        relative_error=_mean(relative),
        relative_rmse=round(float(np.sqrt((error**2).mean()) / truth.mean()), 4),
        relative_bias=round(float(error.mean() / truth.mean()), 4),
        coverage=_mean(covers),
        mean_width=_mean(high - low),
        mean_truth=_mean(truth),
        spread=round(float(error.std()), 4),
        mean_stderr=_mean(stderr),
        refused=_mean(refused),
        trusted=_mean(trusted),
        trusted_coverage=_mean(covers[kept]) if kept.any() else None,
        trusted_relative_error=_mean(relative[kept]) if kept.any() else None,
    )


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> float:
    return round(float(values.mean()), 4)


def main() -> None:
    n_logs = int(sys.argv[1]) if len(sys.argv) > 1 else N_LOGS
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # pilots start at 1000 and are not recorded
    commit = head_commit()
    trials = list(run_trials(range(first, first + n_logs)))
    results = summarize(trials)
    for r in results:
        print(f"{r.policy:17} {r.estimator:7} relative error {r.relative_error:.3f} rmse {r.relative_rmse:.3f} "
              f"bias {r.relative_bias:+.3f} coverage {r.coverage:.3f} width {r.mean_width:7.2f} "
              f"refused {r.refused:.2f} trusted {r.trusted:.2f} covering {r.trusted_coverage}")  # fmt: skip
    design = {
        "n_logs": n_logs,
        "logs_a_market": LOGS_A_MARKET,
        "n_customers": N_CUSTOMERS,
        "n_periods": N_PERIODS,
        "temperature": TEMPERATURE,
        "nominal": EvaluationConfig().confidence,
        "median_seconds_a_policy": round(float(np.median([t.seconds for t in trials])), 3),
    }
    print(design)
    if first == 0:
        write_record(Path(__file__).with_suffix(".json"), [asdict(r) for r in results], design, commit=commit)


if __name__ == "__main__":
    main()
