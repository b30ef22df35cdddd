"""How often is a policy promoted that is no better, and how often one that is, when the log is looked at every day?

28 daily looks, 1,000 new rows each, four actions logged with propensities .4 .3 .2 .1, candidate .1 .2 .3 .4 against
what was logged; no context, every row a customer of its own. Worlds, by the mean reward of each action:
    clicks    5 % wherever: no candidate is better
    uneven    6, 3, 3 and 6 %: candidate and logged policy earn the same in different ways
    revenue   5 % buy wherever, for lognormal amounts (sigma 1)
    lift      4.5, 5, 5 and 5.5 %: the candidate earns 6.2 % more than what was logged: here promotions are right
    many      20 actions of 5 %, logged uniformly; 20 candidates, one an action, none of them better

The differences are the gate's doubly robust ones: reward models that are the means of the actions, cross-fitted in five
folds or, for looks at any time, from earlier blocks only; its intervals and its refusal of too few rewards. Folds stay
what they were from look to look, where the gate draws new ones. All of it comes from sums a segment of days, fold and
action (benchmarks/evaluation/running.py). Under `many` Holm promotes anybody if and only if its first step does.

    once       one look at the end, one-sided at the rate
    daily      the same bound looked at every day: what must not be done, and must be seen here to fail
    scheduled  28 planned looks        anytime  as often as one likes

All at a false-promotion rate of .05, which is the bar (up to two Monte Carlo errors); power is to reach .58 (scheduled)
and .28 (anytime). `rejected` is the mirrored error. Everything was set before looking; runs from seed 0.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.false_promotion [N_RUNS]

writes false_promotion.json beside this file.
"""

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from analysis.outcome_model import MIN_ROUNDS
from benchmarks.evaluation.running import Running, tails
from benchmarks.record import head_commit, write_record
from config.evaluation import EvaluationConfig
from domain.arrays import BoolArray, FloatArray
from evaluation.confidence_sequence import sequence_of_scores
from evaluation.looks import Anytime, Scheduled

N_DAYS, N_A_DAY, N_FOLDS, N_RUNS, BATCH = 28, 1000, 5, 10_000, 250
RATE = EvaluationConfig().false_promotion_rate
MIN_REWARDS = EvaluationConfig().min_nonzero_rewards
LOGGED, CANDIDATE = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
DAYS = N_A_DAY * np.arange(1, N_DAYS + 1)
ENDS = np.unique([*DAYS, *(2 ** np.arange(15))])  # (n_segments,) rows up to each: a block or a day ends there
AT_DAY = np.searchsorted(ENDS, DAYS)
BLOCK = np.frexp(ENDS - 1)[1]  # (n_segments,)
POWER_BARS = {"scheduled": 0.58, "anytime": 0.28}


@dataclass(frozen=True)
class World:
    name: str
    mean: FloatArray  # (n_actions,) chance of a click or purchase
    propensity: FloatArray  # (n_actions,)
    candidates: FloatArray  # (n_candidates, n_actions)
    is_revenue: bool = False


WORLDS = (
    World("clicks", np.full(4, 0.05), LOGGED, CANDIDATE[None]),
    World("uneven", np.array([0.06, 0.03, 0.03, 0.06]), LOGGED, CANDIDATE[None]),
    World("revenue", np.full(4, 0.05), LOGGED, CANDIDATE[None], is_revenue=True),
    World("lift", 0.05 * np.array([0.9, 1.0, 1.0, 1.1]), LOGGED, CANDIDATE[None]),
    World("many", np.full(20, 0.05), np.full(20, 0.05), np.eye(20)),
)


@dataclass(frozen=True)
class Sums:
    """What the rewards of many runs add up to; arrays (n_runs, n_segments, n_folds, n_actions)."""

    n: FloatArray
    n_nonzero: FloatArray
    reward: FloatArray
    squares: FloatArray
    cubes: FloatArray

    def parts(self) -> tuple[FloatArray, ...]:
        return self.n, self.n_nonzero, self.reward, self.squares, self.cubes


