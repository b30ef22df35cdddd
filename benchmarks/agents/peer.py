"""stable-baselines3's own DQN, on the one-customer market in DummyVecEnv: CPU time to an exact score of .95.

    OMP_NUM_THREADS=1 python -m benchmarks.agents.peer [SEEDS]

Protocol, the same for whoever is timed: the clock (process_time, one thread) starts when the learner is made and stops
while it is examined. An exam is the exact score of the greedy policy over all states, every 2 % of the training. The
time to .95 is that of the first exam which reaches it and is followed by two more that do; none if LIMIT_SECONDS pass.
A training that has come to its end stays where it is, so its last exam counts three times.

What we do for the peer: rewards are divided by a multiple of their standard deviation over 5,000 uniform steps (its
Huber loss learns another policy where errors are much larger than 1), inside the market's tables, so that it costs
nothing a step; the learning rate may fall linearly; that multiple and everything else were searched (peer_search.py).
Writes peer.json: the best of that search on seeds 0, 1, ...
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.env.one_customer import CustomerTables, OneCustomerEnv, customer_tables
from benchmarks.record import head_commit, write_record
from domain.arrays import FloatArray
from env.reference import exact
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket

TARGET, N_FOLLOWING = 0.95, 2
EXAMS = 50  # a training
LIMIT_SECONDS = 120.0
HORIZON = 48  # after which a customer who stays is truncated, as in our own default (config/dqn.py)
SEARCH = Path(__file__).parent / "peer_search.json"


@dataclass(frozen=True, kw_only=True)
class PeerConfig:
    """What SB3's DQN leaves open, in its own words."""

    reward_deviations: float  # the unit of rewards: this many standard deviations
    n_envs: int
    total_timesteps: int
    learning_rate: float
    linear_schedule: bool  # the learning rate falls to nothing; else it is constant
    batch_size: int
    train_freq: int  # in steps of all envs
    gradient_steps: int
    target_update_interval: int
    exploration_fraction: float
    exploration_final_eps: float
    buffer_size: int
    learning_starts: int
    net_arch: tuple[int, ...]


@dataclass(frozen=True)
class Exam:
    cpu_seconds: float
    score: float


@dataclass(frozen=True)
class Examiner:
    """`exact.score_distribution`; what a policy is measured against is solved once."""

    market: TabularMarket

    def score(self, distribution: FloatArray) -> float:
        """Of the policy (n_states, n_actions)."""
        low, high = self._bounds
        return (exact.value(self.market, distribution) - low) / (high - low)

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        best = self.market.initial_distribution @ exact.solve(self.market).state_value
        return exact.value(self.market, exact.uniform(self.market)), float(best)


class Clock:
    """CPU seconds since it was made, pauses left out."""

    def __init__(self) -> None:
        self._began = time.process_time()

    @property
    def seconds(self) -> float:
        return time.process_time() - self._began

    @contextmanager
    def paused(self) -> Iterator[None]:
        paused_at = time.process_time()
        yield
        self._began += time.process_time() - paused_at


def seconds_to_target(exams: list[Exam]) -> float | None:
    """CPU seconds of the first exam that reaches the target and is followed by N_FOLLOWING that do."""
    reached = [exam.score >= TARGET for exam in exams]
    for i in range(len(exams) - N_FOLLOWING):
        if all(reached[i : i + 1 + N_FOLLOWING]):
            return exams[i].cpu_seconds
    return None


def finished(exams: list[Exam]) -> list[Exam]:
    """With the exams that a training would pass after its end, where nothing changes any more."""
    return [*exams, *[exams[-1]] * N_FOLLOWING]


