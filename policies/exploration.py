"""From scores to an action distribution, in closed form, so that every propensity is exact.

greedy          all on the best allowed action
epsilon_greedy  amount = epsilon in [0, 1]: (1 - epsilon) on the best, epsilon spread evenly over the allowed ones
softmax         amount = temperature > 0, in score units: proportional to exp(score / temperature)
inverse_gap     amount = gamma > 0, per score unit: 1 / (n_allowed + gamma * gap to the best) on every other allowed
                action, the rest on the best (SquareCB: Foster & Rakhlin 2020, ICML, algorithm 1)

Ties for the best go to the lowest index, so the same scores always give the same bytes. Every rule stands here
twice: in arrays for many rounds, in plain floats for the one decision that somebody waits for; a test holds them
together.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import ConfigError


class ExplorationRule(StrEnum):
    GREEDY = "greedy"
    EPSILON_GREEDY = "epsilon_greedy"
    SOFTMAX = "softmax"
    INVERSE_GAP = "inverse_gap"


@dataclass(frozen=True)
class Exploration:
    """How far a policy strays from the action it thinks best.

    >>> Exploration(ExplorationRule.EPSILON_GREEDY, 0.2).distribution(np.array([[1.0, 3.0]]), np.array([[True, True]]))
    array([[0.1, 0.9]])
    """

    rule: ExplorationRule = ExplorationRule.GREEDY
    amount: float = 0.0  # its unit depends on the rule, see above

    def __post_init__(self) -> None:
        low, high = _AMOUNTS[self.rule]
        if not low <= self.amount <= high:
            raise ConfigError(
                f"exploration {self.rule} has amount {self.amount}; it must lie in [{low:g}, {high:g}]",
                "see policies/exploration.py for what the amount of each rule means",
            )

    def distribution(self, scores: FloatArray, allowed: BoolArray) -> FloatArray:
        """(n_rounds, n_actions) rows that sum to one and give what is not allowed zero.

        Args:
            scores: (n_rounds, n_actions) finite.
            allowed: (n_rounds, n_actions) with at least one True a row.
        """
        return _RULES[self.rule](scores, allowed, self.amount)

    def row_distribution(self, scores: list[float], allowed: list[bool]) -> list[float]:
        """(n_actions,) the same for one round."""
        return _ROW_RULES[self.rule](scores, allowed, self.amount)


def best_allowed(scores: FloatArray, allowed: BoolArray) -> IntArray:
    """(n_rounds,) index of the highest allowed score, the lowest index among equals."""
    return np.asarray(np.where(allowed, scores, -np.inf).argmax(axis=1), dtype=np.int64)


def _greedy(scores: FloatArray, allowed: BoolArray, _: float) -> FloatArray:
    distribution = np.zeros(scores.shape)
    distribution[np.arange(len(scores)), best_allowed(scores, allowed)] = 1.0
    return distribution


def _epsilon_greedy(scores: FloatArray, allowed: BoolArray, epsilon: float) -> FloatArray:
    spread = allowed / allowed.sum(axis=1, keepdims=True)
    return np.asarray((1 - epsilon) * _greedy(scores, allowed, 0.0) + epsilon * spread)


def _softmax(scores: FloatArray, allowed: BoolArray, temperature: float) -> FloatArray:
    gaps = np.where(allowed, scores - _best_score(scores, allowed), -np.inf)
    powers = np.exp(gaps / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _inverse_gap(scores: FloatArray, allowed: BoolArray, gamma: float) -> FloatArray:
    n_allowed = allowed.sum(axis=1, keepdims=True)
    gaps = np.where(allowed, _best_score(scores, allowed) - scores, np.inf)
    distribution = np.asarray(1.0 / (n_allowed + gamma * gaps))
    rows, best = np.arange(len(scores)), best_allowed(scores, allowed)
    distribution[rows, best] = 0.0
    distribution[rows, best] = 1.0 - distribution.sum(axis=1)
    return distribution


def _best_score(scores: FloatArray, allowed: BoolArray) -> FloatArray:
    return np.asarray(np.where(allowed, scores, -np.inf).max(axis=1, keepdims=True))


def _row_greedy(scores: list[float], allowed: list[bool], _: float) -> list[float]:
    distribution = [0.0] * len(scores)
    distribution[_row_best(scores, allowed)] = 1.0
    return distribution


def _row_epsilon_greedy(scores: list[float], allowed: list[bool], epsilon: float) -> list[float]:
    spread = epsilon / sum(allowed)
    distribution = [spread if ok else 0.0 for ok in allowed]
    distribution[_row_best(scores, allowed)] += 1 - epsilon
    return distribution


def _row_softmax(scores: list[float], allowed: list[bool], temperature: float) -> list[float]:
    best = scores[_row_best(scores, allowed)]
    powers = [math.exp((s - best) / temperature) if ok else 0.0 for s, ok in zip(scores, allowed, strict=True)]
    total = sum(powers)
    return [power / total for power in powers]


def _row_inverse_gap(scores: list[float], allowed: list[bool], gamma: float) -> list[float]:
    best, n_allowed = _row_best(scores, allowed), sum(allowed)
    top = scores[best]
    distribution = [1.0 / (n_allowed + gamma * (top - s)) if ok else 0.0 for s, ok in zip(scores, allowed, strict=True)]
    distribution[best] = 0.0
    distribution[best] = 1.0 - sum(distribution)
    return distribution


def _row_best(scores: list[float], allowed: list[bool]) -> int:
    best, highest = -1, -math.inf
    for i, ok in enumerate(allowed):
        if ok and (scores[i] > highest or best < 0):
            best, highest = i, scores[i]
    return best


_TINY = 1e-12
_AMOUNTS = {
    ExplorationRule.GREEDY: (0.0, 0.0),
    ExplorationRule.EPSILON_GREEDY: (0.0, 1.0),
    ExplorationRule.SOFTMAX: (_TINY, np.inf),
    ExplorationRule.INVERSE_GAP: (_TINY, np.inf),
}
_RULES: Mapping[ExplorationRule, Callable[[FloatArray, BoolArray, float], FloatArray]] = {
    ExplorationRule.GREEDY: _greedy,
    ExplorationRule.EPSILON_GREEDY: _epsilon_greedy,
    ExplorationRule.SOFTMAX: _softmax,
    ExplorationRule.INVERSE_GAP: _inverse_gap,
}
_ROW_RULES: Mapping[ExplorationRule, Callable[[list[float], list[bool], float], list[float]]] = {
    ExplorationRule.GREEDY: _row_greedy,
    ExplorationRule.EPSILON_GREEDY: _row_epsilon_greedy,
    ExplorationRule.SOFTMAX: _row_softmax,
    ExplorationRule.INVERSE_GAP: _row_inverse_gap,
}
GREEDY = Exploration()
