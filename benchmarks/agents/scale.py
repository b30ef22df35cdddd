"""Does the unit of money matter? The same markets with all amounts times 1, 1000 and .001.

    OMP_NUM_THREADS=1 python -m benchmarks.agents.scale [FIRST LAST]     draws FIRST to LAST - 1 of each family, 0 to 2

Two families, three draws, `train_in_market` with the default `DqnConfig`, the draw's number its seed; scores are exact.
The bar is on the largest move of a score away from that of the amounts as drawn: at most .02. Writes scale.json; rows
of the same commit are kept.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from agents.training import train_in_market
from benchmarks.record import head_commit, write_record
from config.dqn import DqnConfig
from env.reference import exact
from env.reference.families import FAMILIES
from env.reference.tabular import TabularMarket

NAMES = ("subscription", "promotion")
FACTORS = (1.0, 1000.0, 0.001)
BAR = 0.02


def in_unit(market: TabularMarket, factor: float) -> TabularMarket:
    """The market with every amount times `factor`."""
    return replace(
        market,
        base_amount=market.base_amount * factor,
        bonus_amount=market.bonus_amount * factor,
        cost_amount=market.cost_amount * factor,
        noise_amount=market.noise_amount * factor,
    )


def score_of(market: TabularMarket, seed: int) -> float:
    """What the default training delivers in it."""
    policy = train_in_market(market, DqnConfig(), discount=market.discount, seed=seed).policy
    return round(exact.score(market, policy), 4)


def run(name: str, draw: int) -> dict[str, object]:
    """One market in every unit."""
    market = FAMILIES[name].draw(np.random.default_rng(draw))
    scores = {f"x{factor:g}": score_of(in_unit(market, factor), draw) for factor in FACTORS}
    moved = max(abs(score - scores["x1"]) for score in scores.values())
    return {"family": name, "draw": draw, **scores, "moved": round(moved, 4)}


def _kept(path: Path, commit: str) -> dict[tuple[str, int], dict[str, object]]:
    """Rows that this very code has written already."""
    if not path.exists():
        return {}
    record = json.loads(path.read_text())
    return {(row["family"], row["draw"]): row for row in record["results"]} if record["commit"] == commit else {}


def main(first: int, last: int) -> None:
    commit, path = head_commit(), Path(__file__).parent / "scale.json"
    rows = _kept(path, commit)
    for key in [(name, draw) for name in NAMES for draw in range(first, last)]:
        if key not in rows:
            rows[key] = run(*key)
            write_record(path, [rows[k] for k in sorted(rows)], {"factors": FACTORS, "bar": BAR}, commit=commit)
        print(rows[key], flush=True)


if __name__ == "__main__":
    main(*([int(a) for a in sys.argv[1:3]] or (0, 3)))
