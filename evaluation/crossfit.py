"""Judging a learner on a one-period log: every row is valued under a rule that never saw its unit.

Outer folds by unit. In each, everything is chosen inside the training rows: the learned policy, the best constant, and
by an inner cross-fit which of the two the rule would deliver. The rows left out then carry doubly robust scores of all
three, and the means of their differences are the comparisons (Chernozhukov et al. 2018; the rule as a whole is valued
as in Athey and Wager 2021, Econometrica 89(1), section 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.errors import InsufficientOverlap
from domain.estimates import Comparison, Verdict
from domain.log import LoggedDecisions
from domain.policy import Learner
from evaluation.assessment import Scored, score_rule
from evaluation.best_constant import choose_constant, constant_distribution, supported_constants
from evaluation.gate import Ruling, describe_propensities, describe_weights, rule
from evaluation.judgement import (
    Evidence,
    Judgement,
    Report,
    Rival,
    confidence_of_each,
    constant_value,
    delivered,
    describe_delivery,
    rule_value,
)
from evaluation.nuisance import Nuisance, fit_nuisance
from evaluation.refusals import log_refusals
from evaluation.scores import Interval, mean_interval
from evaluation.support import unsupported_share
from evaluation.target import Target, policy_distribution


@dataclass(frozen=True)
class CrossFit:
    """Learned policies and fold-chosen constants on rows they did not see, both (n_rounds, n_actions)."""

    learned: FloatArray
    constant: FloatArray


def judge_crossfit(
    log: LoggedDecisions,
    learner: Learner,
    baseline: Target,
    *,
    config: EvaluationConfig,
    rng: np.random.Generator,
    refusals: Sequence[str] = (),
    report: Report,
) -> Judgement:
    """The judgement of a one-period log without a held-out file."""
    candidates = supported_constants(log, config)
    refusals = (*refusals, *log_refusals(log, config))
    nuisance = fit_nuisance(log, config, rng)
    try:
        fits, ruled = _cross_fit_rule(log, nuisance, learner, candidates, config, rng, report)
    except InsufficientOverlap as error:  # the learner finds too little to learn from: what is left is the constant
        ruled = _cross_fit_constants(log, nuisance, candidates)
        fits, refusals = CrossFit(ruled, ruled), (*refusals, error.message)
    learned = score_rule("learned", log, nuisance, fits.learned, config)
    constant = score_rule("best constant", log, nuisance, fits.constant, config)
    ruling = compare(learned, constant, log, config, refusals)
    rule_scored = score_rule("delivered rule", log, nuisance, ruled, config)
    base = score_rule(baseline.name, log, nuisance, baseline.on(log), config)
    against = compare(rule_scored, base, log, config, refusals)
    best = choose_constant(log, nuisance.propensities.propensity, candidates)
    best_scored, rivals = best_and_rivals(log, nuisance, best, candidates, config, refusals)
    is_trusted = not _forbidden((rule_scored,), refusals)
    is_best_trusted = not _forbidden((best_scored,), refusals)
    return Judgement(
        comparison=ruling.comparison,
        verdict=ruling.verdict,
        heldout=rule_value("crossfit", _mean(rule_scored, log, config), is_trusted),
        best_constant=constant_value(best, _mean(best_scored, log, config), is_best_trusted),
        baseline_comparison=_named(against.comparison, delivered(ruling.verdict, best), baseline.name),
        delivered=delivered(ruling.verdict, best),
        reasons=(*describe_delivery(ruling, best, rivals), *support_notes(log, learned)),
        diagnostics=learned.diagnostics,
        evidence=Evidence(np.arange(len(log)), fits.learned),
        learned_comparison=compare(learned, base, log, config, refusals).comparison,
    )


def compare(
    candidate: Scored, baseline: Scored, log: LoggedDecisions, config: EvaluationConfig, refusals: Sequence[str]
) -> Ruling:
    """The paired difference of two rules on the same rows, ruled."""
    difference = mean_interval(candidate.scores - baseline.scores, log.sample_weight, log.unit, config.confidence)
    forbidden = _forbidden((candidate, baseline), refusals)
    return rule(candidate.name, baseline.name, difference, forbidden, margin=config.margin, per="round")


def best_and_rivals(
    log: LoggedDecisions,
    nuisance: Nuisance,
    best: str,
    candidates: tuple[str, ...],
    config: EvaluationConfig,
    refusals: Sequence[str],
) -> tuple[Scored, tuple[Rival, ...]]:
    """The best constant's scores, and how it stands to every other constant."""
    scored = {a: score_rule(a, log, nuisance, constant_distribution(log, a), config) for a in candidates}
    each = replace(config, margin=0.0, confidence=confidence_of_each(config.confidence, len(candidates)))
    rivals = tuple(Rival(a, compare(scored[best], scored[a], log, each, refusals)) for a in candidates if a != best)
    return scored[best], rivals


