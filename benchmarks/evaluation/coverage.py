"""Do the intervals contain the truth? Reference markets whose values are known exactly, 200 logs of each kind.

Ten logs share a market and a candidate, drawn anew for every block: the softened optimum of a market with drawn
parameters (panels), a policy learned from another log (one period). Every interval counts on its own.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.coverage [N_LOGS]

writes coverage.json beside this file: coverage and mean width by estimator, share of logs where the gate refuses.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from agents.outcome_learner import OutcomeLearner
from benchmarks.record import head_commit, write_record
from config.evaluation import EvaluationConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.log import LoggedDecisions
from env.reference import exact
from env.reference.log import one_period_log, one_period_value, panel_log
from env.reference.parameters import draw_parameters
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket
from evaluation.evaluate import open_assessor
from evaluation.target import Target, target_of_policy

LOGS_A_BLOCK = 10
N_ROUNDS = 4000  # of a one-period log
N_CUSTOMERS, N_PERIODS = 2000, 12  # of a panel
TEMPERATURE = 3.0  # EUR of long-run value over which the softened optimum spreads


@dataclass(frozen=True)
class TablePolicy:
    """A distribution for every state of a market, found by the state's context."""

    market: TabularMarket
    table: FloatArray  # (n_states, n_actions)
    name: str = "candidate"

    @property
    def actions(self) -> ActionSet:
        return self.market.actions

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        assert eligible is None
        code, known = _code(context, self.market.states), _code(self.market.states, self.market.states)
        order = np.argsort(known)
        return self.table[order[np.searchsorted(known[order], code)]]


@dataclass(frozen=True)
class Trial:
    """A log, a policy and the truth about it."""

    log: LoggedDecisions
    target: Target
    truth: float
    rng: np.random.Generator


@dataclass(frozen=True)
class Coverage:
    """One estimator on one policy."""

    kind: str
    policy: str
    estimator: str
    n_logs: int
    coverage: float
    mean_width: float
    rmse: float
    mean_truth: float
    refused: float  # share of the logs
    trusted: float  # share of the logs on which the report vouches for this interval
    trusted_coverage: float | None  # among those; None where there are none


def panel_trials(n_logs: int) -> Iterator[Trial]:
    for seed in range(n_logs):
        block, rng = seed // LOGS_A_BLOCK, np.random.default_rng([1, seed])
        market = subscription_market(draw_parameters(np.random.default_rng([2, block])))
        table = _soften(exact.solve(market).action_value)
        log = panel_log(market, N_CUSTOMERS, N_PERIODS, rng=rng)
        for name, t in (("softened optimum", table), ("uniform", exact.uniform(market))):
            truth = exact.value(market, t, horizon=N_PERIODS, discount=1.0)
            yield Trial(log, target_of_policy(TablePolicy(market, t, name)), truth, rng)


def one_period_trials(n_logs: int) -> Iterator[Trial]:
    for seed in range(n_logs):
        block, rng = seed // LOGS_A_BLOCK, np.random.default_rng([3, seed])
        drawn = np.random.default_rng([4, block])
        market = subscription_market(draw_parameters(drawn))
        learned = OutcomeLearner().fit(one_period_log(market, N_ROUNDS, rng=drawn), drawn)
        table = exact.distribution_of(market, learned)
        log = one_period_log(market, N_ROUNDS, rng=rng)
        for name, t in (("learned", table), ("uniform", exact.uniform(market))):
            yield Trial(log, target_of_policy(TablePolicy(market, t, name)), one_period_value(market, t), rng)


def measure(kind: str, trials: Iterator[Trial]) -> list[Coverage]:
    """Coverage of every estimator on every policy of some trials."""
    results: dict[tuple[str, str], list[tuple[float, float, float, float, bool, bool]]] = {}
    opened, assessor = None, None
    for trial in trials:
        if opened is not trial.log or assessor is None:
            opened, assessor = trial.log, open_assessor(trial.log, EvaluationConfig(), trial.rng)
        answer = assessor.assess(trial.target)
        for e in answer.estimates:
            vouched = e.trusted and not answer.refusals
            row = (e.value, e.low, e.high, trial.truth, bool(answer.refusals), vouched)
            results.setdefault((answer.name, e.estimator), []).append(row)
    return [_summarize(kind, *key, np.array(rows, dtype=np.float64)) for key, rows in results.items()]


def _summarize(kind: str, policy: str, estimator: str, rows: FloatArray) -> Coverage:
    value, low, high, truth, refused, trusted = rows.T
    covers = (low <= truth) & (truth <= high)
    kept = covers[trusted > 0]
    return Coverage(
        kind,
        policy,
        estimator,
        len(rows),
        round(float(covers.mean()), 4),
        round(float((high - low).mean()), 4),
        round(float(np.sqrt(((value - truth) ** 2).mean())), 4),
        round(float(truth.mean()), 4),
        round(float(refused.mean()), 4),
        round(float(trusted.mean()), 4),
        round(float(kept.mean()), 4) if len(kept) else None,
    )


def _soften(action_value: FloatArray) -> FloatArray:
    raised = np.exp((action_value - action_value.max(axis=1, keepdims=True)) / TEMPERATURE)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _code(context: Context, states: Context) -> IntArray:
    """(n_rounds,) one number a combination of levels."""
    code = np.zeros(context.n_rounds, dtype=np.int64)
    for name, column in states.columns.items():
        levels = np.unique(column.astype(str))
        code = code * len(levels) + np.searchsorted(levels, context.column(name).astype(str))
    return code


def main() -> None:
    n_logs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    commit = head_commit()
    results = measure("one period", one_period_trials(n_logs)) + measure("panel", panel_trials(n_logs))
    design = {
        "n_logs": n_logs,
        "n_rounds": N_ROUNDS,
        "n_customers": N_CUSTOMERS,
        "n_periods": N_PERIODS,
        "nominal": EvaluationConfig().confidence,
    }
    rows = [asdict(r) for r in results]
    write_record(Path(__file__).with_suffix(".json"), rows, design, commit=commit)
    for r in results:
        print(f"{r.kind:10} {r.policy:17} {r.estimator:6} coverage {r.coverage:.3f} width {r.mean_width:8.3f} "
              f"rmse {r.rmse:8.3f} truth {r.mean_truth:8.3f} refused {r.refused:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
