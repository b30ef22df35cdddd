"""Survival and reward by period, of logged and of simulated customers, with the error of their difference.

Survival is Kaplan and Meier's (1958), so customers whose observation ends early still count while they are seen; the
reward of a period is a present customer's mean times the share that is still present.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from env.gaps import Gap


@dataclass(frozen=True)
class Curve:
    """By period; the standard error is of simulated - logged."""

    simulated: tuple[float, ...]
    logged: tuple[float, ...]
    stderr: tuple[float, ...]

    def gaps(self, what: str, tolerance: float) -> list[Gap]:
        """`tolerance` is a share of what was logged in the period."""
        numbers = enumerate(zip(self.simulated, self.logged, self.stderr, strict=True), start=1)
        return [Gap(what, f"period {t}", sim, log, error, tolerance * abs(log)) for t, (sim, log, error) in numbers]


@dataclass(frozen=True)
class _Histories:
    present: FloatArray  # (n_customers, n_periods) weight of the rounds observed
    left: FloatArray  # (n_customers, n_periods) of those in which the customer left
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
    weight: FloatArray,
    n_periods: int,
    n_bootstraps: int,
    rng: np.random.Generator,
) -> tuple[Curve, Curve]:
    """Survival and reward per period.

    Args:
        simulated: a panel of the market, episodes numbered from 0.
        member: (n_episodes,) the member behind each simulated episode.
        logged: a panel of held-out customers.
        weight: (n_rounds,) of the logged rounds.
        n_periods: compared.
        n_bootstraps: of logged customers and of simulated ones.
        rng: of the bootstraps.
    """
    played, seen = _histories(simulated, np.ones(len(simulated)), n_periods), _histories(logged, weight, n_periods)
    own = (member[None, :] == np.unique(member)[:, None]).astype(np.float64)
    by_member = played.curves(own)
    fitting = by_member.var(axis=0, ddof=1) if len(by_member) > 1 else np.zeros(by_member.shape[1:])
    mean = played.curves(np.ones((1, len(member))))[0]
    sampling = _bootstrap_variance(seen, n_bootstraps, rng)
    began = seen.present[:, 0]
    least = mean[0] * (1 - mean[0]) / max(float(began.sum() ** 2 / max((began**2).sum(), 1e-12)), 1.0)
    sampling[0] = np.maximum(sampling[0], least)  # as many may have stayed by chance
    stderr = np.sqrt(sampling + _bootstrap_variance(played, n_bootstraps, rng) + fitting)
    truth = seen.curves(np.ones((1, len(seen.present))))[0]
    survival, reward = (
        Curve(tuple(s.tolist()), tuple(t.tolist()), tuple(e.tolist()))
        for s, t, e in zip(mean, truth, stderr, strict=True)
    )
    return survival, reward


def survival_of(log: LoggedDecisions, n_periods: int) -> FloatArray:
    """(n_periods,) share of the customers of a panel that is left after each period."""
    seen = _histories(log, log.sample_weight, n_periods)
    return np.asarray(seen.curves(np.ones((1, len(seen.present))))[0, 0], dtype=np.float64)


def _histories(log: LoggedDecisions, weight: FloatArray, n_periods: int) -> _Histories:
    """A customer's episodes are counted together: they are one draw."""
    panel = log.panel
    assert panel is not None
    units, code = np.unique(log.unit, return_inverse=True)
    kept = panel.step < n_periods
    place = (code[kept], panel.step[kept])
    present, left, reward = (np.zeros((len(units), n_periods)) for _ in range(3))
    np.add.at(present, place, weight[kept])
    np.add.at(left, place, weight[kept] * panel.terminated[kept])
    np.add.at(reward, place, weight[kept] * log.reward[kept])
    return _Histories(present, left, reward)


def _bootstrap_variance(histories: _Histories, n_bootstraps: int, rng: np.random.Generator) -> FloatArray:
    n = len(histories.present)
    weight = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstraps).astype(np.float64)
    return np.asarray(histories.curves(weight).var(axis=0, ddof=1), dtype=np.float64)
