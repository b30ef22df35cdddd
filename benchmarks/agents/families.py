"""What an agent earns in every reference family, against those who do not plan; all scores exact.

    python -m benchmarks.agents.families FAMILY [FIRST LAST]     draws FIRST to LAST - 1 of the parameters, 0 to 19
    python -m benchmarks.agents.families default [FIRST LAST]    the subscription market of the demo, seeds 0 to 4
    python -m benchmarks.agents.families tune [FAMILY...]        the bandit's settings, on draws 1000 and 1001

Score = (V - V_uniform) / (V* - V_uniform), V* with sight of hidden columns. A draw is one market, one training
(`train_in_market`, the defaults of `DqnConfig`, the draw's number its seed) and one bandit (benchmarks/agents/
online_bandit.py: as many periods of as many customers as the agent's, with the setting that `tune` found best for the
family, written below). `lowest_late` is the lowest point of the delivered policy's curve over the last 30 % of the
training. CPU-seconds are the training's, without the scoring of its curve. Writes families_FAMILY.json; rows of the
same commit are kept.

`python -m benchmarks.agents.families yardsticks [FIRST LAST]` trains nothing: every family's constants, its exactly
myopic policy and its old rules, and of the confounded one the best plan found without sight of the hidden column
(`unseen`) and the one that its log teaches who believes it (`naive`).
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from agents.training import TrainedAgent, train_in_market
from benchmarks.agents.online_bandit import (
    GRID,
    N_CUSTOMERS,
    N_PERIODS,
    BanditSetting,
    bandit_distribution,
    delivered,
    learn_online,
)
from benchmarks.record import head_commit, write_record
from config.dqn import DqnConfig
from domain.arrays import FloatArray
from domain.policy import Policy
from env.reference import exact
from env.reference.families import FAMILIES
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket
from env.reference.veiled import plan_naively, plan_unseen

DEFAULT = "default"
TUNING_DRAWS = (1000, 1001)
LATE = 0.7  # share of the training after which the curve should have settled
TUNED: Mapping[str, BanditSetting] = {  # with its mean score on the tuning draws
    "subscription": BanditSetting(interactions=False, penalty=1.0, gamma_scale=1.0, is_greedy=True),  # 0.05
    "promotion": BanditSetting(interactions=False, penalty=1.0, gamma_scale=1.0, is_greedy=True),  # 0.08
    "app": BanditSetting(interactions=True, penalty=1.0, gamma_scale=1.0, is_greedy=True),  # 0.44
    "paywall": BanditSetting(interactions=False, penalty=100.0, gamma_scale=10.0, is_greedy=True),  # 0.47
    "seasonal": BanditSetting(interactions=False, penalty=100.0, gamma_scale=10.0, is_greedy=True),  # 0.03
    "myopic": BanditSetting(interactions=True, penalty=1.0, gamma_scale=1.0, is_greedy=True),  # 1.00
    "confounded": BanditSetting(interactions=False, penalty=1.0, gamma_scale=1.0, is_greedy=False),  # -0.46
}


class Scorer:
    """Exact scores in one market, which is solved once; counts the CPU time that it takes."""

    def __init__(self, market: TabularMarket) -> None:
        self.market = market
        self.low = exact.value(market, exact.uniform(market))
        self.high = float(market.initial_distribution @ exact.solve(market).state_value)
        self.cpu_seconds = 0.0

    def of(self, distribution: FloatArray) -> float:
        return round((exact.value(self.market, distribution) - self.low) / (self.high - self.low), 4)

    def of_policy(self, policy: Policy) -> float:
        began = time.process_time()
        score = self.of(exact.distribution_of(self.market, policy))
        self.cpu_seconds += time.process_time() - began
        return score


def run(name: str, number: int) -> dict[str, object]:
    """One market, its agent and the competition."""
    family = FAMILIES["subscription" if name == DEFAULT else name]
    market = subscription_market() if name == DEFAULT else family.draw(np.random.default_rng(number))
    scorer = Scorer(market)
    began = time.process_time()
    config = DqnConfig()
    trained = train_in_market(market, config, discount=market.discount, seed=number, evaluate=scorer.of_policy)
    cpu_seconds = time.process_time() - began - scorer.cpu_seconds
    rivals = {
        "best_constant": scorer.of(exact.best_constant(market)),
        "myopic": scorer.of(exact.myopic(market)),
        "logged": scorer.of(family.logged(market)),
        "bandit": scorer.of(bandit_distribution(market, TUNED[family.name], number)),
    }
    score = scorer.of_policy(trained.policy)
    return {
        "draw": number,
        "delivered": score,
        "lowest_late": _lowest_late(trained),
        **rivals,
        "ahead": round(score - max(rivals.values()), 4),
        "cpu_seconds": round(cpu_seconds, 1),
        "optimum_amount": round(scorer.high, 2),
        "uniform_amount": round(scorer.low, 2),
        "curve": [point.score for point in trained.curve],
    }


def _lowest_late(trained: TrainedAgent) -> float:
    late = [point.score for point in trained.curve if point.period > LATE * point.periods]
    return min(score for score in late if score is not None)


def yardsticks(name: str, number: int) -> dict[str, object]:
    """What needs no training."""
    family = FAMILIES[name]
    market = family.draw(np.random.default_rng(number))
    scorer, plan = Scorer(market), exact.solve(market).distribution
    used = exact.occupancy(market, plan) @ plan
    policies = {
        "best_constant": exact.best_constant(market),
        "myopic": exact.myopic(market),
        "logged": family.logged(market),
    }
    if market.hidden:
        policies |= {"unseen": plan_unseen(market), "naive": plan_naively(market, family.logged(market))}
    scores = {policy: scorer.of(distribution) for policy, distribution in policies.items()}
    return {"family": name, "draw": number, **scores, "actions_used": int((used > 0.01 * used.sum()).sum())}


def print_yardsticks(first: int, last: int) -> None:
    """The lowest, the median and the highest over the draws, of every family."""
    for name in FAMILIES:
        rows = [yardsticks(name, number) for number in range(first, last)]
        for key in [k for k in rows[0] if k not in {"family", "draw"}]:
            low, middle, high = np.quantile([float(str(row[key])) for row in rows], (0.0, 0.5, 1.0))
            print(f"{name:14}{key:14}{low:8.3f}{middle:8.3f}{high:8.3f}", flush=True)


def tune(name: str) -> BanditSetting:
    """The setting with the best mean score on draws that no figure is reported of."""
    scorers = [Scorer(FAMILIES[name].draw(np.random.default_rng(draw))) for draw in TUNING_DRAWS]
    mean: dict[BanditSetting, float] = {}
    for setting in GRID:
        learned = [learn_online(s.market, setting, TUNING_DRAWS[0]) for s in scorers]
        for is_greedy in (True, False):
            tables = [delivered(s.market, p, is_greedy=is_greedy) for s, p in zip(scorers, learned, strict=True)]
            scores = [s.of(table) for s, table in zip(scorers, tables, strict=True)]
            mean[replace(setting, is_greedy=is_greedy)] = float(np.mean(scores))
    best = max(mean, key=lambda setting: mean[setting])
    print(f'    "{name}": {best},  # {mean[best]:.2f}', flush=True)
    return best


def _kept(path: Path, commit: str) -> dict[int, dict[str, object]]:
    """Rows that this very code has written already, by draw."""
    if not path.exists():
        return {}
    record = json.loads(path.read_text())
    return {row["draw"]: row for row in record["results"]} if record["commit"] == commit else {}


def main(name: str, first: int, last: int) -> None:
    commit, path = head_commit(), Path(__file__).parent / f"families_{name}.json"
    rows = _kept(path, commit)
    design = {"config": "DqnConfig()", "bandit_rounds": N_CUSTOMERS * N_PERIODS, "late_share": 1 - LATE}
    for number in range(first, last):
        if number not in rows:
            rows[number] = run(name, number)
            write_record(path, [rows[n] for n in sorted(rows)], design, commit=commit)
        print({key: value for key, value in rows[number].items() if key != "curve"}, flush=True)


if __name__ == "__main__":
    chosen, rest = sys.argv[1], sys.argv[2:]
    if chosen == "tune":
        for family_name in rest or FAMILIES:
            tune(family_name)
    elif chosen == "yardsticks":
        print_yardsticks(*(map(int, rest) if rest else (0, 20)))
    else:
        main(chosen, *(map(int, rest) if rest else (0, 5 if chosen == DEFAULT else 20)))
