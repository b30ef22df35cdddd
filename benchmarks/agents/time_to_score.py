"""CPU time to an exact score of .95 on the subscription market: our DQN beside stable-baselines3's, searched.

    OMP_NUM_THREADS=1 python -m benchmarks.agents.time_to_score [SEEDS]

The protocol, and what is done for the peer, is that of benchmarks/agents/peer.py; the two take turns, seed by seed, in
one process on one thread. Ours is `train_in_market` with `OURS` on the batched market, examined when
it reports. Who has not reached the target in LIMIT_SECONDS counts as if in that moment. The bar is on the ratio of the
medians, ours over the peer's: at most 1/8. Writes time_to_score.json.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median

from agents.training import train_in_market
from benchmarks.agents.peer import (
    EXAMS,
    LIMIT_SECONDS,
    TARGET,
    Clock,
    Exam,
    Examiner,
    finished,
    pay_imports,
    searched_config,
    seconds_to_target,
    summary,
    train_peer,
)
from benchmarks.record import head_commit, write_record
from config.dqn import DqnConfig
from domain.policy import Policy
from env.reference import exact
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket

BAR = 1 / 8
OURS = DqnConfig(  # as the peer's were searched to be fast, ours: chosen on seeds 1000 to 1002
    n_customers=1024,
    periods=600,
    warmup_periods=16,
    exploration_periods=60,
    batch_size=512,
    gradient_steps=4,
    average_rate=0.005,
    buffer_transitions=100_000,
)


def train_ours(market: TabularMarket, seed: int) -> list[Exam]:
    """The exams of one training of ours."""
    examiner, exams = Examiner(market), list[Exam]()
    pay_imports()
    clock = Clock()

    def examine(policy: Policy) -> float:
        with clock.paused():
            exams.append(Exam(clock.seconds, examiner.score(exact.distribution_of(market, policy))))
        return exams[-1].score

    train_in_market(market, OURS, discount=market.discount, seed=seed, evaluate=examine, n_reports=EXAMS)
    return finished(exams)


def main() -> None:
    commit, market, config = head_commit(), subscription_market(), searched_config()
    rows, times = [], dict[str, list[float]](ours=[], peer=[])
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        for name in times:
            exams = train_ours(market, seed) if name == "ours" else train_peer(market, config, seed)
            times[name].append(seconds_to_target(exams) or LIMIT_SECONDS)
            rows.append({"learner": name, "seed": seed, **summary(exams)})
            print(rows[-1], flush=True)
    medians = {name: median(found) for name, found in times.items()}
    ratio = medians["ours"] / medians["peer"]
    print(f"ours {medians['ours']:.2f} s, peer {medians['peer']:.2f} s, ratio {ratio:.3f}, bar {BAR}")
    results = {"medians": medians, "ratio": round(ratio, 4), "rows": rows}
    configs = {"ours": asdict(OURS), "peer": asdict(config)}
    design = {"target": TARGET, "limit_seconds": LIMIT_SECONDS, "bar": BAR, **configs}
    write_record(Path(__file__).parent / "time_to_score.json", results, design, commit=commit)


if __name__ == "__main__":
    main()
