"""Which fitted markets are refused: 20 draws of the subscription market as they are, and with planted misfits.

Draw k (0..19) takes its parameters, its log (4,000 customers, up to 12 months) and its check from seed k. Own markets
are to be refused at most once in twenty, each planted misfit at least nineteen times (defects: planted.py). Shuffled
actions are judged with and without the logged propensities.

Run from the root: OMP_NUM_THREADS=1 python -m benchmarks.env.refusals [--first 0] [--draws 20]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.env.planted import (
    with_renewals,
    with_shuffled_actions,
    with_unlogged_driver,
    without_propensities,
)
from benchmarks.record import head_commit, write_record
from domain.log import LoggedDecisions
from env.fidelity import check_fidelity
from env.reference.log import panel_log
from env.reference.parameters import draw_parameters
from env.reference.subscription import subscription_market

PATH = Path(__file__).with_suffix(".json")
KINDS: dict[str, Callable[[LoggedDecisions, np.random.Generator], LoggedDecisions]] = {
    "own": lambda log, _: log,
    "own, no propensities": lambda log, _: without_propensities(log),
    "wrong hazard shape": with_renewals,
    "unlogged driver with drift": with_unlogged_driver,
    "shuffled actions": with_shuffled_actions,
    "shuffled actions, no propensities": lambda log, rng: without_propensities(with_shuffled_actions(log, rng)),
}


def judge(draw: int, kind: str) -> dict[str, object]:
    """One row of the record."""
    market = subscription_market(draw_parameters(np.random.default_rng(draw)))
    log = KINDS[kind](panel_log(market, rng=np.random.default_rng(draw)), np.random.default_rng([draw, 1]))
    began = time.process_time()
    report = check_fidelity(log, rng=np.random.default_rng(draw))
    return {
        "draw": draw,
        "kind": kind,
        "n_rounds": len(log),
        "is_refused": not report.is_faithful,
        "reasons": list(report.reasons),
        "auc": None if report.lookalike is None else round(report.lookalike.auc, 4),
        "confounding": report.confounding.status,
        "cpu_seconds": round(time.process_time() - began, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--draws", type=int, default=20)
    asked, commit = parser.parse_args(), head_commit()
    rows = _kept(commit)
    for draw in range(asked.first, asked.first + asked.draws):
        for kind in KINDS:
            if not any((row["draw"], row["kind"]) == (draw, kind) for row in rows):
                rows.append(judge(draw, kind))
                _write(rows, commit)
    for kind, counts in _counts(rows).items():
        print(f"{kind:36} refused {counts['refused']:2d} of {counts['of']}")


def _kept(commit: str) -> list[dict[str, object]]:
    """Rows of the same commit: the benchmark goes on where it stopped."""
    if not PATH.exists():
        return []
    found = json.loads(PATH.read_text())
    return list(found["results"]["rows"]) if found["commit"] == commit else []


def _counts(rows: list[dict[str, object]]) -> dict[str, dict[str, int]]:
    of = {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}
    return {kind: {"refused": sum(bool(r["is_refused"]) for r in own), "of": len(own)} for kind, own in of.items()}


def _write(rows: list[dict[str, object]], commit: str) -> None:
    design = {"customers": 4_000, "periods": 12, "draws": "parameters, log and check of one draw by the same seed"}
    write_record(PATH, {"counts": _counts(rows), "rows": rows}, design, commit=commit)


if __name__ == "__main__":
    main()
