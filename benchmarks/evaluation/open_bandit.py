"""Two logs of one page: does each tell what the policy of the other earned?

The men's campaign of Open Bandit (Saito et al. 2021), 10,000 rows by a uniform and by a Thompson-sampling policy, 34
items at three positions. The truth about a policy is the click rate of its own log, itself known to 12 and 15 % only:
its standard error stands beside it. Everything is at its default: `evaluate` against what was logged, the position one
more context column, N_SEEDS seeds of the cross-fitting folds (ips and snips take no notice of them). The constant
guess is the click rate of the log that is asked. The probabilities of the Thompson policy are exact (`thompson.py`).

    OMP_NUM_THREADS=1 AMSO_REFERENCE_DATA=... python -m benchmarks.evaluation.open_bandit [N_SEEDS]

writes open_bandit.json beside this file.
"""

import json
import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.record import head_commit, write_record
from collection.log_reader import read_log
from config.log_options import LogOptions
from domain.actions import ActionSet
from domain.estimates import Evaluation, PolicyValueEstimate
from domain.log import LoggedDecisions
from domain.policy import Policy
from evaluation.evaluate import evaluate
from evaluation.target import logged_target, target_of_policy
from policies.baselines import UniformPolicy
from policies.thompson import ThompsonPolicy

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
ACTIONS = ActionSet(tuple(map(str, range(34))))


@dataclass(frozen=True)
class Estimated:
    """One estimator on one log; means over the seeds."""

    estimator: str
    value: float
    low: float
    high: float
    inside: float  # share of the seeds whose interval contains the truth
    trusted: float  # share of the seeds in which the report vouches for the interval
    relative_error: float


@dataclass(frozen=True)
class Direction:
    """What one log says of the policy that made the other."""

    name: str
    truth: float
    truth_stderr: float
    relative_error_of_constant_guess: float
    verdicts: dict[str, int]  # -> seeds
    reasons: tuple[str, ...]  # of the first seed
    estimates: tuple[Estimated, ...]


def read_men(logged_by: str) -> LoggedDecisions:
    options = LogOptions(columns={"x_position": "position"}, reward="reward_click")
    return read_log(DATA / f"obd_men_{logged_by}.parquet", options).log


def thompson_of_men() -> ThompsonPolicy:
    priors = json.loads((DATA.parent / "golden" / "thompson_priors.json").read_text())["men"]
    return ThompsonPolicy(ACTIONS, tuple(priors["alpha"]), tuple(priors["beta"]), position="position")


def ask(name: str, log: LoggedDecisions, other: LoggedDecisions, policy: Policy, n_seeds: int) -> Direction:
    """Evaluates on `log` the policy that made `other`."""
    target, truth = target_of_policy(policy), float(other.reward.mean())
    answers = [evaluate(log, target, logged_target(), rng=np.random.default_rng(seed)) for seed in range(n_seeds)]
    names = [_family(e) for e in answers[0].estimates if e.policy == target.name]
    return Direction(
        name=name,
        truth=truth,
        truth_stderr=round(float(other.reward.std() / np.sqrt(len(other))), 6),
        relative_error_of_constant_guess=round(abs(float(log.reward.mean()) - truth) / truth, 4),
        verdicts=dict(Counter(answer.verdict.value for answer in answers)),
        reasons=answers[0].reasons,
        estimates=tuple(_estimated(estimator, answers, target.name, truth) for estimator in names),
    )


def _estimated(estimator: str, answers: list[Evaluation], policy: str, truth: float) -> Estimated:
    found = [e for answer in answers for e in answer.estimates if (e.policy, _family(e)) == (policy, estimator)]
    value, low, high, trusted = np.array([(e.value, e.low, e.high, e.trusted) for e in found]).T
    return Estimated(
        estimator,
        round(float(value.mean()), 7),
        round(float(low.mean()), 7),
        round(float(high.mean()), 7),
        float(((low <= truth) & (truth <= high)).mean()),
        float(trusted.mean()),
        round(float(np.abs(value - truth).mean() / truth), 4),
    )


def _family(estimate: PolicyValueEstimate) -> str:
    """Its name without a hyperparameter, which may be tuned on every log anew."""
    return estimate.estimator.partition("(")[0]


def main() -> None:
    n_seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    commit = head_commit()
    uniform_log, thompson_log = read_men("random"), read_men("bts")
    results = [
        ask("random -> bts", uniform_log, thompson_log, thompson_of_men(), n_seeds),
        ask("bts -> random", thompson_log, uniform_log, UniformPolicy(ACTIONS), n_seeds),
    ]
    design = {"n_seeds": n_seeds, "n_rounds": len(uniform_log), "n_actions": len(ACTIONS), "n_positions": 3}
    write_record(Path(__file__).with_suffix(".json"), [asdict(r) for r in results], design, commit=commit)
    for d in results:
        print(f"{d.name}: truth {d.truth:.4f} (se {d.truth_stderr:.4f}), verdicts {d.verdicts}; "
              f"relative error of the constant guess {d.relative_error_of_constant_guess:.3f}")  # fmt: skip
        for e in d.estimates:
            print(f"  {e.estimator:10} {e.value:.6f} [{e.low:.6f}, {e.high:.6f}] inside {e.inside:.2f} "
                  f"trusted {e.trusted:.2f} relative error {e.relative_error:.3f}")  # fmt: skip
        print(*d.reasons, sep="\n  · ")


if __name__ == "__main__":
    main()
