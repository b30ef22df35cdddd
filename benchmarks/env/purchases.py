"""Do fitted markets foretell customers of real shops? `amso market --purchases` on two purchase histories.

    cdnow    fitted until 1997-09-30; the next 39 weeks (nine months) of all customers, no index given
    retail   fitted until 2010-08-31; the next three months of customers left out (five folds), under the index that the
             others showed; and again without an index, where the tool must say that the season was never observed

All was set before the judged spans were looked at, on earlier spans (cdnow fitted on 4, 5 and 6 months and judged
until the eighth or ninth, retail on 5, 6 and 7 until the eighth or ninth; seeds 1000 to 1002): months as periods, the
five columns of `analysis/purchases.py`, shocks that make a period expected to have the purchases and the spend that it
had. Other columns tried there (cohort, decayed activity, purchases over gaps) foretold worse. `earlier` repeats those
spans with the tool as it is.

    python -m benchmarks.env.purchases [--seeds 5] [--only cdnow retail blind earlier]

Needs the folder that AMSO_REFERENCE_DATA names. Rows of the same commit are kept, so it may run in pieces.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.record import head_commit, write_record
from config.purchases import PeriodLength, PurchaseColumns
from loop.market_purchases import PurchaseRequest, market_of_purchases
from loop.wiring import open_workspace

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
OUT = Path(__file__).with_suffix(".json")
CDNOW = (DATA / "cdnow.parquet", PurchaseColumns("customer_id", "date", "amount"))
RETAIL = (DATA / "online_retail_2009_10.parquet", PurchaseColumns("customer_id", "time", "quantity*price"))


def runs() -> dict[str, list[PurchaseRequest]]:
    """What is asked of the tool, by name."""

    def ask(
        shop: tuple[Path, PurchaseColumns],
        until: str,
        n_judged: int,
        *,
        realised_index: bool = False,
        length: PeriodLength | None = None,
    ) -> PurchaseRequest:
        return PurchaseRequest(*shop, length, np.datetime64(until), n_judged, realised_index)

    month = PeriodLength.MONTH  # too short a history for the default to choose it
    return {
        "cdnow": [ask(CDNOW, "1997-09-30", 9)],
        "retail": [ask(RETAIL, "2010-08-31", 3, realised_index=True)],
        "blind": [ask(RETAIL, "2010-08-31", 3)],
        "earlier": [
            ask(CDNOW, "1997-04-30", 4, length=month),
            ask(CDNOW, "1997-05-31", 4, length=month),
            ask(CDNOW, "1997-06-30", 3, length=month),
            ask(RETAIL, "2010-04-30", 3, realised_index=True, length=month),
            ask(RETAIL, "2010-05-31", 3, realised_index=True, length=month),
            ask(RETAIL, "2010-06-30", 2, realised_index=True, length=month),
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(runs()))
    asked, commit = parser.parse_args(), head_commit()
    rows = kept_rows(commit)
    for name in asked.only:
        for request in runs()[name]:
            for seed in range(asked.seeds):
                key = {"run": name, "until": str(request.until), "file": request.path.name, "seed": seed}
                if not any(key.items() <= row.items() for row in rows):
                    rows.append({**key, **measured(request, seed)})
                    print(json.dumps(rows[-1]), flush=True)
                    write_record(
                        OUT, {"rows": rows, "summary": list(summaries(rows))}, {"seeds": asked.seeds}, commit=commit
                    )


def kept_rows(commit: str) -> list[dict[str, object]]:
    if not OUT.exists():
        return []
    found = json.loads(OUT.read_text())
    return list(found["results"]["rows"]) if found["commit"] == commit else []


def measured(request: PurchaseRequest, seed: int) -> dict[str, object]:
    """One answer of the tool."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(None, (), {**os.environ, "AMSO_DATA_DIR": folder})
        started = time.process_time()
        answer = market_of_purchases(workspace, request, seed=seed)
        seconds = time.process_time() - started
        workspace.close()
    f = answer.fidelity
    return {
        "n_customers": f.n_customers,
        "active": f.active.predicted,
        "active_band": [f.active.low, f.active.high],
        "active_observed": f.active.observed,
        "active_gap_points": 100 * f.active.gap,
        "spend": f.spend.predicted,
        "spend_band": [f.spend.low, f.spend.high],
        "spend_observed": f.spend.observed,
        "spend_gap_share": f.spend.gap / f.spend.observed,
        "periods_active": f.purchases.predicted,
        "periods_active_observed": f.purchases.observed,
        "auc": f.lookalike.auc,
        "auc_stderr": f.lookalike.stderr,
        "unseen_months": list(f.unseen_months),
        "index": list(f.index),
        "index_spread": f.index_spread,
        "is_faithful": f.is_faithful,
        "reasons": list(f.reasons),
        "rejected": dict(answer.history.rejected),
        "cpu_seconds": round(seconds, 1),
    }


def summaries(rows: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """The worst seed of each run."""
    for name, until, file in sorted({(str(r["run"]), str(r["until"]), str(r["file"])) for r in rows}):
        own = [r for r in rows if (r["run"], r["until"], r["file"]) == (name, until, file)]
        yield {
            "run": name,
            "file": file,
            "until": until,
            "seeds": len(own),
            "worst_active_gap_points": max((float(str(r["active_gap_points"])) for r in own), key=abs),
            "worst_spend_gap_share": max((float(str(r["spend_gap_share"])) for r in own), key=abs),
            "worst_auc": max(float(str(r["auc"])) for r in own),
            "faithful": sum(bool(r["is_faithful"]) for r in own),
            "season_named": sum("never observed" in str(r["reasons"]) for r in own),
        }


if __name__ == "__main__":
    main()
