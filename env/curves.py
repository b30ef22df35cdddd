"""Survival and reward by period, of logged and of simulated customers, with the error of their difference.

Survival is Kaplan and Meier's (1958), so customers whose observation ends early still count while they are seen; the
reward of a period is a present customer's mean times the share that is still present.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions


@dataclass(frozen=True)
class Curve:
    """By period; the standard error is of simulated - logged."""

    simulated: tuple[float, ...]
    logged: tuple[float, ...]
    stderr: tuple[float, ...]


@dataclass(frozen=True)
class _Histories:
    present: FloatArray  # (n_customers, n_periods) 1 where observed
    left: FloatArray  # (n_customers, n_periods) 1 where the customer left in that period
    reward: FloatArray  # (n_customers, n_periods)

    def curves(self, weight: FloatArray) -> FloatArray:
        """(n_weightings, 2, n_periods) survival and reward, customers weighted by rows of `weight`."""
        present = np.maximum(weight @ self.present, 1e-12)
        survival = np.cumprod(1 - (weight @ self.left) / present, axis=1)
        before = np.column_stack([np.ones(len(weight)), survival[:, :-1]])
        return np.stack([survival, before * (weight @ self.reward) / present], axis=1)


def curves(
    simulated: LoggedDecisions,
    member: IntArray,
    logged: LoggedDecisions,
    n_periods: int,
    n_bootstraps: int,
    rng: np.random.Generator,
) -> tuple[Curve, Curve]:
    """Survival and reward per period.

    Args:
        simulated: a panel of the market, episodes numbered from 0.
        member: (n_episodes,) the member behind each simulated episode.
        logged: a panel of held-out customers.
        n_periods: compared.
        n_bootstraps: of logged customers and of simulated ones.
        rng: of the bootstraps.
    """
    played, seen = _histories(simulated, n_periods), _histories(logged, n_periods)
    own = (member[None, :] == np.unique(member)[:, None]).astype(np.float64)
    by_member = played.curves(own)
    fitting = by_member.var(axis=0, ddof=1) if len(by_member) > 1 else np.zeros(by_member.shape[1:])
    sampling = _bootstrap_variance(seen, n_bootstraps, rng) + _bootstrap_variance(played, n_bootstraps, rng)
    stderr = np.sqrt(sampling + fitting)
    mean = played.curves(np.ones((1, len(member))))[0]
    truth = seen.curves(np.ones((1, len(seen.present))))[0]
    survival, reward = (
        Curve(tuple(s.tolist()), tuple(t.tolist()), tuple(e.tolist()))
        for s, t, e in zip(mean, truth, stderr, strict=True)
    )
    return survival, reward


def _histories(log: LoggedDecisions, n_periods: int) -> _Histories:
    panel = log.panel
    assert panel is not None
    episodes, code = np.unique(panel.episode, return_inverse=True)
    kept = panel.step < n_periods
    place = (code[kept], panel.step[kept])
    present, left, reward = (np.zeros((len(episodes), n_periods)) for _ in range(3))
    present[place] = 1.0
    left[place] = panel.terminated[kept]
    reward[place] = log.reward[kept]
    return _Histories(present, left, reward)


def _bootstrap_variance(histories: _Histories, n_bootstraps: int, rng: np.random.Generator) -> FloatArray:
    n = len(histories.present)
    weight = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstraps).astype(np.float64)
    return np.asarray(histories.curves(weight).var(axis=0, ddof=1), dtype=np.float64)
