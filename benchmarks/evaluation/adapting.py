"""Do intervals of looks at any time cover when the policy that logged the data learned from it, and rewards drift?

Bernoulli Thompson sampling over three arms, 20,000 rounds: the posterior forgets (what is known counts .98 as much from
batch to batch of 100 rounds), its exact probabilities are mixed with a tenth of uniform choice, and each action is
drawn from what is then logged as its propensity. Mean rewards wander, .10 + .05 sin(2 pi t / period + phase) with
periods of 5,000, 7,000 and 11,000 rounds and phases drawn a run. Scores are doubly robust, their reward model the means
of the arms in earlier blocks only (evaluation/forward.py). Compared are fixed policies: `steady` always takes the first
arm, against the uniform policy; `skewed` takes .6, .2 and .2, against what was logged. The truth at a look is the mean
over the rounds so far of what candidate and baseline earn in expectation, given the past; it moves with the drift and
the sampler.

    gate      the gate's interval at any time, at its false-promotion rate of .05 on either side: .90 is nominal
    gate 95   the same at .025 on either side
    sequence  the bare two-sided sequence at .95 after every score from the hundredth on: symmetric, where the gate
              bends its interval to the skewness of the scores
    naive     the ordinary 95 % interval at each look: what must not be done, and must be seen here to fail

Looks of `gate` and `naive`: after every 200 rounds. Coverage is that of all looks at once, and of the single worst
look; the bar is .94 for either, up to two Monte Carlo errors, for what the gate reports. Everything was set before
looking; runs from seed 0.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.adapting [N_RUNS]

writes adapting.json beside this file.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import betainc, betaln

from benchmarks.evaluation.running import Running, tails
from benchmarks.record import head_commit, write_record
from config.evaluation import EvaluationConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from evaluation.confidence_sequence import BURN_IN, sequence_of_scores
from evaluation.forward import blocks
from evaluation.looks import Anytime

N_ROUNDS, N_BATCH, N_ARMS, N_RUNS, CHUNK = 20_000, 100, 3, 1000, 250
FORGET, UNIFORM, PERIODS = 0.98, 0.1, np.array([5000.0, 7000.0, 11_000.0])
LOOKS = np.arange(200, N_ROUNDS + 1, 200)
RATE, COVERAGE_BAR = EvaluationConfig().false_promotion_rate, 0.94
NODES, WEIGHTS = leggauss(128)  # on (-1, 1)
POLICIES = {"steady": (np.array([1.0, 0.0, 0.0]), np.full(3, 1 / 3)), "skewed": (np.array([0.6, 0.2, 0.2]), None)}


@dataclass(frozen=True)
class Logs:
    """What the sampler left behind, many runs at once."""

    action: IntArray  # (n_runs, n_rounds)
    reward: FloatArray  # (n_runs, n_rounds)
    distribution: FloatArray  # (n_runs, n_rounds, n_arms) logged propensities
    mean: FloatArray  # (n_runs, n_rounds, n_arms) the truth


@dataclass(frozen=True)
class Coverage:
    policy: str
    interval: str
    n_runs: int
    together: float  # share of runs in which every look covers
    together_error: float
    worst_look: float
    width_at_end: float
    bar: str


def simulate(n_runs: int, rng: np.random.Generator) -> Logs:
    phase = rng.uniform(0, 2 * np.pi, (n_runs, 1, N_ARMS))
    mean = 0.10 + 0.05 * np.sin(2 * np.pi * np.arange(N_ROUNDS)[:, None] / PERIODS + phase)
    action, reward = np.empty((n_runs, N_ROUNDS), dtype=np.int64), np.empty((n_runs, N_ROUNDS))
    distribution = np.empty((n_runs, N_ROUNDS, N_ARMS))
    won, lost = np.zeros((n_runs, N_ARMS)), np.zeros((n_runs, N_ARMS))
    for start in range(0, N_ROUNDS, N_BATCH):
        now = slice(start, start + N_BATCH)
        p = (1 - UNIFORM) * best_of(1 + won, 1 + lost) + UNIFORM / N_ARMS
        distribution[:, now] = p[:, None]
        chosen = (rng.random((n_runs, N_BATCH, 1)) > p.cumsum(1)[:, None, :-1]).sum(2)
        gained = rng.random((n_runs, N_BATCH)) < np.take_along_axis(mean[:, now], chosen[..., None], 2)[..., 0]
        action[:, now], reward[:, now] = chosen, gained
        is_arm = chosen[..., None] == np.arange(N_ARMS)
        won = FORGET * won + (is_arm & gained[..., None]).sum(1)
        lost = FORGET * lost + (is_arm & ~gained[..., None]).sum(1)
    return Logs(action, reward, distribution, mean)


def best_of(alpha: FloatArray, beta: FloatArray) -> FloatArray:
    """(n_runs, n_arms) the probability that an arm's draw is the largest, by quadrature of each arm's own density."""
    mode, spread = alpha / (alpha + beta), np.sqrt(alpha * beta / (alpha + beta + 1)) / (alpha + beta)
    low, high = np.maximum(mode - 9 * spread, 0.0), np.minimum(mode + 9 * spread, 1.0)
    x = low[..., None] + (high - low)[..., None] * (1 + NODES) / 2  # (n_runs, n_arms, n_nodes)
    a, b = alpha[..., None], beta[..., None]
    mass = np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - betaln(a, b)) * WEIGHTS
    below = betainc(alpha[:, None, :, None], beta[:, None, :, None], x[:, :, None])  # [run, arm, other, node]
    below[:, np.arange(N_ARMS), np.arange(N_ARMS)] = 1.0
    share = (mass * below.prod(2)).sum(2) * (high - low) / 2
    return np.asarray(share / share.sum(1, keepdims=True))


def predictions(logs: Logs) -> FloatArray:
    """(n_runs, n_rounds, n_arms) means of the arms in the blocks before; of untried arms, of all before."""
    block = blocks(N_ROUNDS)
    is_arm = logs.action[..., None] == np.arange(N_ARMS)
    begins = np.searchsorted(block, np.arange(block[-1] + 1))
    n, won = (
        np.concatenate([np.zeros((len(x), 1, N_ARMS)), x.cumsum(1)], axis=1)[:, begins]
        for x in (is_arm, is_arm * logs.reward[..., None])
    )
    overall = won.sum(2, keepdims=True) / np.maximum(n.sum(2, keepdims=True), 1)
    return np.asarray(np.where(n > 0, won / np.maximum(n, 1), overall)[:, block])


def scores_and_truth(
    logs: Logs, q: FloatArray, candidate: FloatArray, baseline: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """(n_runs, n_rounds) doubly robust differences, and what each is in expectation, given the past."""
    chosen = logs.action[..., None]
    against = logs.distribution if baseline is None else np.broadcast_to(baseline, logs.distribution.shape)
    truth = ((candidate - against) * logs.mean).sum(2)
    propensity, predicted = (np.take_along_axis(x, chosen, 2)[..., 0] for x in (logs.distribution, q))
    residual = logs.reward - predicted
    new = q @ candidate + candidate[logs.action] / propensity * residual
    if baseline is None:
        return new - logs.reward, truth
    return new - (q @ baseline + baseline[logs.action] / propensity * residual), truth


def intervals(scores: FloatArray, truth: FloatArray) -> Iterator[tuple[str, BoolArray, FloatArray]]:
    """Name, whether the running truth is covered (n_runs, n_looks), widths at the end (n_runs,)."""
    at = LOOKS - 1
    running_truth = truth.cumsum(1) / np.arange(1, N_ROUNDS + 1)
    ran = Running(LOOKS, *((scores**k).cumsum(1)[:, at] for k in (1, 2, 3)))
    ways = {
        "gate": tails(Anytime(), RATE, LOOKS),
        "gate 95": tails(Anytime(), 0.025, LOOKS),
        "naive": np.full(len(LOOKS), 0.025),
    }
    for name, tail in ways.items():
        low, high = ran.low(tail), ran.high(tail)
        yield name, (low <= running_truth[:, at]) & (running_truth[:, at] <= high), (high - low)[:, -1]
    found = [sequence_of_scores(s, alpha=0.05) for s in scores]
    low, high = (np.stack([getattr(f, end)[BURN_IN - 1 :] for f in found]) for end in ("low", "high"))
    told = running_truth[:, BURN_IN - 1 :]
    yield "sequence", (low <= told) & (told <= high), (high - low)[:, -1]


def coverages(n_runs: int, seed: int) -> Iterator[Coverage]:
    rng = np.random.default_rng(seed)
    covered: dict[tuple[str, str], list[BoolArray]] = {}
    widths: dict[tuple[str, str], list[FloatArray]] = {}
    for start in range(0, n_runs, CHUNK):
        logs = simulate(min(CHUNK, n_runs - start), rng)
        q = predictions(logs)
        for policy, (candidate, baseline) in POLICIES.items():
            for name, covers, width in intervals(*scores_and_truth(logs, q, candidate, baseline)):
                covered.setdefault((policy, name), []).append(covers)
                widths.setdefault((policy, name), []).append(width)
    for (policy, name), parts in covered.items():
        covers = np.concatenate(parts)
        share = float(covers.all(1).mean())
        yield Coverage(
            policy,
            name,
            len(covers),
            share,
            round(float(np.sqrt(share * (1 - share) / len(covers))), 4),
            float(covers.mean(0).min()),
            float(np.mean(np.concatenate(widths[policy, name]))),
            f">= {COVERAGE_BAR}" if name.startswith("gate") else "",
        )


def main() -> None:
    n_runs, seed = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((1, N_RUNS), (2, 0)))
    commit = head_commit()
    found = []
    for c in coverages(n_runs, seed):
        found.append(c)
        print(f"{c.policy:8} {c.interval:9} all looks {c.together:.4f} ± {c.together_error:.4f}  worst look "
              f"{c.worst_look:.4f}  width at the end {c.width_at_end:.5f}  {c.bar}", flush=True)  # fmt: skip
    design = {"n_runs": n_runs, "seed": seed, "n_rounds": N_ROUNDS, "n_looks": len(LOOKS), "rate": RATE}
    write_record(Path(__file__).with_suffix(".json"), [asdict(c) for c in found], design, commit=commit)


if __name__ == "__main__":
    main()
