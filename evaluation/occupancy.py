"""How the rounds of a log make up a fitted-Q value: the weights of their temporal-difference errors.

The value is linear in every regression's response, so an error of Q with k periods to go moves it by
nu_t' (Gram)^-1 sum(phi(s, a) x error), t = horizon - k. nu_t is where the policy brings the features by step t, under
the dynamics that the same regressions imply: nu_0 = E[phi(s_0, policy)], nu_{t+1}' = nu_t' (Gram)^-1 sum(phi(s, a) x
phi(s', policy)'). The sum over a customer's rounds is the influence of the customer.
References: Duan, Jia, Wang (2020), ICML, section 5; Hao, Ji, Duan, Lu, Szepesvari, Wang (2021), ICML, theorem 4.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray
from evaluation.action_regression import ActionRegression
from evaluation.episodes import Episodes


@dataclass(frozen=True)
class Pull:
    """Weight of a round's error at one step, by its features and action; shares of the training episodes."""

    coefficients: FloatArray  # (n_features, n_actions)
    constant: FloatArray  # (n_actions,)

    def __call__(self, features: FloatArray) -> FloatArray:
        """(n, n_actions)."""
        return np.asarray(features @ self.coefficients + self.constant)


def trace_policy(
    episodes: Episodes,
    seen: BoolArray,
    actions: Sequence[ActionRegression],
    distribution: FloatArray,
    next_distribution: FloatArray,
) -> list[Pull]:
    """One pull a step, of the regressions fitted where `seen`."""
    log = episodes.log
    first = episodes.start[seen[episodes.start]]
    share = log.sample_weight[first] / log.sample_weight[first].sum()
    mass = share[:, None] * distribution[first]  # (n, n_actions) what the policy brings there
    features = episodes.features[first]
    weight = np.where(seen, log.sample_weight * episodes.transition, 0.0)
    rows = np.arange(len(log))
    pulls = []
    for _ in range(episodes.horizon):
        pull = _pull(actions, features.T @ mass, mass.sum(axis=0), float(weight.sum()))
        pulls.append(pull)
        flow = weight * pull(episodes.features)[rows, log.action]
        mass, features = flow[:, None] * next_distribution, episodes.next_features
    return pulls


def _pull(actions: Sequence[ActionRegression], features: FloatArray, mass: FloatArray, total: float) -> Pull:
    parts = [action.pull(features[:, a], float(mass[a])) for a, action in enumerate(actions)]
    borrowed = sum(float(m) * (1 - action.share) for m, action in zip(mass, actions, strict=True))
    constant = np.array([c for _, c in parts]) + borrowed / total
    return Pull(np.column_stack([b for b, _ in parts]), constant)
