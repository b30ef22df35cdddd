"""Does something that no column holds drive both the actions and what comes of them? Told from logged propensities.

With p(a | x) = E[propensity | context], cross-fitted by customer, and w = p(a | x) / propensity: nothing hidden drove the
actions where w = 1. Where it varies, (1 - w) * (outcome - E[outcome | context, action]) averages to what the log makes
of an action's outcome beyond what the action did; zero unless the hidden thing drives outcomes too. That is a
generalised covariance measure (Shah and Peters 2020, Annals of Statistics 48(3)), clustered by customer.

Confounded rounds are weighted by w, clipped: stabilised inverse propensity weights (Robins, Hernan and Brumback 2000,
Epidemiology 11(5)). Where targeted traffic gave some actions no chance at all, only the randomised rounds count.
Without need, weights cost precision and are left out. Without logged propensities nothing of this can be told.
"""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from analysis.features import fit_encoder
from analysis.outcome_model import fit_outcome_model
from config.market import ConfoundingConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions

NO_PROPENSITIES, EXPLAINED, HARMLESS, CONFOUNDED = "cannot_tell", "explained", "harmless", "confounded"
PLAIN, INVERSE_PROPENSITY, RANDOMISED_TRAFFIC = "none", "inverse_propensity", "randomised_traffic"
NEVER = 1e-3  # a smaller chance than this is none


@dataclass(frozen=True)
class Bias:
    """How much the log makes of an action beyond what the action did."""

    outcome: str  # "reward" | "churn rate"
    action: str
    found_by: str  # "propensities" | "randomised traffic"
    bias: float  # logged - what the action does
    stderr: float

    @property
    def n_deviations(self) -> float:
        return self.bias / self.stderr if self.stderr > 0 else 0.0


@dataclass(frozen=True)
class Confounding:
    """What was found, and how the market's fit answers it."""

    status: str  # cannot_tell: no propensities; explained by the context; harmless; confounded
    weighting: str  # none | inverse_propensity | randomised_traffic
    unexplained_share: float | None  # of the propensities' variance, that the context leaves open
    biases: tuple[Bias, ...]
    worst: Bias | None  # the most certain one, where confounded

    @property
    def told(self) -> str:
        """One sentence for people."""
        if self.worst is not None:
            w = self.worst
            return (
                f"something that no column holds drove both actions and outcomes: it makes the {w.outcome} of {w.action} "
                f"look {abs(w.bias):.3g} {'higher' if w.bias > 0 else 'lower'} than the action does"
            )
        return _TOLD[self.status]


UNKNOWN = Confounding(NO_PROPENSITIES, PLAIN, None, (), None)

_TOLD = {
    NO_PROPENSITIES: "no propensities were logged, so whether something hidden drove both actions and outcomes "
    "cannot be told",
    EXPLAINED: "the context explains the logged propensities: nothing hidden drove the actions",
    HARMLESS: "the logged propensities vary beyond the context, but no outcome goes with that",
}


def weigh_against_confounding(
    log: LoggedDecisions, config: ConfoundingConfig | None = None, *, rng: np.random.Generator
) -> tuple[LoggedDecisions, Confounding]:
    """The log as a market should be fitted to it: its weights corrected only where confounding is found."""
    config = ConfoundingConfig() if config is None else config
    if log.propensity is None or len(np.unique(log.unit)) < config.min_customers:
        return log, UNKNOWN
    half = _halves(log.unit, rng)
    expected = _expected_propensity(log, half)
    unexplained = _unexplained_share(log, expected)
    is_random = _randomised(log)
    if unexplained < config.min_unexplained_share and not _is_mixed(is_random):
        return log, Confounding(EXPLAINED, PLAIN, unexplained, (), None)
    ratio = np.minimum(expected / log.propensity, config.weight_clip)
    biases = _biases(log, half, ratio, is_random)
    limit = NormalDist().inv_cdf(1 - config.alpha / 2 / max(len(biases), 1))
    worst = max(biases, key=lambda b: abs(b.n_deviations), default=None)
    if worst is None or abs(worst.n_deviations) <= limit:
        return log, Confounding(HARMLESS, PLAIN, unexplained, biases, None)
    if _is_mixed(is_random) and _gives_no_chance(log, ~is_random):
        weight, weighting = is_random.astype(np.float64), RANDOMISED_TRAFFIC
    else:
        weight, weighting = ratio, INVERSE_PROPENSITY
    weighted = replace(log, weight=log.sample_weight * weight)
    return weighted, Confounding(CONFOUNDED, weighting, unexplained, biases, worst)


def _halves(unit: IntArray, rng: np.random.Generator) -> BoolArray:
    """(n_rounds,) one half of the customers."""
    units, code = np.unique(unit, return_inverse=True)
    return np.asarray((rng.permutation(len(units)) % 2 == 0)[code])


