"""Does something that no column holds drive both the actions and what comes of them? Told from logged propensities.

With p(a | x) = E[propensity | context], cross-fitted by customer, and w = p(a | x) / propensity, nothing hidden drove
the actions where w = 1. Where it varies, (1 - w) * (outcome - E[outcome | context, action]) averages to what the log
makes of an action's outcome beyond what the action did; zero unless the hidden thing drives outcomes too. That is a
generalised covariance measure (Shah and Peters 2020, Annals of Statistics 48(3)), clustered by customer.

Where confounding is found, the fit answers it by the best that the log allows. Full logged distributions: a stand-in
for the hidden driver becomes a column of the market that no policy sees (env/hidden_driver.py), if nothing is left
unexplained then. Else rounds are weighted by w, clipped (stabilised inverse propensity weights: Robins, Hernan and
Brumback 2000, Epidemiology 11(5)), and count as what they are worth together, their effective number. Where targeted
traffic gave some actions no chance at all, only the randomised rounds count. Weights cost precision, so nothing is
done without need. Without logged propensities nothing of this can be told.
"""

from dataclasses import dataclass, replace

import numpy as np

from analysis.features import fit_encoder
from analysis.outcome_model import fit_outcome_model
from config.market import ConfoundingConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions
from env.gaps import joint_limit
from env.hidden_driver import COLUMN, with_stand_in

NO_PROPENSITIES, EXPLAINED, HARMLESS, CONFOUNDED = "cannot_tell", "explained", "harmless", "confounded"
PLAIN, STAND_IN = "none", "stand_in_column"
INVERSE_PROPENSITY, RANDOMISED_TRAFFIC = "inverse_propensity", "randomised_traffic"
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
    answer: str  # none | stand_in_column | inverse_propensity | randomised_traffic
    unexplained_share: float | None  # of the propensities' variance, that the context leaves open
    biases: tuple[Bias, ...]
    worst: Bias | None  # the most certain one, where confounded

    @property
    def told(self) -> str:
        """One sentence for people."""
        if self.worst is not None:
            w = self.worst
            direction = "higher" if w.bias > 0 else "lower"
            return (
                "something that no column holds drove both actions and outcomes: it makes the "
                f"{w.outcome} of {w.action} look {abs(w.bias):.3g} {direction} than the action does"
            )
        return _TOLD[self.status]


UNKNOWN = Confounding(NO_PROPENSITIES, PLAIN, None, (), None)

_TOLD = {
    NO_PROPENSITIES: "no propensities were logged, so whether something hidden drove both actions and outcomes "
    "cannot be told",
    EXPLAINED: "the context explains the logged propensities: nothing hidden drove the actions",
    HARMLESS: "the logged propensities vary beyond the context, but no outcome goes with that",
}


@dataclass(frozen=True)
class Deconfounded:
    """A log as a market should be fitted to it."""

    log: LoggedDecisions
    confounding: Confounding
    hidden: tuple[str, ...] = ()  # columns of `log` that no policy may see


def deconfound(
    log: LoggedDecisions, config: ConfoundingConfig | None = None, *, rng: np.random.Generator
) -> Deconfounded:
    """The log, changed only where confounding is found."""
    config = ConfoundingConfig() if config is None else config
    if log.propensity is None or len(np.unique(log.unit)) < config.min_customers:
        return Deconfounded(log, UNKNOWN)
    found = _diagnose(log, config, rng)
    if found.confounding.worst is None:
        return Deconfounded(log, found.confounding)
    if log.logged_distribution is not None and not _is_mixed(found.is_random):
        richer = with_stand_in(log, rng)
        if _diagnose(richer, config, rng).confounding.worst is None:
            return Deconfounded(richer, replace(found.confounding, answer=STAND_IN), (COLUMN,))
    weight, answer = found.ratio, INVERSE_PROPENSITY
    if _is_mixed(found.is_random) and _gives_no_chance(log, ~found.is_random):
        weight, answer = found.is_random.astype(np.float64), RANDOMISED_TRAFFIC
    worth = float(weight.sum() / (weight**2).sum())
    weighted = replace(log, weight=log.sample_weight * weight * worth)
    return Deconfounded(weighted, replace(found.confounding, answer=answer))


@dataclass(frozen=True)
class _Diagnosis:
    confounding: Confounding
    ratio: FloatArray  # (n_rounds,) w, clipped
    is_random: BoolArray  # (n_rounds,) where every action had the same chance


def _diagnose(log: LoggedDecisions, config: ConfoundingConfig, rng: np.random.Generator) -> _Diagnosis:
    assert log.propensity is not None
    half = _halves(log.unit, rng)
    chances, expected = _expected_chances(log, half)
    unexplained = _unexplained_share(chances, expected)
    chosen = expected[:, 0] if expected.shape[1] == 1 else expected[np.arange(len(log)), log.action]
    ratio, is_random = np.minimum(chosen / log.propensity, config.weight_clip), _randomised(log)
    if unexplained < config.min_unexplained_share and not _is_mixed(is_random):
        return _Diagnosis(Confounding(EXPLAINED, PLAIN, unexplained, (), None), ratio, is_random)
    biases = _biases(log, half, ratio, is_random)
    limit = joint_limit(config.alpha, len(biases))
    worst = max(biases, key=lambda b: abs(b.n_deviations), default=None)
    if worst is None or abs(worst.n_deviations) <= limit:
        return _Diagnosis(Confounding(HARMLESS, PLAIN, unexplained, biases, None), ratio, is_random)
    return _Diagnosis(Confounding(CONFOUNDED, PLAIN, unexplained, biases, worst), ratio, is_random)


def _halves(unit: IntArray, rng: np.random.Generator) -> BoolArray:
    """(n_rounds,) one half of the customers."""
    units, code = np.unique(unit, return_inverse=True)
    order: IntArray = rng.permutation(len(units))
    return np.asarray(order[code] % 2 == 0, dtype=np.bool_)


def _expected_chances(log: LoggedDecisions, half: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Logged chances, (n_rounds, n_actions) or of the chosen action alone (n_rounds, 1), and E[chances | context].

    The expectation comes from the other half of the customers.
    """
    from sklearn.ensemble import RandomForestRegressor

    features, chances = fit_encoder(log.context).transform(log.context), log.logged_distribution
    if chances is None:
        assert log.propensity is not None
        features, chances = np.column_stack([features, np.eye(log.n_actions)[log.action]]), log.propensity[:, None]
    if not features.shape[1]:
        features = np.zeros((len(log), 1))
    expected = np.empty(chances.shape)
    for part in (half, ~half):
        forest = RandomForestRegressor(20, min_samples_leaf=20, random_state=0, n_jobs=1)
        forest.fit(features[~part], chances[~part].squeeze(), sample_weight=log.sample_weight[~part])
        expected[part] = np.asarray(forest.predict(features[part])).reshape(-1, chances.shape[1])
    return chances, expected


def _unexplained_share(chances: FloatArray, expected: FloatArray) -> float:
    total = float(((chances - chances.mean(axis=0)) ** 2).sum())
    return float(((chances - expected) ** 2).sum()) / total if total > 1e-9 * len(chances) else 0.0


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
    left_out = (possible & (log.logged_distribution <= NEVER))[rows]
    return bool(left_out.any(axis=1).mean() > 0.01)


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
