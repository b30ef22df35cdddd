"""What `amso train` says of real logs whose reference figures are known, for every fold seed.

    python -m benchmarks.train.verdicts promo|hillstrom|loan [SEEDS]

Needs the reference data (AMSO_REFERENCE_DATA). Writes verdicts_<log>.json beside this file.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import head_commit, write_record
from loop.logs import LogRequest
from loop.train import train
from loop.wiring import open_workspace

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))


@dataclass(frozen=True)
class Case:
    log: str
    reward: str
    baseline: str | None
    exclude: tuple[str, ...]
    n_seeds: int


CASES = {
    "promo": Case("promo_train.parquet", "reward_profit", None, (), 10),
    "hillstrom": Case("hillstrom.parquet", "reward_spend", "constant:no_email", (), 20),
    "loan": Case("loan_price_wave12.parquet", "reward_applied", None, ("p5_above_std",), 10),
}


def run(name: str, n_seeds: int | None = None) -> list[dict[str, object]]:
    """One row a seed."""
    case = CASES[name]
    request = LogRequest(path=DATA / case.log, reward=case.reward, exclude_actions=case.exclude)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(None, [f"stores.data_dir={folder}"], {})
        for seed in range(n_seeds or case.n_seeds):
            started = time.monotonic()
            data = train(workspace, request, baseline=case.baseline, heldout=None, algo=None, seed=seed).to_data()
            kept = ("verdict", "delivered", "comparison", "baseline_comparison", "heldout", "best_constant")
            row = {"seed": seed, **{k: data[k] for k in kept}, "seconds": round(time.monotonic() - started, 1)}
            print(row["seed"], row["verdict"], row["delivered"], row["comparison"], row["seconds"], flush=True)
            rows.append(row)
    return rows


if __name__ == "__main__":
    commit = head_commit()
    chosen = sys.argv[1]
    found = run(chosen, int(sys.argv[2]) if len(sys.argv) > 2 else None)
    case = CASES[chosen]
    design = {"log": case.log, "reward": case.reward, "baseline": case.baseline, "excluded": list(case.exclude)}
    write_record(Path(__file__).parent / f"verdicts_{chosen}.json", found, design, commit=commit)