def support_notes(log: LoggedDecisions, learned: Scored) -> tuple[str, ...]:
    """How much of the log speaks about the learned policy, and which actions were not tried everywhere."""
    notes = [describe_weights("learned", learned.diagnostics, len(log)), *describe_propensities(learned.diagnostics)]
    for action in log.actions.ids:
        distribution = constant_distribution(log, action)
        share = unsupported_share(log, distribution)
        if share > 0:
            notes.append(
                f"{action} was never tried in the cells of {round(share * len(log)):,} rounds ({share:.1%}): "
                "unsupported there"
            )
    return tuple(notes)


def _cross_fit_rule(
    log: LoggedDecisions,
    nuisance: Nuisance,
    learner: Learner,
    candidates: tuple[str, ...],
    config: EvaluationConfig,
    rng: np.random.Generator,
    report: Report,
) -> tuple[CrossFit, FloatArray]:
    """Outer folds; the rule of each (n_rounds, n_actions) is decided by an inner cross-fit on its training rows."""
    fits = _cross_fit(log, nuisance, learner, candidates, rng)
    ruled = np.empty_like(fits.learned)
    folds = np.unique(nuisance.folds)
    for i, fold in enumerate(folds):
        report(0.2 + 0.7 * i / len(folds), f"fold {i + 1} of {len(folds)}")
        left_out = nuisance.folds == fold
        gains = _gains_inside(log.take(~left_out), learner, candidates, config, rng)
        ruled[left_out] = fits.learned[left_out] if gains else fits.constant[left_out]
    return fits, ruled


def _gains_inside(
    train: LoggedDecisions,
    learner: Learner,
    candidates: tuple[str, ...],
    config: EvaluationConfig,
    rng: np.random.Generator,
) -> bool:
    """Whether the training rows alone would promote the learned policy."""
    nuisance = fit_nuisance(train, config, rng)
    try:
        fits = _cross_fit(train, nuisance, learner, candidates, rng)
    except InsufficientOverlap:  # too little to learn from is no gain
        return False
    learned = score_rule("learned", train, nuisance, fits.learned, config)
    constant = score_rule("best constant", train, nuisance, fits.constant, config)
    return compare(learned, constant, train, config, ()).verdict is Verdict.PROMOTE


def _cross_fit(
    log: LoggedDecisions, nuisance: Nuisance, learner: Learner, candidates: tuple[str, ...], rng: np.random.Generator
) -> CrossFit:
    learned = np.empty((len(log), log.n_actions))
    for fold in np.unique(nuisance.folds):
        left_out = nuisance.folds == fold
        test = log.take(left_out)
        policy = learner.fit(log.take(~left_out), rng)
        learned[left_out] = policy_distribution(policy, test.context, test, test.eligible)
    return CrossFit(learned, _cross_fit_constants(log, nuisance, candidates))


def _cross_fit_constants(log: LoggedDecisions, nuisance: Nuisance, candidates: tuple[str, ...]) -> FloatArray:
    constant = np.empty((len(log), log.n_actions))
    for fold in np.unique(nuisance.folds):
        left_out = nuisance.folds == fold
        best = choose_constant(log.take(~left_out), nuisance.propensities.propensity[~left_out], candidates)
        constant[left_out] = constant_distribution(log.take(left_out), best)
    return constant


def _forbidden(scored: Sequence[Scored], refusals: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*refusals, *(r for s in scored for r in s.refusals)]))


def _mean(scored: Scored, log: LoggedDecisions, config: EvaluationConfig) -> Interval:
    return mean_interval(scored.scores, log.sample_weight, log.unit, config.confidence)


def _named(comparison: Comparison, candidate: str, baseline: str) -> Comparison:
    return Comparison(candidate, baseline, comparison.difference, comparison.low, comparison.high)