@dataclass(frozen=True)
class Share:
    """How often a way to look ever ends in a verdict, with its Monte Carlo error."""

    world: str
    looks: str
    n_runs: int
    promoted: float
    promoted_error: float
    rejected: float
    bar: str


def simulate(world: World, n_runs: int, rng: np.random.Generator) -> Sums:
    lengths = np.diff(ENDS, prepend=0)
    cells = np.tile(world.propensity / N_FOLDS, N_FOLDS)
    n = np.stack([rng.multinomial(length, cells, size=n_runs) for length in lengths], axis=1)
    n = n.reshape(n_runs, len(ENDS), N_FOLDS, -1)
    bought = rng.binomial(n, world.mean)
    if not world.is_revenue:
        clicks = bought.astype(np.float64)
        return Sums(n.astype(np.float64), clicks, clicks, clicks, clicks)
    amount = rng.lognormal(0.0, 1.0, int(bought.sum()))
    cell = np.repeat(np.arange(bought.size), bought.ravel())
    powers = (np.bincount(cell, amount**k, minlength=bought.size) for k in (1, 2, 3))
    first, second, third = (power.reshape(n.shape).astype(np.float64) for power in powers)
    return Sums(n.astype(np.float64), bought.astype(np.float64), first, second, third)


def running_of(sums: Sums, weight: FloatArray, beta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums over folds and actions of scores (weight - 1) x reward + beta, their squares and cubes."""
    slope, n, (_, _, r, rr, rrr) = weight - 1, sums.n, sums.parts()
    total = slope * r + beta * n
    squares = slope**2 * rr + 2 * slope * beta * r + beta**2 * n
    cubes = slope**3 * rrr + 3 * slope**2 * beta * rr + 3 * slope * beta**2 * r + beta**3 * n
    return total.sum((-2, -1)), squares.sum((-2, -1)), cubes.sum((-2, -1))


def means_of(n: FloatArray, reward: FloatArray) -> FloatArray:
    """(..., n_actions) what the reward model predicts without a context: means, of few rounds shrunk to that of all."""
    overall = reward.sum(-1, keepdims=True) / np.maximum(n.sum(-1, keepdims=True), 1)
    borrowed = np.maximum(MIN_ROUNDS - n, 0.0)
    return np.asarray((reward + borrowed * overall) / (n + borrowed))


def crossfitted(sums: Sums, world: World, candidate: FloatArray) -> Running:
    """At every day, the reward model of each fold fitted on the others."""
    so_far = Sums(*(x.cumsum(1)[:, AT_DAY] for x in sums.parts()))
    others = [x.sum(2, keepdims=True) - x for x in (so_far.n, so_far.reward)]
    return Running(DAYS, *running_of(so_far, candidate / world.propensity, _beta(means_of(*others), world, candidate)))


def chained(sums: Sums, world: World, candidate: FloatArray) -> Running:
    """At every day, the reward model of each block fitted on those before."""
    merged = Sums(*(x.sum(2, keepdims=True) for x in sums.parts()))
    begins = np.searchsorted(BLOCK, BLOCK)  # the first segment of the block
    before = [
        np.concatenate([np.zeros_like(x[:, :1]), x.cumsum(1)], axis=1)[:, begins] for x in (merged.n, merged.reward)
    ]
    added = running_of(merged, candidate / world.propensity, _beta(means_of(*before), world, candidate))
    return Running(DAYS, *(x.cumsum(1)[:, AT_DAY] for x in added))


def verdicts(sums: Sums, world: World) -> Mapping[str, tuple[BoolArray, BoolArray]]:
    """Way to look -> (n_runs,) whether any candidate is ever promoted, and ever rejected."""
    m = len(world.candidates)
    holm, alone = ("", ", each for itself") if m > 1 else ("", "")
    planned = {rate: _planned(rate) for rate in {RATE, RATE / m}}
    at_any_time = {rate: tails(Anytime(), rate, DAYS) for rate in planned}
    found: dict[str, tuple[BoolArray, BoolArray]] = {}
    for candidate in world.candidates:
        enough = _enough_rewards(sums, world, candidate)
        ran = crossfitted(sums, world, candidate)
        forward = chained(sums, world, candidate)
        for rate, how in ((RATE / m, holm), (RATE, alone)) if m > 1 else ((RATE, ""),):
            last = enough & (np.arange(N_DAYS) == N_DAYS - 1)
            _note(found, f"once{how}", ran, rate, last)
            _note(found, f"daily{how}", ran, rate, enough)
            _note(found, f"scheduled{how}", ran, planned[rate], enough)
            _note(found, f"anytime{how}", forward, at_any_time[rate], enough)
    return found


def count(world: World, n_runs: int, seed: int) -> Iterable[Share]:
    rng = np.random.default_rng([seed, WORLDS.index(world)])
    batch = BATCH if len(world.candidates) == 1 else BATCH // 5
    parts = [verdicts(simulate(world, batch, rng), world) for _ in range(max(n_runs // batch, 1))]
    for looks in parts[0]:
        promoted, rejected = (np.concatenate([p[looks][side] for p in parts]) for side in (0, 1))
        share = float(promoted.mean())
        error = float(np.sqrt(share * (1 - share) / len(promoted)))
        yield Share(
            world.name, looks, len(promoted), share, round(error, 4), float(rejected.mean()), _bar(world, looks)
        )


def rows_a_second(n: int = 2_000_000) -> float:
    """Of a confidence sequence after every single score."""
    scores = np.random.default_rng(0).normal(size=n)
    sequence_of_scores(scores[:1000], alpha=RATE)
    began = time.process_time()
    sequence_of_scores(scores, alpha=RATE)
    return n / (time.process_time() - began)


def _beta(q: FloatArray, world: World, candidate: FloatArray) -> FloatArray:
    """What a score is beside (weight - 1) x reward: the candidate's value by the model, minus weight x prediction."""
    return np.asarray((q * candidate).sum(-1, keepdims=True) - candidate / world.propensity * q)


def _enough_rewards(sums: Sums, world: World, candidate: FloatArray) -> BoolArray:
    """(n_runs, n_days) whether the gate would not refuse for too few rewards."""
    weight = candidate / world.propensity
    nonzero = sums.n_nonzero.sum(2).cumsum(1)[:, AT_DAY]
    size = (nonzero @ weight) ** 2 / np.maximum(nonzero @ weight**2, 1e-9)
    return np.asarray(size >= MIN_REWARDS)


@cache
def _planned(rate: float) -> FloatArray:
    return np.concatenate([tails(Scheduled(day + 1, N_DAYS), rate, DAYS[:1]) for day in range(N_DAYS)])


def _note(
    found: dict[str, tuple[BoolArray, BoolArray]], looks: str, ran: Running, tail: FloatArray | float, may: BoolArray
) -> None:
    better, worse = ((end & may).any(axis=1) for end in (ran.low(tail) > 0, ran.high(tail) < 0))
    before = found.get(looks, (np.zeros_like(better), np.zeros_like(worse)))
    found[looks] = np.logical_or(before[0], better), np.logical_or(before[1], worse)


def _bar(world: World, looks: str) -> str:
    if world.name == "lift":
        return f">= {POWER_BARS[looks]}" if looks in POWER_BARS else ""
    return "" if looks.startswith("daily") or "itself" in looks else f"<= {RATE}"


def main() -> None:
    n_runs, seed = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((1, N_RUNS), (2, 0)))
    commit = head_commit()
    shares = []
    for world in WORLDS:
        for share in count(world, n_runs, seed):
            shares.append(share)
            print(f"{share.world:8} {share.looks:28} {share.promoted:.4f} ± {share.promoted_error:.4f}  {share.bar:8}"
                  f"  rejected {share.rejected:.4f}", flush=True)  # fmt: skip
    speed = rows_a_second()
    print(f"confidence sequence: {speed / 1e6:.1f}M rows a second (bar 1M)")
    design = {"n_runs": n_runs, "seed": seed, "n_days": N_DAYS, "n_a_day": N_A_DAY, "rate": RATE}
    results = {"shares": [asdict(s) for s in shares], "sequence_rows_a_second": round(speed)}
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)


if __name__ == "__main__":
    main()