def train_peer(
    market: TabularMarket, config: PeerConfig, seed: int, *, limit_seconds: float = LIMIT_SECONDS
) -> list[Exam]:
    """The exams of one training, until the target is reached for good or the limit passes."""
    examiner, observations = Examiner(market), torch.from_numpy(market.encoder.transform(market.states)).float()
    tables = customer_tables(market)
    pay_imports()
    clock = Clock()
    deviation = reward_deviation(tables, seed)
    with clock.paused():
        tables = customer_tables(in_units_of(config.reward_deviations * deviation, market))
    env = DummyVecEnv([partial(OneCustomerEnv, tables, horizon=HORIZON) for _ in range(config.n_envs)])
    model = _model(env, config, market.discount, seed)

    def examine() -> float:
        with torch.no_grad():
            return examiner.score(exact.greedy(model.q_net(observations).double().numpy()))

    watch = _Watch(clock, examine, config.total_timesteps // config.n_envs // EXAMS, limit_seconds)
    model.learn(config.total_timesteps, callback=watch)
    return watch.exams if watch.stopped_it else finished(watch.exams)


def pay_imports() -> None:
    """What torch loads at the first optimizer of a process is nobody's training; one thread from here on."""
    torch.set_num_threads(1)
    parameter = torch.zeros(1, requires_grad=True)
    torch.optim.Adam([parameter])


def reward_deviation(tables: CustomerTables, seed: int, n_steps: int = 5_000) -> float:
    """Standard deviation of rewards under uniform actions."""
    env, choose = OneCustomerEnv(tables, horizon=HORIZON, seed=seed), Random(seed)  # noqa: S311 # a simulation
    env.reset()
    rewards = []
    for action in choose.choices(range(int(tables.action_space.n)), k=n_steps):
        _, reward, terminated, truncated, _ = env.step(action)
        rewards.append(reward)
        if terminated or truncated:
            env.reset()
    return float(np.std(rewards))


def in_units_of(amount: float, market: TabularMarket) -> TabularMarket:
    """The same market, paid in another currency."""
    return replace(
        market,
        base_amount=market.base_amount / amount,
        bonus_amount=market.bonus_amount / amount,
        cost_amount=market.cost_amount / amount,
        noise_amount=market.noise_amount / amount,
    )


def _model(env: DummyVecEnv, config: PeerConfig, discount: float, seed: int) -> DQN:
    rate = config.learning_rate
    model = DQN(
        "MlpPolicy",
        env,
        learning_rate=(lambda remaining: rate * remaining) if config.linear_schedule else rate,
        buffer_size=config.buffer_size,
        learning_starts=config.learning_starts,
        batch_size=config.batch_size,
        gamma=discount,
        train_freq=config.train_freq,
        gradient_steps=config.gradient_steps,
        target_update_interval=config.target_update_interval,
        exploration_fraction=config.exploration_fraction,
        exploration_final_eps=config.exploration_final_eps,
        policy_kwargs={"net_arch": list(config.net_arch)},
        seed=seed,
        device="cpu",
    )
    model.set_logger(Logger(None, []))
    return model


class _Watch(BaseCallback):
    """Examines every `every` steps of all envs, and ends the training when there is nothing left to learn from it."""

    def __init__(self, clock: Clock, examine: Callable[[], float], every: int, limit_seconds: float) -> None:
        super().__init__()
        self.exams: list[Exam] = []
        self.stopped_it = False
        self._clock, self._examine = clock, examine
        self._every, self._limit_seconds = every, limit_seconds

    def _on_step(self) -> bool:
        is_over = self._clock.seconds >= self._limit_seconds
        if self.n_calls % self._every and not is_over:
            return True
        with self._clock.paused():
            self.exams.append(Exam(self._clock.seconds, self._examine()))
            self.stopped_it = is_over or seconds_to_target(self.exams) is not None
        return not self.stopped_it


def main() -> None:
    commit, market = head_commit(), subscription_market()
    config, rows = searched_config(), []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        exams = train_peer(market, config, seed)
        rows.append({"seed": seed, **summary(exams)})
        print(rows[-1]["cpu_seconds"], rows[-1]["last_score"], flush=True)
    design = {"config": asdict(config), "target": TARGET, "limit_seconds": LIMIT_SECONDS}
    write_record(Path(__file__).parent / "peer.json", rows, design, commit=commit)


def summary(exams: list[Exam]) -> dict[str, object]:
    """A row of the record."""
    reached = seconds_to_target(exams)
    return {
        "cpu_seconds": None if reached is None else round(reached, 2),
        "cpu_seconds_spent": round(exams[-1].cpu_seconds, 2),
        "last_score": round(exams[-1].score, 4),
        "best_score": round(max(exam.score for exam in exams), 4),
    }


def searched_config() -> PeerConfig:
    """The winner of the search."""
    return config_of(json.loads(SEARCH.read_text())["results"]["winner"])


def config_of(row: dict[str, Any]) -> PeerConfig:
    return PeerConfig(**(row["config"] | {"net_arch": tuple(row["config"]["net_arch"])}))


if __name__ == "__main__":
    main()
