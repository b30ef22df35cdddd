"""Random search over the hyper-parameters of stable-baselines3's DQN on the one-customer subscription market.

    OMP_NUM_THREADS=1 python -m benchmarks.agents.peer_search [N_TRIALS]

Thirty trials, each one training under the protocol of benchmarks/agents/peer.py on a seed of its own (1000 + trial;
reported seeds are 0 to 4), drawn uniformly from `RANGES` by the same seed. Whoever reaches .95 soonest in CPU time
wins; among those who don't in LIMIT_SECONDS, the best score. A trial is given up when at REVIEW_SECONDS it scores
MARGIN below the median of what the three best so far had scored by then. The first trial is what we chose by hand, and
the ranges leave out what a pilot showed to be hopeless: rewards in single standard deviations end at .5.

Every trial's row is written to peer_search.json as soon as it ends; a later run goes on after the last one.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.agents.peer import SEARCH, Exam, PeerConfig, rank, summary, train_peer
from benchmarks.record import head_commit, write_record
from env.reference.subscription import subscription_market

N_TRIALS, FIRST_SEED = 30, 1000
LIMIT_SECONDS, REVIEW_SECONDS, MARGIN = 60.0, 20.0, 0.2
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


def draw_config(trial: int) -> PeerConfig:
    """The first by hand, every other from the ranges."""
    if trial == 0:
        return BY_HAND
    rng = np.random.default_rng(FIRST_SEED + trial)
    drawn = {name: values[int(rng.integers(len(values)))] for name, values in RANGES.items()}
    low, high = np.log(LEARNING_RATE)
    return PeerConfig(learning_rate=float(np.exp(rng.uniform(low, high))), **drawn)


def score_at(exams: list[Any], seconds: float) -> float:
    """Of the last exam (its seconds and its score) until then; the first one's where there was none."""
    scores = [score for at, score in exams if at <= seconds]
    return float(scores[-1] if scores else exams[0][1])


def is_hopeless(exams: list[Exam], rows: list[dict[str, Any]]) -> bool:
    """Is the review due, and is the trial far behind the three best so far?"""
    if exams[-1].cpu_seconds < REVIEW_SECONDS or len(rows) < 3:
        return False
    best = sorted(rows, key=rank)[:3]
    mine = score_at([(exam.cpu_seconds, exam.score) for exam in exams], REVIEW_SECONDS)
    return mine < median(score_at(row["exams"], REVIEW_SECONDS) for row in best) - MARGIN


def run(trial: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    config = draw_config(trial)
    exams = train_peer(
        subscription_market(),
        config,
        FIRST_SEED + trial,
        limit_seconds=LIMIT_SECONDS,
        is_hopeless=lambda exams: is_hopeless(exams, rows),
    )
    return {"trial": trial, "config": asdict(config), **summary(exams)}


def main() -> None:
    commit, rows = head_commit(), earlier(SEARCH)
    design = {
        "ranges": {**RANGES, "learning_rate": LEARNING_RATE},
        "limit_seconds": LIMIT_SECONDS,
        "review_seconds": REVIEW_SECONDS,
        "margin": MARGIN,
        "first_seed": FIRST_SEED,
    }
    for trial in range(len(rows), int(sys.argv[1]) if len(sys.argv) > 1 else N_TRIALS):
        rows.append(run(trial, rows))
        write_record(SEARCH, rows, design, commit=commit)
        print(trial, rows[-1]["cpu_seconds"], rows[-1]["last_score"], rows[-1]["config"], flush=True)


def earlier(path: Path) -> list[dict[str, Any]]:
    """Rows of an earlier run."""
    rows: list[dict[str, Any]] = json.loads(path.read_text())["results"] if path.exists() else []
    return rows


if __name__ == "__main__":
    main()
