"""Small worlds whose policy values are known exactly, and logs of them."""

from dataclasses import dataclass

import numpy as np

from analysis.outcome_model import fit_outcome_model
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.log import LoggedDecisions, Panel
from domain.policy import RewardModel
from evaluation.rounds import Rounds

ABC = ActionSet(("a", "b", "c"))


def make_rounds_of(
    reward: list[float], weight: list[float], q: list[float] | None = None, v: list[float] | None = None
) -> Rounds:
    """A few rounds by hand; without a reward model it predicts zero."""
    n = len(reward)
    zeros = [0.0] * n
    return Rounds(
        np.array(reward),
        np.array(weight),
        np.array(zeros if q is None else q),
        np.array(zeros if v is None else v),
        np.ones(n),
        np.arange(n),
    )


def random_rounds(rng: np.random.Generator, n: int = 60) -> Rounds:
    """Rounds of 20 units, with sample weights."""
    return Rounds(
        rng.normal(2.0, 1.0, n),
        rng.lognormal(-0.2, 0.6, n),
        rng.normal(2.0, 0.3, n),
        rng.normal(2.0, 0.3, n),
        rng.uniform(0.5, 3.0, n),
        rng.integers(0, 20, n),
    )


@dataclass(frozen=True)
class LookupPolicy:
    """Distribution by the level of the context column `x`."""

    table: FloatArray  # (n_levels, n_actions)
    actions: ActionSet = ABC
    name: str = "lookup"

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        chosen = self.table[context.column("x").astype(np.int64)]
        if eligible is None:
            return chosen
        kept = chosen * eligible
        return np.asarray(kept / kept.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class BanditWorld:
    """x uniform over its levels; mean[x, a] known, so every policy's value is."""

    mean: FloatArray  # (n_levels, n_actions)
    behavior: FloatArray  # (n_levels, n_actions)
    noise: float = 1.0
    is_binary: bool = False

    def value(self, table: FloatArray) -> float:
        return float((table * self.mean).sum(axis=1).mean())

    def log(self, n: int, rng: np.random.Generator, *, n_units: int | None = None) -> LoggedDecisions:
        x = rng.integers(0, len(self.mean), n)
        action = draw(self.behavior[x], rng)
        mean = self.mean[x, action]
        reward = (rng.random(n) < mean).astype(float) if self.is_binary else mean + self.noise * rng.normal(size=n)
        unit = np.arange(n) if n_units is None else rng.integers(0, n_units, n)
        propensity = self.behavior[x, action]
        return LoggedDecisions(ABC, action, reward, "reward", Context({"x": x.astype(float)}, n), unit, propensity)


def bandit_world() -> BanditWorld:
    mean = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 2.0], [3.0, 1.0, 1.0], [1.0, 1.5, 1.2]])
    behavior = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]])
    return BanditWorld(mean, behavior)


def click_world() -> BanditWorld:
    mean = np.array([[0.02, 0.04, 0.01], [0.01, 0.02, 0.03], [0.05, 0.02, 0.02], [0.02, 0.03, 0.02]])
    return BanditWorld(mean, bandit_world().behavior, is_binary=True)


def greedy_table(world: BanditWorld, share: float = 0.9) -> FloatArray:
    """Mostly the best action of each level."""
    n = world.mean.shape[1]
    return np.asarray(share * np.eye(n)[world.mean.argmax(axis=1)] + (1 - share) / n)


def draw(distribution: FloatArray, rng: np.random.Generator) -> IntArray:
    edges = distribution.cumsum(axis=1)
    return np.asarray((rng.random(len(distribution))[:, None] > edges[:, :-1]).sum(axis=1))


@dataclass(frozen=True)
class ChainWorld:
    """Calm (0) or at risk (1); each month one of two actions, a payment, then customers stay, move or leave."""

    horizon: int = 6
    pay = np.array([[2.0, 1.5], [1.0, 0.4]])  # [state, action]
    leave = np.array([[0.05, 0.03], [0.35, 0.10]])
    to_risk = np.array([[0.30, 0.15], [0.70, 0.35]])  # given that they stay
    behavior = np.array([[0.7, 0.3], [0.5, 0.5]])
    start = np.array([0.7, 0.3])
    actions = ActionSet(("nothing", "contact"))

    def value(self, table: FloatArray, discount: float = 1.0) -> float:
        """Backward recursion: exact."""
        v = np.zeros(2)
        for _ in range(self.horizon):
            following = (1 - self.to_risk) * v[0] + self.to_risk * v[1]
            v = (table * (self.pay + discount * (1 - self.leave) * following)).sum(axis=1)
        return float(self.start @ v)

    def log(
        self, n: int, rng: np.random.Generator, *, cut_rate: float = 0.0, is_next_recorded: bool = True
    ) -> LoggedDecisions:
        """`n` episodes; each month observation ends early with `cut_rate`, then perhaps without a next context."""
        state = draw(np.tile(self.start, (n, 1)), rng)
        alive, blocks = np.arange(n), []
        for t in range(self.horizon):
            s = state[alive]
            a = draw(self.behavior[s], rng)
            left = rng.random(len(s)) < self.leave[s, a]
            after = (rng.random(len(s)) < self.to_risk[s, a]).astype(np.int64)
            is_cut = ~left & ((rng.random(len(s)) < cut_rate) | (t == self.horizon - 1))
            reward = self.pay[s, a] + rng.normal(size=len(s))
            blocks.append((alive, np.full(len(s), t), s, a, reward, after, left, is_cut))
            state[alive] = after
            alive = alive[~left & ~is_cut]
        episode, step, s, a, reward, after, left, is_cut = map(np.concatenate, zip(*blocks, strict=True))
        context = {"x": s.astype(float)}
        following = {"x": after.astype(float) if is_next_recorded else np.where(is_cut, np.nan, after)}
        panel = Panel(episode, step, Context(following, len(s)), left, is_cut)
        return LoggedDecisions(
            self.actions, a, reward, "reward", Context(context, len(s)), episode, self.behavior[s, a], panel=panel
        )

    def policy(self, table: FloatArray, name: str = "candidate") -> LookupPolicy:
        return LookupPolicy(table, self.actions, name)


@dataclass(frozen=True)
class GreedyPolicy:
    """The action with the highest prediction."""

    model: RewardModel
    name: str = "greedy"

    @property
    def actions(self) -> ActionSet:
        return self.model.actions

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        q = self.model.expected_reward(context)
        q = q if eligible is None else np.where(eligible, q, -np.inf)
        return np.asarray(np.eye(q.shape[1])[q.argmax(axis=1)])


class GreedyLearner:
    """The smallest learner there is."""

    name = "greedy"

    def __init__(self) -> None:
        self.n_fits = 0
        self.seen: list[set[int]] = []

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> GreedyPolicy:  # noqa: ARG002 # needs no chance
        self.n_fits += 1
        self.seen.append(set(log.unit.tolist()))
        return GreedyPolicy(fit_outcome_model(log))
