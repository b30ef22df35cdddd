"""How fast seven estimators with intervals are, beside obp 0.5.7 on the same rounds; one thread, interleaved.

100,000 rounds of 10 actions: the logging policy is the softmax of normal scores, rewards are clicks, the reward model
is the truth with noise. What both start from: action, reward, propensity, the policy's distribution and the expected
reward of every action. Ours includes what it makes of them (`make_rounds`). Seven: ips, snips, dm, dr, sndr, switch_dr
(lambda 2), dros (lambda 10); obp gives each a bootstrap of 1,000 of its own. CPU time, the median of N_REPEATS runs of
obp with ours in between; an analytic run of ours is itself the mean of INNER.

    bootstrap   1,000 draws of our blocks of customers, shared by all seven, against obp's 1,000 draws of rounds each
    analytic    our intervals by influence functions against the same of obp, which has no others
    tuned       `estimate_all`, clipped IPS included, with SLOPE choosing both lambdas of seven, against obp's bootstrap
                with its own SLOPE

So only the first compares like with like; the second says what the interval that we put first costs beside theirs.
obp is installed into an environment in a temporary folder, without the versions that it asks for; NumPy, SciPy and
scikit-learn are those of this run.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.speed [N_REPEATS]

writes speed.json beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.special import expit, softmax
from threadpoolctl import threadpool_limits

from benchmarks.evaluation.speed_peer import SHRINKAGE, SWITCH
from benchmarks.record import head_commit, write_record
from domain.actions import ActionSet
from domain.arrays import FloatArray, IntArray
from domain.context import Context
from domain.log import LoggedDecisions
from evaluation.assessment import estimate_all
from evaluation.bootstrap import bootstrap_intervals
from evaluation.dm import DirectMethod
from evaluation.dr import DoublyRobust
from evaluation.dros import ShrunkDoublyRobust
from evaluation.estimator import Estimator, estimate_rounds
from evaluation.ips import InversePropensityScoring
from evaluation.rounds import Rounds, make_rounds
from evaluation.sndr import SelfNormalizedDoublyRobust
from evaluation.snips import SelfNormalizedInversePropensityScoring
from evaluation.switch_dr import SwitchDoublyRobust

N_ROUNDS, N_ACTIONS, N_BOOTSTRAP, INNER, SEED = 100_000, 10, 1000, 10, 0
BOOTSTRAP_BAR, ANALYTIC_BAR = 100, 1000
PEER = ("obp==0.5.7", "pandas<3")
SEVEN: tuple[tuple[str, Estimator], ...] = (
    ("ips", InversePropensityScoring()),
    ("snips", SelfNormalizedInversePropensityScoring()),
    ("dm", DirectMethod()),
    ("dr", DoublyRobust()),
    ("sndr", SelfNormalizedDoublyRobust()),
    ("switch_dr", SwitchDoublyRobust(SWITCH)),
    ("dros", ShrunkDoublyRobust(SHRINKAGE)),
)


@dataclass(frozen=True)
class Given:
    """What both sides start from."""

    action: IntArray  # (n_rounds,)
    reward: FloatArray  # (n_rounds,)
    propensity: FloatArray  # (n_rounds,)
    distribution: FloatArray  # (n_rounds, n_actions)
    expected_reward: FloatArray  # (n_rounds, n_actions)


def draw_rounds(rng: np.random.Generator) -> Given:
    score = rng.normal(size=(N_ROUNDS, N_ACTIONS))
    rate = expit(rng.normal(size=(N_ROUNDS, N_ACTIONS)) - 2)
    logging = softmax(score, axis=1)
    action = (rng.random((N_ROUNDS, 1)) > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    rows = np.arange(N_ROUNDS)
    return Given(
        action=action,
        reward=(rng.random(N_ROUNDS) < rate[rows, action]).astype(np.float64),
        propensity=logging[rows, action],
        distribution=softmax(0.5 * score + 2 * rate, axis=1),
        expected_reward=np.clip(rate + 0.1 * rng.normal(size=rate.shape), 0, 1),
    )


def rounds_of(given: Given) -> Rounds:
    actions = ActionSet(tuple(map(str, range(N_ACTIONS))))
    log = LoggedDecisions(
        actions, given.action, given.reward, "reward", Context({}, N_ROUNDS), unit=np.arange(N_ROUNDS)
    )
    return make_rounds(log, given.distribution, given.expected_reward, given.propensity)


def analytic(given: Given) -> dict[str, float]:
    """Name -> value; the intervals come with it."""
    rounds = rounds_of(given)
    return {name: estimate_rounds(estimator, rounds, "policy", 0.95).value for name, estimator in SEVEN}


def bootstrap(given: Given) -> object:
    estimators = tuple(estimator for _, estimator in SEVEN)
    rng = np.random.default_rng(SEED)
    return bootstrap_intervals(estimators, rounds_of(given), "policy", n_samples=N_BOOTSTRAP, confidence=0.95, rng=rng)


def tuned(given: Given) -> object:
    return estimate_all(rounds_of(given), "policy", 0.95)


def cpu_seconds(call: Callable[[Given], object], given: Given, inner: int) -> float:
    began = time.process_time()
    for _ in range(inner):
        call(given)
    return (time.process_time() - began) / inner


def save(given: Given, path: Path) -> None:
    np.savez(
        path,
        action=given.action,
        reward=given.reward,
        propensity=given.propensity,
        distribution=given.distribution,
        expected_reward=given.expected_reward,
    )


def install_peer(folder: Path) -> Path:
    """The interpreter of an environment that holds obp and the versions that we run with."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    same = [f"{name}=={version(name)}" for name in ("numpy", "scipy", "scikit-learn")]
    for chosen in ([*same, PEER[1]], ["--no-deps", "--ignore-requires-python", PEER[0]]):
        subprocess.run([python, "-m", "pip", "install", "-qq", *chosen], check=True)
    return python


