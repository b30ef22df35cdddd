"""Customer-steps per CPU-second of the reference market and of a market fitted to its log; one thread.

Run from the root: OMP_NUM_THREADS=1 python -m benchmarks.env.throughput
"""

import time

import numpy as np

from env.fit import fit_market
from env.market import Dynamics, MarketCore
from env.reference.log import panel_log
from env.reference.subscription import subscription_market

N_STEPS = 50


def steps_per_second(dynamics: Dynamics, n_customers: int) -> float:
    """Of CPU time, the drawing of the actions included."""
    core, rng = MarketCore(dynamics, n_customers, horizon=60, seed=0), np.random.default_rng(1)
    core.reset()
    core.step(rng.integers(5, size=n_customers))
    began = time.process_time()
    for _ in range(N_STEPS):
        core.step(rng.integers(5, size=n_customers))
    return N_STEPS * n_customers / (time.process_time() - began)


def main() -> None:
    market = subscription_market()
    log = panel_log(market, rng=np.random.default_rng(0))
    began = time.process_time()
    model = fit_market(log, rng=np.random.default_rng(1))
    print(f"fitted {len(log)} rounds in {time.process_time() - began:.1f} CPU-s")
    for name, dynamics in (("reference", market), ("fitted", model)):
        for n_customers in (1_024, 4_096, 16_384):
            print(
                f"{name:10} {n_customers:6d} customers  {steps_per_second(dynamics, n_customers) / 1e6:.2f} M steps/s"
            )


if __name__ == "__main__":
    main()
