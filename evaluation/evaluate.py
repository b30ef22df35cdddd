"""What would a policy have earned, from a log alone, and may it replace the one in force?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.errors import UsageError
from domain.estimates import Diagnostics, Evaluation, Finding, FindingKind, LookTaken, Verdict
from domain.log import LoggedDecisions
from evaluation.assessment import Assessment, Assessor, OnePeriodAssessor
from evaluation.candidates import Proof, describe_family, judge_all
from evaluation.difference import Difference
from evaluation.drift import difference_findings
from evaluation.forward import fit_forward
from evaluation.gate import describe_propensities, describe_weights, rule
from evaluation.log_findings import log_findings
from evaluation.looks import Anytime, Looks, Once, account, describe_looks
from evaluation.nuisance import fit_nuisance
from evaluation.refusals import about, log_refusals, notes_of, refusals_of
from evaluation.scores import PolicyScores, combine
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
    looks: Looks | None = None,
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
        looks: how often the data are looked at, chosen before the first look; None = once.

    Raises:
        UnsupportedAction: a policy chooses an action that the log does not know.
        UsageError: a classifier as reward model of a panel; several looks at a panel.
        MissingColumn: looks at any time at a log without propensities.
        InvalidSnapshot: the log holds fewer than two units.
    """
    return evaluate_with_scores(
        log, candidate, baseline,
        config=config, rng=rng, reward_model=reward_model, refusals=refusals, findings=findings, looks=looks,
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
    looks: Looks | None = None,
) -> tuple[Evaluation, PolicyScores]:
    """`evaluate`, with the scores of candidate (0) and baseline (1) that it rests on, for a closer look."""
    return evaluate_candidates(
        log, (candidate,), baseline,
        config=config, rng=rng, reward_model=reward_model, refusals=(refusals,), findings=findings, looks=looks,
    )[0]  # fmt: skip


def evaluate_candidates(
    log: LoggedDecisions,
    candidates: Sequence[Target],
    baseline: Target,
    *,
    config: EvaluationConfig | None = None,
    rng: np.random.Generator,
    reward_model: BaseEstimator | None = None,
    refusals: Sequence[Sequence[str]],
    findings: Sequence[Finding] = (),
    looks: Looks | None = None,
) -> tuple[tuple[Evaluation, PolicyScores], ...]:
    """The same for several candidates, of which any is wrongly promoted no more often than a single one would be.

    `refusals` are those of each candidate.
    """
    config, looks = config or EvaluationConfig(), looks or Once()
    assessor = open_assessor(log, config, rng, reward_model, looks)
    news, old = [assessor.assess(candidate) for candidate in candidates], assessor.assess(baseline)
    differences = [Difference(n.scores - old.scores, assessor.weight, assessor.cluster, looks) for n in news]
    rate = (1 - config.confidence) / 2 if isinstance(looks, Once) else config.false_promotion_rate
    taken = [account(looks, rate, d.tail(rate / len(news))) for d in differences]
    notes = [(*describe_looks(t, log), *describe_family(len(news))) for t in taken]
    found = (*findings, *log_findings(log, config))
    shared = (*refusals_of(found), *old.refusals)
    is_refused = [bool((*own, *shared, *new.refusals)) for new, own in zip(news, refusals, strict=True)]
    proofs = judge_all(differences, rate, config.margin, is_refused=is_refused)
    return tuple(
        _answer(log, assessor, (new, old), difference.scores, proof, (look, note), (own, found), config)
        for new, difference, proof, look, note, own in zip(
            news, differences, proofs, taken, notes, refusals, strict=True
        )
    )


def _answer(
    log: LoggedDecisions,
    assessor: Assessor,
    assessed: tuple[Assessment, Assessment],
    difference: FloatArray,
    proof: Proof,
    look: tuple[LookTaken, tuple[str, ...]],
    known: tuple[Sequence[str], tuple[Finding, ...]],
    config: EvaluationConfig,
) -> tuple[Evaluation, PolicyScores]:
    """One candidate's answer; `look` with its notes, `known` are refusals and findings before the policies'."""
    (new, old), (taken, notes), (refusals, found) = assessed, look, known
    found += _estimated(new.diagnostics, len(log)) + _drift(log, assessor, difference, config)
    shared = _once((*refusals, *refusals_of(found)))
    forbidden = _once((*shared, *new.refusals, *old.refusals))
    found += about(new.name, new.diagnostics.findings)
    found += () if _is_same(new, old) else about(old.name, old.diagnostics.findings)
    ruling = rule(
        new.name, old.name, proof.interval, forbidden, margin=config.margin, per=assessor.per, proven=proof.verdict
    )
    is_trusted = ruling.verdict is not Verdict.CANNOT_TELL
    estimates = new.estimates if _is_same(new, old) else new.estimates + old.estimates
    weights = describe_weights(new.name, new.diagnostics, len(assessor.weight))
    evaluation = Evaluation(
        estimates=tuple(replace(e, trusted=is_trusted and e.trusted) for e in estimates),
        comparison=ruling.comparison,
        diagnostics=replace(new.diagnostics, findings=found),
        recommended_estimator=assessor.recommended_estimator if is_trusted else None,
        verdict=ruling.verdict,
        reasons=(*ruling.reasons, *(notes if is_trusted else ()), weights, *notes_of(found)),
        looks=taken,
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
    log: LoggedDecisions,
    config: EvaluationConfig,
    rng: np.random.Generator,
    reward_model: BaseEstimator | None = None,
    looks: Looks | None = None,
) -> Assessor:
    """Prepares a log: sequential where it has more than one period, else round by round.

    Raises:
        UsageError: several looks at a panel.
        MissingColumn: looks at any time at a log without propensities.
    """
    looks = looks or Once()
    if log.panel is not None and bool((log.panel.step > 0).any()):
        if not isinstance(looks, Once):
            raise UsageError(
                f"the looks are {looks.kind}, but the log is a panel: its episodes grow from look to look, so that "
                "only one look can be judged",
                "look once, without --look and --anytime",
            )
        if config.n_bootstrap:
            raise UsageError(
                f"{config.n_bootstrap} bootstrap samples are asked for, but the log is a panel", "leave --bootstrap out"
            )
        return SequentialAssessor.prepare(log, config, rng, reward_model)
    forward = isinstance(looks, Anytime)
    nuisance = fit_forward(log, config, reward_model) if forward else fit_nuisance(log, config, rng, reward_model)
    return OnePeriodAssessor(log, nuisance, config, bootstrap_seed=int(rng.integers(2**32)))


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
