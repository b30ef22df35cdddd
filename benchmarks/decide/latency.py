"""How long one decision takes, beside stable-baselines3's `predict`, interleaved in one run; one thread.

20 features, 8 actions, two hidden layers of 64. Ours is `policies.deciding.decide` with an encoded context: support
tree, exploration, full propensities and the draw included. Theirs is the action alone.

Equal probabilities: stable-baselines3's q_net, exported to a NumPy policy, decides N_COMPARED customers; torch answers
the same from the q_net, in float32 as it trains: every rule's probabilities, masked, with the share of exploration.
Softmax is the one that a last bit of a score can move: a q_net's scores lie within a few units of zero, and TEMPERATURE
is of their spread.

Run from the root: OMP_NUM_THREADS=1 python -m benchmarks.decide.latency
"""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from threadpoolctl import threadpool_limits

from analysis.features import FeatureEncoder, NumberEncoding
from analysis.support import SupportTree
from benchmarks.record import head_commit, write_record
from domain.actions import ActionSet
from policies.deciding import decide
from policies.exploration import GREEDY, Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy

N_FEATURES, N_ACTIONS, HIDDEN = 20, 8, (64, 64)
N_BLOCKS, N_CALLS = 60, 100  # a block calls one of them N_CALLS times in a row, then the next has its turn
BAR = 0.08
N_COMPARED, SHARE, TEMPERATURE = 2_000, 0.05, 0.1
MAX_DIFFERENCE = 1e-6
RULES = (
    GREEDY,
    Exploration(ExplorationRule.EPSILON_GREEDY, 0.1),
    Exploration(ExplorationRule.SOFTMAX, TEMPERATURE),
    Exploration(ExplorationRule.INVERSE_GAP, 10.0),
)


class _Customers(gym.Env[np.ndarray, np.int64]):
    """The spaces that stable-baselines3 wants to see; nobody steps it."""

    observation_space = spaces.Box(-np.inf, np.inf, (N_FEATURES,), np.float32)
    action_space = spaces.Discrete(N_ACTIONS)


