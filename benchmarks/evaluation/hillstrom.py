"""An e-mail test logged again by a policy that looks at the customer: are values found whose truth is known?

Hillstrom's test gave 64,000 customers no, the men's or the women's e-mail with probability 1/3 each. A row is kept with
probability 3 pi(action) / max 3 pi: what stays, about 23,600 rows, is a log of the policy pi over (no, men's, women's)

    pi = .9 softmax(-.9 s, .9 s, 0) + .1 / 3,  s = (x_mens - .5) + .8 (ln x_history - 5) - .15 (x_recency - 5.8).

Reward is a visit; the truth of a policy is the mean of all rows that got what it gives. Everything is at its default:
all context columns, the ridge outcome model, five folds. A re-logged sample and the truth share rows, so intervals for
a population cover a little more than they promise.

    OMP_NUM_THREADS=1 AMSO_REFERENCE_DATA=... python -m benchmarks.evaluation.hillstrom [N_LOGS] [FIRST_SEED]

writes hillstrom.json beside this file. `dr` decides; the bars are on it.
"""

import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.record import head_commit, write_record
from collection.log_reader import read_log
from config.evaluation import EvaluationConfig
from config.log_options import LogOptions
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.log import LoggedDecisions
from domain.policy import Policy
from evaluation.evaluate import open_assessor
from evaluation.refusals import log_refusals
from evaluation.target import target_of_policy
from policies.baselines import ConstantPolicy

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
REFERENCE_RMSE = {  # of a doubly robust estimate with a linear outcome model
    "constant:no_email": 0.0048,
    "constant:mens_email": 0.0044,
    "constant:womens_email": 0.0044,
    "rule": 0.0036,
}
BIAS_BAR, RMSE_BAR, COVERAGE_BAR = 0.002, 1.15, (0.92, 0.99)


@dataclass(frozen=True)
class RulePolicy:
    """The women's e-mail to those who bought women's clothes only, else the men's."""

    actions: ActionSet
    name: str = "rule"

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        assert eligible is None
        only_womens = (context.column("womens") == 1) & (context.column("mens") == 0)
        chosen = np.where(only_womens, self.actions.index("womens_email"), self.actions.index("mens_email"))
        return np.eye(len(self.actions))[chosen]


@dataclass(frozen=True)
class Found:
    """One estimator on one policy over all logs."""

    policy: str
    estimator: str
    truth: float
    bias: float
    rmse: float
    rmse_share: float  # of the reference figure
    coverage: float
    mean_width: float
    refused: float  # share of the logs


def logging_distribution(log: LoggedDecisions) -> FloatArray:
    """(n_rounds, n_actions) pi of the docstring, in the log's order of actions."""
    mens, history, recency = (log.context.column(name).astype(np.float64) for name in ("mens", "history", "recency"))
    s = (mens - 0.5) + 0.8 * (np.log(history) - 5) - 0.15 * (recency - 5.8)
    score = np.zeros((len(log), len(log.actions)))
    score[:, log.actions.index("no_email")] = -0.9 * s
    score[:, log.actions.index("mens_email")] = 0.9 * s
    raised = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(0.9 * raised / raised.sum(axis=1, keepdims=True) + 0.1 / 3)


def log_again(log: LoggedDecisions, propensity: FloatArray, rng: np.random.Generator) -> LoggedDecisions:
    """The rows that stay; `propensity` (n_rounds,) is pi of the action that each got."""
    kept = rng.random(len(log)) < propensity / propensity.max()
    return replace(log, propensity=propensity).take(kept)


@dataclass(frozen=True)
class Trial:
    """What one log said by one estimator of one policy."""

    value: float
    low: float
    high: float
    refused: bool


def ask(log: LoggedDecisions, policies: list[Policy], rng: np.random.Generator) -> dict[tuple[str, str], Trial]:
    """(policy, estimator) -> trial; "naive" is the mean of the rows that got what the policy gives."""
    config, found = EvaluationConfig(), {}
    assessor = open_assessor(log, config, rng)
    for policy in policies:
        answer = assessor.assess(target_of_policy(policy))
        refused = bool((*log_refusals(log, config), *answer.refusals))
        for e in answer.estimates:
            found[policy.name, e.estimator.partition("(")[0]] = Trial(e.value, e.low, e.high, refused)
        naive = followed_mean(log, policy)
        found[policy.name, "naive"] = Trial(naive, naive, naive, refused)
    return found


def followed_mean(log: LoggedDecisions, policy: Policy) -> float:
    """The mean reward of the rows that got what the policy gives: the truth where actions were randomised alike."""
    followed = policy.distribution(log.context)[np.arange(len(log)), log.action]
    return float(np.average(log.reward, weights=followed))


def summarize(policy: str, estimator: str, truth: float, trials: list[Trial]) -> Found:
    value, low, high, refused = np.array([(t.value, t.low, t.high, t.refused) for t in trials]).T
    rmse = float(np.sqrt(((value - truth) ** 2).mean()))
    return Found(
        policy,
        estimator,
        round(truth, 6),
        round(float(value.mean()) - truth, 6),
        round(rmse, 6),
        round(rmse / REFERENCE_RMSE[policy], 3),
        round(float(((low <= truth) & (truth <= high)).mean()), 4),
        round(float((high - low).mean()), 6),
        round(float(refused.mean()), 4),
    )


def main() -> None:
    n_logs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    first_seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    commit = head_commit()
    everything = read_log(DATA / "hillstrom.parquet", LogOptions(reward="reward_visit")).log
    names = ("no_email", "mens_email", "womens_email")
    policies: list[Policy] = [
        *(ConstantPolicy(everything.actions, name) for name in names),
        RulePolicy(everything.actions),
    ]
    truth = {policy.name: followed_mean(everything, policy) for policy in policies}
    propensity = logging_distribution(everything)[np.arange(len(everything)), everything.action]
    trials: dict[tuple[str, str], list[Trial]] = {}
    for seed in range(first_seed, first_seed + n_logs):
        rng = np.random.default_rng(seed)
        for key, trial in ask(log_again(everything, propensity, rng), policies, rng).items():
            trials.setdefault(key, []).append(trial)
    results = [summarize(*key, truth[key[0]], found) for key, found in trials.items()]
    design = {"n_logs": n_logs, "first_seed": first_seed, "reference_rmse": REFERENCE_RMSE, "bias_bar": BIAS_BAR,
              "rmse_bar": RMSE_BAR, "coverage_bar": COVERAGE_BAR}  # fmt: skip
    write_record(Path(__file__).with_suffix(".json"), [asdict(r) for r in results], design, commit=commit)
    for r in results:
        print(f"{r.policy:21} {r.estimator:11} truth {r.truth:.4f} bias {r.bias:+.4f} rmse {r.rmse:.4f} "
              f"({r.rmse_share:.2f} of the reference) coverage {r.coverage:.3f} width {r.mean_width:.4f} "
              f"refused {r.refused:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
