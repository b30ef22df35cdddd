"""What a log says about itself, whatever policy is asked about: each fault with the rounds that it concerns."""

import numpy as np

from analysis.diagnosis import content_findings
from config.evaluation import EvaluationConfig
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions
from evaluation.diagnostics import effective_sample_size
from evaluation.drift import drift_findings
from evaluation.duplicates import duplicate_findings
from evaluation.parts import cut_log
from evaluation.propensity_calibration import calibration_findings, inverse_propensity_findings
from evaluation.sample_ratio import logged_behavior, sample_ratio_p_value


def log_findings(log: LoggedDecisions, config: EvaluationConfig) -> tuple[Finding, ...]:
    """Everything found, refusals and warnings."""
    return (
        *content_findings(log, learns=False),
        *_propensity_findings(log, config),
        *duplicate_findings(log, config),
        *drift_findings(log, config),
        *_subsampled(log),
    )


def _propensity_findings(log: LoggedDecisions, config: EvaluationConfig) -> tuple[Finding, ...]:
    behavior = logged_behavior(log)
    if behavior is not None:
        return _sample_ratio(log, config) + calibration_findings(log, behavior, cut_log(log), config)
    if log.propensity is None:
        return ()
    return inverse_propensity_findings(log, log.propensity, cut_log(log), config)


def _sample_ratio(log: LoggedDecisions, config: EvaluationConfig) -> tuple[Finding, ...]:
    p_value = sample_ratio_p_value(log)
    behavior = logged_behavior(log)
    if p_value is None or behavior is None or p_value >= config.min_sample_ratio_p_value:
        return ()
    observed = np.bincount(log.action, weights=log.sample_weight, minlength=log.n_actions)
    weighted = log.sample_weight[:, None] * behavior
    excess = observed - weighted.sum(axis=0)
    a = int(np.argmax(np.abs(excess) / np.sqrt(np.maximum((weighted * (1 - behavior)).sum(axis=0), 1e-12))))
    own = behavior[log.action == a, a]  # a row that is lost takes its propensity along
    n_rounds = round(abs(excess[a]) / max(1 - float(own.mean() if len(own) else 0.0), 1e-2))
    text = (
        f"sample-ratio mismatch: actions do not occur as often as the logged propensities say (p = {p_value:.1e}; "
        f"about {n_rounds:,} rounds too {'many' if excess[a] > 0 else 'few'} of {log.actions.ids[a]}): "
        "rows were lost or the propensities are wrong"
    )
    return (Finding(FindingKind.SAMPLE_RATIO, n_rounds, True, text),)


def _subsampled(log: LoggedDecisions) -> tuple[Finding, ...]:
    if log.weight is None:
        return ()
    n = int((log.weight != 1).sum())
    if not n:
        return ()
    loss = 1 - effective_sample_size(log.weight) / len(log)
    text = f"{n:,} rows stand for more than themselves (column weight): that costs {loss:.0%} of the effective rounds"
    return (Finding(FindingKind.SUBSAMPLED, n, False, text),)
