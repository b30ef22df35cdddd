"""Search over the hyper-parameters of stable-baselines3's DQN on the one-customer subscription market.

    OMP_NUM_THREADS=1 python -m benchmarks.agents.peer_search [N_TRIALS]

Thirty trials, each one training under the protocol of benchmarks/agents/peer.py on a seed of its own (1000 + trial;
reported seeds are 0 to 4). Whoever reaches .95 soonest in CPU time leads. The first trial is what we chose by hand, the
next eleven are drawn uniformly from `RANGES`, the others around the leader: each of its settings is drawn anew with
probability FRESH_RATE, the learning rate within a factor of 2. A trial is given up when it has taken half as long again
as the leader did, or LIMIT_SECONDS. One seed is luck, so the three fastest are trained on FINAL_SEEDS as well, and the
least median of all three times wins.

The ranges leave out what a pilot showed to be hopeless: rewards in single standard deviations end at .5. Every row is
written to peer_search.json as soon as it is there; a later run goes on.
"""

import json
import sys
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import numpy as np

from benchmarks.agents.peer import SEARCH, PeerConfig, config_of, summary, train_peer
from benchmarks.record import head_commit, write_record
from env.reference.subscription import subscription_market

N_TRIALS, N_BROAD, FIRST_SEED = 30, 12, 1000
FRESH_RATE = 0.25
N_FINALISTS, FINAL_SEEDS = 3, (2000, 2001)
LIMIT_SECONDS, SLACK = 60.0, 1.5
RANGES: dict[str, tuple[Any, ...]] = {
    "reward_deviations": (5.0, 20.0, 50.0),
    "n_envs": (16, 64),
    "total_timesteps": (200_000, 400_000, 800_000),
    "linear_schedule": (False, True),
    "batch_size": (64, 128, 256, 512),
    "train_freq": (1, 2, 4),
    "gradient_steps": (2, 4, 8, 16),
    "target_update_interval": (1_000, 2_000, 5_000, 10_000, 20_000),
    "exploration_fraction": (0.1, 0.2, 0.4),
    "exploration_final_eps": (0.02, 0.05, 0.1),
    "buffer_size": (50_000, 100_000, 200_000),
    "learning_starts": (1_000, 5_000, 10_000),
    "net_arch": ((64, 64), (128, 128), (128,), (256, 256)),
}
LEARNING_RATE = (3e-4, 1e-2)  # log-uniform
BY_HAND = PeerConfig(
    reward_deviations=20.0,
    n_envs=64,
    total_timesteps=400_000,
    learning_rate=1e-3,
    linear_schedule=True,
    batch_size=256,
    train_freq=1,
    gradient_steps=2,
    target_update_interval=5_000,
    exploration_fraction=0.2,
    exploration_final_eps=0.05,
    buffer_size=100_000,
    learning_starts=5_000,
    net_arch=(64, 64),
)
Row = dict[str, Any]  # as written


def draw_config(trial: int, leader: PeerConfig | None) -> PeerConfig:
    """By hand, from the ranges, or around the leader, whoever's turn it is."""
    if trial == 0:
        return BY_HAND
    rng = np.random.default_rng(FIRST_SEED + trial)
    drawn = {name: values[int(rng.integers(len(values)))] for name, values in RANGES.items()}
    low, high = np.log(LEARNING_RATE)
    if trial < N_BROAD or leader is None:
        return PeerConfig(learning_rate=float(np.exp(rng.uniform(low, high))), **drawn)
    fresh = {name: value for name, value in drawn.items() if rng.random() < FRESH_RATE}
    rate = float(np.exp(np.clip(np.log(leader.learning_rate) + np.log(2) * rng.uniform(-1, 1), low, high)))
    return replace(leader, learning_rate=rate, **fresh)


def seconds(row: Row) -> float:
    """To the target; infinite where it was not reached."""
    return float("inf") if row["cpu_seconds"] is None else float(row["cpu_seconds"])


def run(trial: int, config: PeerConfig, seed: int, limit_seconds: float) -> Row:
    exams = train_peer(subscription_market(), config, seed, limit_seconds=limit_seconds)
    return {"trial": trial, "seed": seed, "config": asdict(config), **summary(exams)}


def winner(trials: list[Row], finals: list[Row]) -> Row | None:
    """By the median of all its times; None until every final has been run."""
    finalists = sorted(trials, key=seconds)[:N_FINALISTS]
    if len(finals) < len(finalists) * len(FINAL_SEEDS):
        return None
    return min(finalists, key=lambda row: median(seconds(r) for r in [row, *finals] if r["trial"] == row["trial"]))


def save(trials: list[Row], finals: list[Row], commit: str) -> None:
    design = {
        "ranges": {**RANGES, "learning_rate": LEARNING_RATE},
        "broad_trials": N_BROAD,
        "fresh_rate": FRESH_RATE,
        "limit_seconds": LIMIT_SECONDS,
        "slack": SLACK,
        "first_seed": FIRST_SEED,
        "final_seeds": FINAL_SEEDS,
    }
    best = winner(trials, finals) if len(trials) >= N_TRIALS else None
    write_record(SEARCH, {"winner": best, "trials": trials, "finals": finals}, design, commit=commit)


def main() -> None:
    commit = head_commit()
    known = json.loads(SEARCH.read_text())["results"] if SEARCH.exists() else {"trials": [], "finals": []}
    trials, finals = known["trials"], known["finals"]
    for trial in range(len(trials), int(sys.argv[1]) if len(sys.argv) > 1 else N_TRIALS):
        leader = min(trials, key=seconds, default=None)
        limit = LIMIT_SECONDS if leader is None else min(LIMIT_SECONDS, SLACK * seconds(leader))
        config = draw_config(trial, None if leader is None else config_of(leader))
        trials.append(run(trial, config, FIRST_SEED + trial, limit))
        save(trials, finals, commit)
        print(trial, trials[-1]["cpu_seconds"], trials[-1]["best_score"], trials[-1]["config"], flush=True)
    if len(trials) < N_TRIALS:
        return
    entries = [(row, seed) for row in sorted(trials, key=seconds)[:N_FINALISTS] for seed in FINAL_SEEDS]
    for row, seed in entries[len(finals) :]:
        finals.append(run(row["trial"], config_of(row), seed, LIMIT_SECONDS))
        save(trials, finals, commit)
        print("final", row["trial"], seed, finals[-1]["cpu_seconds"], flush=True)


if __name__ == "__main__":
    main()
