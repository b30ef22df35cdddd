"""One policy assessed on one log: estimates, doubly robust scores, diagnostics and what forbids to trust them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.estimates import Diagnostics, PolicyValueEstimate
from domain.log import LoggedDecisions
from evaluation.bootstrap import bootstrap_intervals
from evaluation.diagnostics import diagnose
from evaluation.dr import influence_scores
from evaluation.estimator import Estimator, estimate_rounds
from evaluation.nuisance import Nuisance
from evaluation.refusals import refusals_of
from evaluation.registry import ESTIMATORS, FAMILIES
from evaluation.rounds import Rounds, make_rounds
from evaluation.slope import tune
from evaluation.target import Target


@dataclass(frozen=True)
class Assessment:
    """What one log says about one policy."""

    name: str
    estimates: tuple[PolicyValueEstimate, ...]
    scores: FloatArray  # (n,) doubly robust, a unit of observation
    importance_weight: FloatArray  # (n,)
    diagnostics: Diagnostics
    refusals: tuple[str, ...]


class Assessor(Protocol):
    """A log prepared for evaluation: what does not depend on the policy is computed once."""

    @property
    def recommended_estimator(self) -> str: ...

    @property
    def per(self) -> str:
        """What a value is counted in: "round", or "episode of 12 periods"."""
        ...

    @property
    def weight(self) -> FloatArray: ...  # (n,)

    @property
    def cluster(self) -> IntArray: ...  # (n,)

    @property
    def first_row(self) -> IntArray: ...  # (n,)

    def assess(self, target: Target) -> Assessment: ...


@dataclass(frozen=True)
class OnePeriodAssessor:
    """Rounds are the units of observation."""

    log: LoggedDecisions
    nuisance: Nuisance
    config: EvaluationConfig
    bootstrap_seed: int = 0

    recommended_estimator = "dr"
    per = "round"

    @property
    def weight(self) -> FloatArray:
        return self.log.sample_weight

    @property
    def cluster(self) -> IntArray:
        return self.log.unit

    @property
    def first_row(self) -> IntArray:
        return np.arange(len(self.log))

    def assess(self, target: Target) -> Assessment:
        """Every registered estimator on one policy."""
        scored = score_rule(target.name, self.log, self.nuisance, target.on(self.log), self.config)
        return Assessment(
            target.name,
            self._estimates(scored.rounds, target.name),
            scored.scores,
            scored.rounds.importance_weight,
            scored.diagnostics,
            scored.refusals,
        )

    def _estimates(self, rounds: Rounds, policy: str) -> tuple[PolicyValueEstimate, ...]:
        confidence, n_samples = self.config.confidence, self.config.n_bootstrap
        if not n_samples:
            return estimate_all(rounds, policy, confidence)
        rng = np.random.default_rng(self.bootstrap_seed)
        speaking = speaking_estimators(rounds)
        return bootstrap_intervals(speaking, rounds, policy, confidence=confidence, n_samples=n_samples, rng=rng)


@dataclass(frozen=True)
class Scored:
    """A rule on a one-period log: its rounds and doubly robust scores, and what forbids to trust them."""

    name: str
    rounds: Rounds
    scores: FloatArray  # (n_rounds,)
    diagnostics: Diagnostics
    refusals: tuple[str, ...]


def score_rule(
    name: str, log: LoggedDecisions, nuisance: Nuisance, distribution: FloatArray | None, config: EvaluationConfig
) -> Scored:
    """A distribution (n_rounds, n_actions) on a log; None = the policy that logged it."""
    rounds = make_rounds(log, distribution, nuisance.expected_reward, nuisance.propensities.propensity)
    diagnostics = diagnose(log, distribution, rounds, nuisance.propensities, config)
    refusals = refusals_of(diagnostics.findings, name)
    return Scored(name, rounds, influence_scores(rounds), diagnostics, refusals)


def estimate_all(rounds: Rounds, policy: str, confidence: float) -> tuple[PolicyValueEstimate, ...]:
    """Every registered estimator that has something to say; without any weight only those that need none."""
    return tuple(estimate_rounds(e, rounds, policy, confidence) for e in speaking_estimators(rounds))


def speaking_estimators(rounds: Rounds) -> tuple[Estimator, ...]:
    """Those that have something to say on these rounds, the families tuned on them."""
    if not (rounds.weight > 0).any():
        return tuple(e for e in ESTIMATORS if not e.uses_weights)
    return (*ESTIMATORS, *(tune(family, rounds) for family in FAMILIES))
