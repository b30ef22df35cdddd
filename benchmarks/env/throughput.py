"""Customer-steps per CPU-second of the market and of its views, beside the same market written one customer at a time.

    OMP_NUM_THREADS=1 python -m benchmarks.env.throughput

The peer is benchmarks/env/one_customer.py under stable-baselines3's DummyVecEnv, 64 of them. Everybody gets actions
drawn beforehand, uniformly, and the same horizon, and starts warmed up by one horizon. Repetitions take turns, so that
a slow moment of the machine falls on all; a figure is the median. SB3's view is given twice: as stepped, and with the
last observation of everyone whose episode ended read through `infos`. Those dicts take longer than the market itself;
an agent that reads the arrays does without. Writes throughput.json.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from agents.sb3_env import MarketVecEnv
from benchmarks.env.one_customer import OneCustomerEnv, customer_tables
from benchmarks.record import head_commit, write_record
from domain.arrays import IntArray
from env.fit import fit_market
from env.market import Dynamics, MarketCore
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket
from env.vector import MarketVectorEnv

HORIZON = 60
SIZES = (1_024, 4_096, 16_384)
N_PEERS = 64
N_REPETITIONS = 7
CUSTOMER_STEPS = 1 << 20  # of a repetition; a sixteenth of it for the peer
BARS = {"native/peer 1024": 20.0, "native/peer 16384": 40.0, "view/native": 0.85, "fitted 4096": 500_000.0}


@dataclass(frozen=True)
class Contestant:
    name: str
    n_customers: int
    step: Callable[[IntArray], object]
    actions: IntArray  # (n_periods, n_customers)

    def steps_per_second(self) -> float:
        """Of CPU time, over all its actions once."""
        began = time.process_time()
        for action in self.actions:
            self.step(action)
        return self.actions.size / (time.process_time() - began)


def contestant(name: str, n_customers: int, step: Callable[[IntArray], object], n_steps: int) -> Contestant:
    """Warmed up."""
    actions = np.random.default_rng(1).integers(5, size=(n_steps // n_customers, n_customers))
    for action in actions[:HORIZON]:
        step(action)
    return Contestant(name, n_customers, step, actions)


def peer(market: TabularMarket) -> Contestant:
    tables = customer_tables(market)
    envs = DummyVecEnv([partial(OneCustomerEnv, tables, horizon=HORIZON, seed=i) for i in range(N_PEERS)])
    envs.reset()
    return contestant("peer", N_PEERS, envs.step, CUSTOMER_STEPS // 16)


def native(name: str, dynamics: Dynamics, n_customers: int) -> Contestant:
    core = MarketCore(dynamics, n_customers, horizon=HORIZON, seed=0)
    core.reset()
    return contestant(name, n_customers, core.step, CUSTOMER_STEPS)


def view(dynamics: Dynamics, n_customers: int) -> Contestant:
    envs = MarketVecEnv(MarketCore(dynamics, n_customers, horizon=HORIZON, seed=0))
    envs.reset()
    return contestant("view", n_customers, envs.step, CUSTOMER_STEPS)


def read_view(dynamics: Dynamics, n_customers: int) -> Contestant:
    """SB3's view and, as its algorithms do, every last observation out of `infos`."""
    envs = MarketVecEnv(MarketCore(dynamics, n_customers, horizon=HORIZON, seed=0))
    envs.reset()

    def step(action: IntArray) -> None:
        _, _, done, infos = envs.step(action)
        for row in np.flatnonzero(done):
            infos[row]["terminal_observation"]

    return contestant("view, infos read", n_customers, step, CUSTOMER_STEPS)


def vector_view(dynamics: Dynamics, n_customers: int) -> Contestant:
    envs = MarketVectorEnv(n_customers, dynamics, horizon=HORIZON)
    envs.reset(seed=0)
    return contestant("gymnasium", n_customers, envs.step, CUSTOMER_STEPS)


def contestants() -> list[Contestant]:
    market = subscription_market()
    fitted = fit_market(panel_log(market, rng=np.random.default_rng(0)), rng=np.random.default_rng(1))
    found = [peer(market)]
    for n_customers in SIZES:
        found += [native("native", market, n_customers), view(market, n_customers)]
        found += [read_view(market, n_customers), vector_view(market, n_customers)]
    return [*found, native("fitted", fitted, 4_096)]


def ratios(figures: dict[str, float]) -> dict[str, float]:
    """What the bars ask for, from medians by "name customers"."""
    to_peer = {f"native/peer {n}": figures[f"native {n}"] / figures[f"peer {N_PEERS}"] for n in SIZES}
    to_native = {
        f"{name}/native {n}": figures[f"{name} {n}"] / figures[f"native {n}"]
        for name in ("view", "view, infos read", "gymnasium")
        for n in SIZES
    }
    return {key: round(ratio, 3) for key, ratio in (to_peer | to_native).items()}


def main() -> None:
    commit, runners = head_commit(), contestants()
    rounds = [[runner.steps_per_second() for runner in runners] for _ in range(N_REPETITIONS)]
    speeds = {
        f"{runner.name} {runner.n_customers}": speed
        for runner, speed in zip(runners, np.array(rounds).T.tolist(), strict=True)
    }
    figures = {key: median(found) for key, found in speeds.items()}
    for key, figure in figures.items():
        print(f"{key:26} {figure / 1e6:6.2f} M customer-steps per CPU-second")
    for key, ratio in ratios(figures).items():
        print(f"{key:26} {ratio:6.2f}")
    results = {
        "medians": {key: round(figure) for key, figure in figures.items()},
        "ratios": ratios(figures),
        "repetitions": {key: [round(s) for s in found] for key, found in speeds.items()},
    }
    design = {"horizon": HORIZON, "repetitions": N_REPETITIONS, "customer_steps": CUSTOMER_STEPS, "bars": BARS}
    write_record(Path(__file__).parent / "throughput.json", results, design, commit=commit)


if __name__ == "__main__":
    main()
