"""Actions recommended outside support, of 10,000 customers drawn in the truth; the bar is none.

The business never gave two actions to some customers, those that tempt most: to one plan the action that the exact
optimum gives it most often, to one level of engagement the one that pays most at once. It drew the others alike.
Learned policies then choose for customers of the true market after up to MAX_AGE uniform periods, whether or not the
log holds such a state. Two counts, neither by the code that masks:

  leaf  a recount of the raw log, row by row: rounds of the chosen action on logged customers of the same leaf as the
        customer; outside = fewer than `min_support_rounds`
  ban   the truth: the business never gave this action to such customers

`unmasked` are the same counts for the same network without its mask, a planted defect that must be seen.

Run from the root: OMP_NUM_THREADS=1 python -m benchmarks.env.support [SEEDS, default 20]
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agents.market_learner import MarketLearner
from agents.outcome_learner import OutcomeLearner
from analysis.support import SupportTree
from benchmarks.record import head_commit, write_record
from config.dqn import DqnConfig
from config.market import MarketConfig
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.log import LoggedDecisions
from domain.policy import Learner
from env.reference.exact import greedy, solve
from env.reference.log import one_period_log, panel_log
from env.reference.subscription import ACTIONS, subscription_market
from env.reference.tabular import TabularMarket
from env.rollout import roll_out
from policies.baselines import UniformPolicy
from policies.network import NetworkPolicy

N_DECISIONS = 10_000
MAX_AGE = 12  # uniform periods before a customer is decided about
SMALL = DqnConfig(
    n_customers=256, periods=60, gradient_steps=4, exploration_periods=30
)  # what is chosen matters, not how well
BANNED = ("upsell", "discount", "price_rise", "retention_contact")  # `nothing` stays open to everyone


@dataclass(frozen=True)
class BannedBehavior:
    """Any action alike, but those that are banned for a customer's level."""

    bans: tuple[tuple[str, object, str], ...]  # column, level, action
    name: str = "banned"

    @property
    def actions(self) -> ActionSet:
        return ACTIONS

    def allowed(self, context: Context) -> BoolArray:
        """(n_rounds, n_actions)."""
        allowed = np.ones((context.n_rounds, len(ACTIONS)), dtype=np.bool_)
        for column, level, action in self.bans:
            allowed[context.column(column) == level, ACTIONS.index(action)] = False
        return allowed

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:  # noqa: ARG002 # names none
        allowed = self.allowed(context).astype(np.float64)
        return np.asarray(allowed / allowed.sum(axis=1, keepdims=True))


def draw_behavior(market: TabularMarket, rng: np.random.Generator) -> BannedBehavior:
    """A plan and a level of engagement at random, each with the action that tempts most there, but for `nothing`."""
    wanted = {"plan": solve(market).distribution, "engagement": greedy(market.expected_reward)}
    bans = []
    for column, distribution in wanted.items():
        values = market.states.column(column)
        level = rng.choice(np.unique(values))
        often = distribution[values == level].sum(axis=0)
        bans.append((column, level, max(BANNED, key=lambda a: often[ACTIONS.index(a)])))
    return BannedBehavior(tuple(bans))


def draw_customers(market: TabularMarket, n: int, rng: np.random.Generator) -> Context:
    """Contexts of the truth, at any age."""
    played = roll_out(market, UniformPolicy(ACTIONS), MAX_AGE, rng, state=market.initial(n, rng))
    return played.context.take(rng.choice(len(played), size=n, replace=False))


def own_leaf(tree: SupportTree, features: FloatArray) -> IntArray:
    """(n,) the leaf of each row, one comparison after the other."""
    leaves = np.empty(len(features), dtype=np.int64)
    for i, row in enumerate(features):
        node = 0
        while tree.left[node] != node:
            node = tree.left[node] if row[tree.feature[node]] <= tree.threshold[node] else tree.right[node]
        leaves[i] = node
    return leaves


def outside_leaf(policy: NetworkPolicy, tree: SupportTree, log: LoggedDecisions, customers: Context) -> int:
    """Decisions for an action that too few logged customers of the same leaf were given."""
    logged = own_leaf(tree, policy.encoder.transform(log.context))
    n_rounds: dict[tuple[int, int], int] = {}
    for pair in zip(logged.tolist(), log.action.tolist(), strict=True):
        n_rounds[pair] = n_rounds.get(pair, 0) + 1
    chosen = zip(
        own_leaf(tree, policy.encoder.transform(customers)).tolist(),
        policy.distribution(customers).argmax(axis=1).tolist(),
        strict=True,
    )
    return sum(n_rounds.get(pair, 0) < MarketConfig().min_support_rounds for pair in chosen)


def outside_bans(policy: NetworkPolicy, behavior: BannedBehavior, customers: Context) -> int:
    """Decisions that give a customer any chance of what such customers were never given."""
    return int(((policy.distribution(customers) > 0) & ~behavior.allowed(customers)).any(axis=1).sum())


def count(
    policy: NetworkPolicy, log: LoggedDecisions, behavior: BannedBehavior, customers: Context
) -> dict[str, object]:
    tree = policy.support
    assert tree is not None  # two bans were in force
    unmasked = replace(policy, support=None)
    return {
        "outside_leaf": outside_leaf(policy, tree, log, customers),
        "outside_ban": outside_bans(policy, behavior, customers),
        "unmasked_outside_leaf": outside_leaf(unmasked, tree, log, customers),
        "unmasked_outside_ban": outside_bans(unmasked, behavior, customers),
    }


def run(seed: int, names: tuple[str, ...] = ("dqn", "outcome")) -> list[dict[str, object]]:
    rng, market = np.random.default_rng(seed), subscription_market()
    behavior, customers = draw_behavior(market, rng), draw_customers(market, N_DECISIONS, rng)
    logs = {
        "dqn": panel_log(market, 3000, 8, behavior, rng=rng),
        "outcome": one_period_log(market, 10_000, behavior, rng=rng),
    }
    learners: dict[str, Learner] = {"dqn": MarketLearner(dqn=SMALL), "outcome": OutcomeLearner()}
    rows = []
    for name in names:
        log = logs[name]
        began = time.process_time()
        policy = learners[name].fit(log, np.random.default_rng(seed))
        assert isinstance(policy, NetworkPolicy)
        found = count(policy, log, behavior, customers)
        bans = [f"{action} where {column} = {level}" for column, level, action in behavior.bans]
        rows.append(
            {"seed": seed, "learner": name, "bans": bans, **found, "cpu_seconds": round(time.process_time() - began, 1)}
        )
    return rows


def main() -> None:
    commit = head_commit()
    rows = []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        for row in run(seed):
            print(row, flush=True)
            rows.append(row)
    design = {"decisions": N_DECISIONS, "max_age": MAX_AGE, "least_rounds": MarketConfig().min_support_rounds, "bar": 0}
    write_record(Path(__file__).with_suffix(".json"), rows, design, commit=commit)


if __name__ == "__main__":
    main()
