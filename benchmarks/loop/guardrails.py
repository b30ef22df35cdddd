"""How often the guardrail rolls back what is harmless, and how soon what is not, beside FACTS' table of rules.

Conversions at 5 %, two arms of 20,000 users who decide once, looked at 100 times while they come; the policy's arm
converts as often, or 10, 20, 40 % less. The sequence is tuned for 2,000 decisions of the policy, as `loop/readings.py`
does for two actions, and for 10,000, half of what comes.

    python -m benchmarks.loop.guardrails
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.record import head_commit, write_record
from domain.arrays import FloatArray
from domain.records import RewardMoments
from evaluation.guardrail import read_guardrail

RUNS, LOOKS, USERS, CONVERSION_RATE, ALPHA = 2_000, 100, 20_000, 0.05, 0.05
LOSSES = (0.0, 0.1, 0.2, 0.4)
TUNED_FOR = (2_000, 10_000)
TABLE = {0.0: (0.020, None), 0.1: (0.46, 9_600), 0.2: (0.99, 5_600), 0.4: (1.0, 1_600)}  # (share, median users an arm)


def cumulative(rng: np.random.Generator, rate: float) -> FloatArray:
    """(run, look) conversions so far."""
    return rng.binomial(USERS // LOOKS, rate, (RUNS, LOOKS)).cumsum(axis=1).astype(np.float64)


def moments(conversions: float, look: int) -> RewardMoments:
    n, c = (look + 1) * (USERS // LOOKS), conversions
    return RewardMoments(n, n, c, c, c, n)


def users_at_breach(policy: Sequence[float], baseline: Sequence[float], n_expected: int) -> int | None:
    """Of one run, an arm; None where it was never called harmful."""
    for look, (p, b) in enumerate(zip(policy, baseline, strict=True)):
        arms = moments(p, look), moments(b, look)
        found = read_guardrail("conversion", *arms, harm_margin=0.0, alpha=ALPHA, n_expected=n_expected)
        if found is not None and found.is_breached:
            return arms[0].n_decisions
    return None


def measure(loss: float, n_expected: int) -> dict[str, object]:
    rng = np.random.default_rng([round(100 * loss), n_expected])
    policy = cumulative(rng, CONVERSION_RATE * (1 - loss)).tolist()
    baseline = cumulative(rng, CONVERSION_RATE).tolist()
    found = [users_at_breach(p, b, n_expected) for p, b in zip(policy, baseline, strict=True)]
    breached = [n for n in found if n is not None]
    share = len(breached) / RUNS
    table_share, table_users = TABLE[loss]
    return {
        "loss": loss,
        "n_expected": n_expected,
        "share_rolled_back": share,
        "stderr": (share * (1 - share) / RUNS) ** 0.5,
        "median_decisions_at_rollback": float(np.median(breached)) if breached else None,
        "table_share": table_share,
        "table_median": table_users,
    }


def main() -> None:
    commit, started = head_commit(), time.monotonic()
    rows = []
    for n_expected in TUNED_FOR:
        for loss in LOSSES:
            row = measure(loss, n_expected)
            rows.append(row)
            median = row["median_decisions_at_rollback"]
            print(f"tuned for {n_expected:,}, loss {loss:.0%}: {row['share_rolled_back']:.3f} at {median} an arm")
    design = {
        "what": "share of runs ever rolled back, and the median decisions of the policy's arm when it was",
        "runs": RUNS,
        "looks": LOOKS,
        "users_per_arm": USERS,
        "conversion_rate": CONVERSION_RATE,
        "alpha": ALPHA,
        "seconds": round(time.monotonic() - started),
    }
    write_record(Path(__file__).with_suffix(".json"), rows, design, commit=commit)


if __name__ == "__main__":
    main()
