"""The learned policy's exact score in the reference market, one panel log and one training a seed.

    python -m benchmarks.train.reference_market [SEEDS]

Score = (V - V_uniform) / (V* - V_uniform), exact, of the policy that training delivers. Writes reference_market.json.
"""

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.record import head_commit, write_record
from domain.log import LogRead
from env.reference import exact
from env.reference.behavior import TargetedBehavior
from env.reference.log import panel_log
from loop.demo import N_CUSTOMERS, RANDOM_SHARE, UPSELL_COST, demo_market
from loop.demo_business import BASELINE
from loop.demo_offline import N_PERIODS
from loop.train import train_policy


def run(seed: int) -> dict[str, object]:
    """What one log and one training gave."""
    market = demo_market()
    rng = np.random.default_rng(seed)
    log = panel_log(market, N_CUSTOMERS, N_PERIODS, TargetedBehavior(RANDOM_SHARE), rng=rng)
    started = time.process_time()
    trained = train_policy(
        LogRead(log, "reference market", len(log), {}, {}),
        baseline=f"constant:{BASELINE}",
        heldout=None,
        algo=None,
        seed=seed,
    )
    judgement = trained.judgement
    learned = exact.value(market, exact.distribution_of(market, trained.policy), horizon=N_PERIODS, discount=1.0)
    return {
        "seed": seed,
        "verdict": judgement.verdict.value,
        "delivered": judgement.delivered,
        "score": round(exact.score(market, trained.policy), 4),
        "difference": judgement.comparison.difference,
        "low": judgement.comparison.low,
        "high": judgement.comparison.high,
        "heldout": judgement.heldout.value,
        "true_value_of_delivered": learned,
        "cpu_seconds": round(time.process_time() - started, 1),
    }


if __name__ == "__main__":
    commit = head_commit()
    rows = []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        rows.append(run(seed))
        print(rows[-1], flush=True)
    design = {"customers": N_CUSTOMERS, "periods": N_PERIODS, "random_share": RANDOM_SHARE, "upsell_cost": UPSELL_COST}
    write_record(Path(__file__).parent / "reference_market.json", rows, design, commit=commit)