def _expected_propensity(log: LoggedDecisions, half: BoolArray) -> FloatArray:
    """(n_rounds,) E[propensity of the logged action | context], from the other half of the customers."""
    from sklearn.ensemble import RandomForestRegressor

    features, target = fit_encoder(log.context).transform(log.context), log.logged_distribution
    if target is None:  # only the chosen action's propensity was kept
        assert log.propensity is not None
        features = np.column_stack([features, np.eye(log.n_actions)[log.action]])
        target = log.propensity[:, None]
    if not features.shape[1]:
        features = np.zeros((len(log), 1))
    expected = np.empty(len(log))
    for part in (half, ~half):
        forest = RandomForestRegressor(20, min_samples_leaf=20, random_state=0, n_jobs=1)
        forest.fit(features[~part], target[~part].squeeze(), sample_weight=log.sample_weight[~part])
        found = np.asarray(forest.predict(features[part])).reshape(int(part.sum()), -1)
        expected[part] = found[:, 0] if found.shape[1] == 1 else found[np.arange(len(found)), log.action[part]]
    return expected


def _unexplained_share(log: LoggedDecisions, expected: FloatArray) -> float:
    assert log.propensity is not None
    total = float(((log.propensity - log.propensity.mean()) ** 2).mean())
    left = float(((log.propensity - expected) ** 2).mean())
    return left / total if total > 1e-12 else 0.0


def _randomised(log: LoggedDecisions) -> BoolArray:
    """(n_rounds,) where every action that could be chosen had the same chance."""
    chance = log.logged_distribution
    if chance is None:
        return np.zeros(len(log), dtype=np.bool_)
    possible = chance > NEVER
    low = np.where(possible, chance, np.inf).min(axis=1)
    return np.asarray((chance.max(axis=1) - low < 1e-6) & (possible.sum(axis=1) > 1))


def _is_mixed(is_random: BoolArray) -> bool:
    return bool(0.01 < is_random.mean() < 0.99)


def _gives_no_chance(log: LoggedDecisions, rows: BoolArray) -> bool:
    """Did more than one in a hundred of these rounds leave an action out that they may have needed?"""
    assert log.logged_distribution is not None
    possible = np.ones(log.logged_distribution.shape, np.bool_) if log.eligible is None else log.eligible
    left_out = (possible & (log.logged_distribution <= NEVER)).any(axis=1)
    return bool(left_out[rows].mean() > 0.01)


def _biases(log: LoggedDecisions, half: BoolArray, ratio: FloatArray, is_random: BoolArray) -> tuple[Bias, ...]:
    outcomes = {"reward": log.reward}
    if log.panel is not None and log.panel.terminated.any():
        outcomes["churn rate"] = log.panel.terminated.astype(np.float64)
    found = []
    for outcome, values in outcomes.items():
        residual = _residual(log, values, half)
        for a, action in enumerate(log.actions.ids):
            rows = (log.action == a) & (log.sample_weight > 0)
            if rows.sum() < 2:
                continue
            share = log.sample_weight[rows] / log.sample_weight[rows].sum()
            beyond = share * (1 - ratio[rows]) * residual[rows]
            found.append(_bias(outcome, action, "propensities", beyond, log.unit[rows]))
            if _is_mixed(is_random) and 20 <= is_random[rows].sum() <= rows.sum() - 20:
                signed = np.where(is_random[rows], -share / share[is_random[rows]].sum(), 0.0)
                signed += np.where(is_random[rows], 0.0, share / share[~is_random[rows]].sum())
                found.append(_bias(outcome, action, "randomised traffic", signed * residual[rows], log.unit[rows]))
    return tuple(found)


def _bias(outcome: str, action: str, found_by: str, contribution: FloatArray, unit: IntArray) -> Bias:
    """A sum of rounds, its error by customer."""
    _, code = np.unique(unit, return_inverse=True)
    by_unit = np.bincount(code, weights=contribution)
    error = float(np.sqrt(len(by_unit)) * by_unit.std(ddof=1)) if len(by_unit) > 1 else 0.0
    return Bias(outcome, action, found_by, float(contribution.sum()), error)


def _residual(log: LoggedDecisions, values: FloatArray, half: BoolArray) -> FloatArray:
    """(n_rounds,) outcome minus its expectation given context and action, from the other half of the customers."""
    left = np.empty(len(log))
    for part in (half, ~half):
        rows = log.take(part)
        model = fit_outcome_model(replace(log, reward=values).take(~part))
        left[part] = values[part] - model.expected_reward(rows.context)[np.arange(len(rows)), rows.action]
    return left
