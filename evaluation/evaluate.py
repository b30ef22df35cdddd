"""What would a policy have earned, from a log alone, and may it replace the one in force?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.estimates import Diagnostics, Evaluation, Finding, FindingKind, Verdict
from domain.log import LoggedDecisions
from evaluation.assessment import Assessment, Assessor, OnePeriodAssessor
from evaluation.drift import difference_findings
from evaluation.gate import describe_propensities, describe_weights, rule
from evaluation.log_findings import log_findings
from evaluation.nuisance import fit_nuisance
from evaluation.refusals import about, log_refusals, notes_of, refusals_of
from evaluation.scores import PolicyScores, combine, mean_interval
from evaluation.sequential import SequentialAssessor
from evaluation.target import Target


def evaluate(
    log: LoggedDecisions,
    candidate: Target,
    baseline: Target,
    *,
    config: EvaluationConfig | None = None,
    rng: np.random.Generator,
    reward_model: BaseEstimator | None = None,
    refusals: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Evaluation:
    """Estimates of both policies, their paired difference, and the verdict.

    Args:
        log: one period a row, or a panel (then values are sums over an episode).
        candidate: the policy asked about.
        baseline: what it would replace.
        config: confidence, margin, limits of refusal.
        rng: draws the cross-fitting folds.
        reward_model: a scikit-learn regressor or classifier in place of the ridge; a panel takes regressors only,
            as what it predicts, reward plus value of what follows, is continuous.
        refusals: reasons known beforehand for which nothing can be decided.
        findings: known beforehand, as those of reading the log (see `read_findings`).

    Raises:
        UnsupportedAction: a policy chooses an action that the log does not know.
        UsageError: a classifier as reward model of a panel.
        InvalidSnapshot: the log holds fewer than two units.
    """
    return evaluate_with_scores(
        log, candidate, baseline,
        config=config, rng=rng, reward_model=reward_model, refusals=refusals, findings=findings,
    )[0]  # fmt: skip


def evaluate_with_scores(
    log: LoggedDecisions,
    candidate: Target,
    baseline: Target,
    *,
    config: EvaluationConfig | None = None,
    rng: np.random.Generator,
    reward_model: BaseEstimator | None = None,
    refusals: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> tuple[Evaluation, PolicyScores]:
    """`evaluate`, with the scores of candidate (0) and baseline (1) that it rests on, for a closer look."""
    config = EvaluationConfig() if config is None else config
    assessor = open_assessor(log, config, rng, reward_model)
    new, old = assessor.assess(candidate), assessor.assess(baseline)
    difference = mean_interval(new.scores - old.scores, assessor.weight, assessor.cluster, config.confidence)
    found = (*findings, *log_findings(log, config), *_estimated(new.diagnostics, len(log)))
    found += _drift(log, assessor, new.scores - old.scores, config)
    shared = _once((*refusals, *refusals_of(found)))
    forbidden = _once((*shared, *new.refusals, *old.refusals))
    found += about(new.name, new.diagnostics.findings)
    found += () if _is_same(new, old) else about(old.name, old.diagnostics.findings)
    ruling = rule(new.name, old.name, difference, forbidden, margin=config.margin, per=assessor.per)
    is_trusted = ruling.verdict is not Verdict.CANNOT_TELL
    estimates = new.estimates if _is_same(new, old) else new.estimates + old.estimates
    evaluation = Evaluation(
        estimates=tuple(replace(e, trusted=is_trusted and e.trusted) for e in estimates),
        comparison=ruling.comparison,
        diagnostics=replace(new.diagnostics, findings=found),
        recommended_estimator=assessor.recommended_estimator if is_trusted else None,
        verdict=ruling.verdict,
        reasons=(*ruling.reasons, describe_weights(new.name, new.diagnostics, len(assessor.weight)), *notes_of(found)),
    )
    return evaluation, _policy_scores(assessor, (new, old), shared)


def score_policies(
    log: LoggedDecisions,
    targets: Sequence[Target],
    *,
    config: EvaluationConfig | None = None,
    rng: np.random.Generator,
    reward_model: BaseEstimator | None = None,
) -> PolicyScores:
    """Doubly robust scores of several policies on the same units of observation, for differences inside segments."""
    config = EvaluationConfig() if config is None else config
    assessor = open_assessor(log, config, rng, reward_model)
    assessments = [assessor.assess(target) for target in targets]
    return _policy_scores(assessor, assessments, log_refusals(log, config))


def _policy_scores(assessor: Assessor, assessments: Sequence[Assessment], shared: tuple[str, ...]) -> PolicyScores:
    return PolicyScores(
        names=tuple(a.name for a in assessments),
        scores=combine([a.scores for a in assessments]),
        importance_weight=combine([a.importance_weight for a in assessments]),
        weight=assessor.weight,
        cluster=assessor.cluster,
        first_row=assessor.first_row,
        diagnostics=tuple(a.diagnostics for a in assessments),
        refusals=tuple(shared + a.refusals for a in assessments),
        per=assessor.per,
    )


def open_assessor(
    log: LoggedDecisions, config: EvaluationConfig, rng: np.random.Generator, reward_model: BaseEstimator | None = None
) -> Assessor:
    """Prepares a log: sequential where it has more than one period, else round by round."""
    if log.panel is not None and bool((log.panel.step > 0).any()):
        return SequentialAssessor.prepare(log, config, rng, reward_model)
    return OnePeriodAssessor(log, fit_nuisance(log, config, rng, reward_model), config)


def _estimated(d: Diagnostics, n_rounds: int) -> tuple[Finding, ...]:
    return tuple(Finding(FindingKind.ESTIMATED, n_rounds, False, text) for text in describe_propensities(d))


def _drift(
    log: LoggedDecisions, assessor: Assessor, difference: FloatArray, config: EvaluationConfig
) -> tuple[Finding, ...]:
    if log.decided_at is None:
        return ()
    time = log.decided_at[assessor.first_row]
    return difference_findings(difference, assessor.weight, assessor.cluster, time, config)


def _is_same(new: Assessment, old: Assessment) -> bool:
    """One policy asked about twice; two policies that share a name only are still two."""
    return new.name == old.name and np.array_equal(new.scores, old.scores)


def _once(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