def make_policy(rng: np.random.Generator) -> NetworkPolicy:
    """A network over ten numbers, each with its missing indicator, and a support tree of four leaves."""
    encoder = FeatureEncoder(tuple(NumberEncoding(f"x{i}", 0.0, 1.0, -9.0, 9.0) for i in range(N_FEATURES // 2)))
    sizes = (N_FEATURES, *HIDDEN, N_ACTIONS)
    layers = tuple(Layer(rng.normal(0, 0.2, (n, m)), rng.normal(size=m)) for n, m in pairwise(sizes))
    supported = rng.random((7, N_ACTIONS)) < 0.8
    supported[:, 0] = True
    own = np.arange(7)
    support = SupportTree(
        feature=np.array([0, 2, 0, 0, 4, 0, 0]),
        threshold=np.zeros(7),
        left=np.where(own == 0, 1, np.where(own == 1, 2, np.where(own == 4, 5, own))),
        right=np.where(own == 0, 4, np.where(own == 1, 3, np.where(own == 4, 6, own))),
        supported=supported,
    )
    names = tuple(f"a{i}" for i in range(N_ACTIONS))
    return NetworkPolicy("dqn", ActionSet(names), encoder, layers, support=support)


def make_calls(rng: np.random.Generator) -> dict[str, Callable[[int], object]]:
    policy, allowed = make_policy(rng), np.ones(N_ACTIONS, dtype=np.bool_)
    features, draws = rng.normal(size=(N_CALLS, N_FEATURES)), rng.random(N_CALLS).tolist()
    observations = features.astype(np.float32)
    net = {"net_arch": list(HIDDEN)}
    ppo = PPO("MlpPolicy", _Customers(), device="cpu", policy_kwargs=net)
    dqn = DQN("MlpPolicy", _Customers(), device="cpu", policy_kwargs=net, buffer_size=1)
    return {
        "decide": lambda i: decide(policy, features[i], allowed, exploration_share=0.05, draw=draws[i]),
        "sb3_ppo_predict": lambda i: ppo.predict(observations[i]),
        "sb3_dqn_predict": lambda i: dqn.predict(observations[i]),
    }


def microseconds(calls: dict[str, Callable[[int], object]]) -> dict[str, np.ndarray]:
    """(N_BLOCKS * N_CALLS,) of each; the first block of each warms up and is left out."""
    taken: dict[str, list[int]] = {name: [] for name in calls}
    for block in range(N_BLOCKS + 1):
        for name, call in calls.items():
            for i in range(N_CALLS):
                began = time.perf_counter_ns()
                call(i)
                if block:
                    taken[name].append(time.perf_counter_ns() - began)
    return {name: np.array(times) / 1000 for name, times in taken.items()}


def largest_differences(rng: np.random.Generator) -> dict[str, float]:
    """By rule: the largest gap between a probability of the NumPy policy and of torch, over customers and actions."""
    net = {"net_arch": list(HIDDEN)}
    q_net = DQN("MlpPolicy", _Customers(), device="cpu", policy_kwargs=net, buffer_size=1, seed=0).q_net
    features = rng.normal(size=(N_COMPARED, N_FEATURES)).astype(np.float32).astype(np.float64)
    allowed = rng.random((N_COMPARED, N_ACTIONS)) < 0.7
    allowed[:, 0] = True
    with torch.no_grad():
        scores = q_net(torch.as_tensor(features, dtype=torch.float32))
    found = {}
    for rule in RULES:
        policy = replace(make_policy(rng), layers=exported(q_net), exploration=rule, support=None)
        ours = [
            decide(policy, row, mask, exploration_share=SHARE, draw=0.5).distribution
            for row, mask in zip(features, allowed, strict=True)
        ]
        theirs = by_torch(scores, torch.as_tensor(allowed), rule)
        found[rule.rule.value] = float(np.abs(np.array(ours) - theirs.numpy()).max())
    return found


def exported(q_net: torch.nn.Module) -> tuple[Layer, ...]:
    linear = [m for m in q_net.modules() if isinstance(m, torch.nn.Linear)]
    return tuple(
        Layer(m.weight.detach().numpy().T.astype(np.float64), m.bias.detach().numpy().astype(np.float64))
        for m in linear
    )


def by_torch(scores: torch.Tensor, allowed: torch.Tensor, exploration: Exploration) -> torch.Tensor:
    """(n, n_actions) each rule written down once more, without a line of policies/."""
    masked = scores.masked_fill(~allowed, -torch.inf)
    best = torch.nn.functional.one_hot(masked.argmax(dim=1), scores.shape[1]).double()
    spread = allowed.double() / allowed.sum(dim=1, keepdim=True)
    if exploration.rule is ExplorationRule.SOFTMAX:
        chosen = torch.softmax(masked / exploration.amount, dim=1).double()
    elif exploration.rule is ExplorationRule.INVERSE_GAP:
        gaps = masked.max(dim=1, keepdim=True).values - scores
        others = torch.where(
            allowed & (best == 0), 1 / (allowed.sum(dim=1, keepdim=True) + exploration.amount * gaps), 0
        )
        chosen = others + best * (1 - others.sum(dim=1, keepdim=True))
    else:
        epsilon = exploration.amount
        chosen = (1 - epsilon) * best + epsilon * spread
    return (1 - SHARE) * chosen + SHARE * spread


def main() -> None:
    commit = head_commit()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        taken = microseconds(make_calls(np.random.default_rng(0)))
    results: dict[str, object] = {}
    for name, times in taken.items():
        p50, p95 = np.quantile(times, [0.5, 0.95])
        results[name] = {"p50_microseconds": round(p50, 2), "p95_microseconds": round(p95, 2)}
        print(f"{name:16} p50 {p50:7.1f} us   p95 {p95:7.1f} us")
    ours = np.median(taken["decide"])
    for name in ("sb3_ppo_predict", "sb3_dqn_predict"):
        results[f"share_of_{name}"] = round(float(ours / np.median(taken[name])), 4)
    results["bar"] = BAR
    results["largest_differences_of_probabilities"] = largest_differences(np.random.default_rng(0))
    results["bar_of_differences"] = MAX_DIFFERENCE
    print("largest differences of probabilities to torch's:", results["largest_differences_of_probabilities"])
    print(f"decide / PPO.predict = {results['share_of_sb3_ppo_predict']}, the bar is {BAR}")
    design = {"n_features": N_FEATURES, "n_actions": N_ACTIONS, "hidden": HIDDEN, "calls_each": N_BLOCKS * N_CALLS}
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)


if __name__ == "__main__":
    main()