def run_peer(python: Path, rounds: Path) -> dict[str, dict[str, float]]:
    """Estimator -> value, cpu_seconds."""
    script = Path(__file__).with_name("speed_peer.py")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, "-W", "ignore", script, rounds, str(N_BOOTSTRAP), str(SEED)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads},
    )
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def measure(n_repeats: int) -> dict[str, object]:
    ours: dict[str, list[float]] = {"bootstrap": [], "analytic": [], "tuned": []}
    peers = []
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        python, path = install_peer(Path(folder) / "obp"), Path(folder) / "rounds.npz"
        given = draw_rounds(np.random.default_rng(SEED))
        save(given, path)
        values = analytic(given)  # the first call warms up
        for _ in range(n_repeats):
            ours["analytic"].append(cpu_seconds(analytic, given, INNER))
            ours["tuned"].append(cpu_seconds(tuned, given, INNER))
            ours["bootstrap"].append(cpu_seconds(bootstrap, given, 1))
            peers.append(run_peer(python, path))
    theirs = {name: float(np.median([peer[name]["cpu_seconds"] for peer in peers])) for name in peers[0]}
    fixed = sum(theirs[name] for name, _ in SEVEN)
    slope = fixed + sum(theirs[f"{name} tuned"] - theirs[name] for name in ("switch_dr", "dros"))
    return {
        "bootstrap": _compare(ours["bootstrap"], fixed, BOOTSTRAP_BAR),
        "analytic": _compare(ours["analytic"], fixed, ANALYTIC_BAR),
        "tuned": _compare(ours["tuned"], slope, None),
        "obp_cpu_seconds": {name: round(seconds, 3) for name, seconds in theirs.items()},
        "largest_difference_of_values": max(abs(peers[0][name]["value"] - value) for name, value in values.items()),
    }


def _compare(ours: list[float], theirs: float, bar: float | None) -> dict[str, float | None]:
    seconds = float(np.median(ours))
    return {
        "cpu_seconds": round(seconds, 5),
        "obp_cpu_seconds": round(theirs, 3),
        "times_faster": round(theirs / seconds, 1),
        "bar": bar,
    }


def main() -> None:
    n_repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    commit = head_commit()
    results = measure(n_repeats)
    design = {"n_rounds": N_ROUNDS, "n_actions": N_ACTIONS, "n_bootstrap": N_BOOTSTRAP, "n_repeats": n_repeats,
              "inner": INNER, "seed": SEED, "peer": PEER}  # fmt: skip
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
