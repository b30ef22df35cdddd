"""What a log can say about one policy: overlap, weights, support, rewards. Each limit with the number that decided."""

from config.evaluation import EvaluationConfig
from domain.estimates import Diagnostics, Finding, FindingKind


def overlap_findings(d: Diagnostics, unsupported_share: float, config: EvaluationConfig) -> tuple[Finding, ...]:
    """Effective rounds, the largest weight, choices without support."""
    return (*_few_rounds(d, config), *_large_weight(d, config), *_unsupported(d, unsupported_share, config))


def few_reward_findings(
    reward_name: str, n_events: int, effective_events: float, config: EvaluationConfig
) -> tuple[Finding, ...]:
    """Too few rewards other than zero, counted as the policy's weights leave them; none at all is said elsewhere."""
    if not n_events or effective_events >= config.min_nonzero_rewards:
        return ()
    text = (
        f"not enough purchases: only {effective_events:.0f} effective rounds with a {reward_name} other than zero; "
        f"needed are {config.min_nonzero_rewards:.0f}"
    )
    return (Finding(FindingKind.FEW_REWARDS, n_events, True, text),)


def _few_rounds(d: Diagnostics, config: EvaluationConfig) -> tuple[Finding, ...]:
    if d.ess >= config.min_ess and d.ess_share >= config.min_ess_share:
        return _tailed(d, config)
    share = f" and {config.min_ess_share:.0%}" if config.min_ess_share > 0 else " at every step"
    text = (
        f"the log resembles this policy too little: effective sample size {d.ess:,.0f} ({d.ess_share:.2%}); "
        f"needed are {config.min_ess:,.0f}{share}"
    )
    return (Finding(FindingKind.OVERLAP, round(d.ess), True, text),)


def _tailed(d: Diagnostics, config: EvaluationConfig) -> tuple[Finding, ...]:
    """A small share of effective rounds is honest where weights are bounded; a tail makes it larger than it is."""
    share = d.ess_share if d.expected_ess_share is None else min(d.ess_share, d.expected_ess_share)
    is_enough = share >= config.min_tailed_ess_share and d.ess >= config.min_tailed_ess
    if d.tail_index is None or d.tail_index <= config.tailed_from or is_enough:
        return ()
    text = (
        f"the log resembles this policy too little: effective sample size {d.ess:,.0f} ({share:.2%} of all), and "
        f"the weights have a tail (index {d.tail_index:.2f}) whose largest are yet to come; needed are "
        f"{config.min_tailed_ess:,.0f} and {config.min_tailed_ess_share:.0%}, or bounded weights"
    )
    return (Finding(FindingKind.OVERLAP, round(d.ess), True, text),)


def _large_weight(d: Diagnostics, config: EvaluationConfig) -> tuple[Finding, ...]:
    if d.max_weight_share <= config.max_weight_share:
        return ()
    text = f"one round carries {d.max_weight_share:.0%} of all weight; at most {config.max_weight_share:.0%} may"
    return (Finding(FindingKind.LARGEST_WEIGHT, 1, True, text),)


def _unsupported(d: Diagnostics, unsupported_share: float, config: EvaluationConfig) -> tuple[Finding, ...]:
    if not d.support_violations:
        return ()
    counts = ", ".join(f"{action} in {n:,} rounds" for action, n in d.unsupported.items())
    is_refusal = unsupported_share > config.max_unsupported_share
    allowed = f"; at most {config.max_unsupported_share:.0%} may be" if is_refusal else ""
    text = f"chooses what the log never tried there: {counts} ({unsupported_share:.1%} of its choices{allowed})"
    return (Finding(FindingKind.SUPPORT, d.support_violations, is_refusal, text),)
