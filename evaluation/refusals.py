"""What forbids a decision, in sentences with the number that decided. No sentence: the log may decide."""

from dataclasses import replace

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.estimates import Diagnostics
from domain.log import LoggedDecisions, LogRead
from evaluation.diagnostics import effective_sample_size


def read_refusals(read: LogRead, config: EvaluationConfig | None = None) -> tuple[str, ...]:
    """Too many rows rejected while reading: the rows that are left may be no fair sample."""
    limit = (EvaluationConfig() if config is None else config).max_rejected_share
    refusals = []
    if read.n_rejected > limit * read.n_rows:
        counts = ", ".join(f"{reason}: {n:,}" for reason, n in read.rejected.items())
        refusals.append(
            f"{read.n_rejected:,} of {read.n_rows:,} rows were rejected ({counts}); at most {limit:.0%} may be"
        )
    kept = dict(zip(read.log.actions.ids, np.bincount(read.log.action, minlength=read.log.n_actions), strict=True))
    for action, n in read.rejected_by_action.items():
        total = n + int(kept.get(action, 0))
        if n > limit * total:
            refusals.append(f"{n:,} of the {total:,} rows of action {action} were rejected; at most {limit:.0%} may be")
    return tuple(refusals)


def log_refusals(log: LoggedDecisions, sample_ratio_p_value: float | None, config: EvaluationConfig) -> tuple[str, ...]:
    """What forbids a decision whatever the policies are."""
    refusals = []
    logged = np.unique(log.action)
    if len(logged) == 1:
        name = log.actions.ids[int(logged[0])]
        refusals.append(f"only one action was ever logged ({name}): nothing can be compared")
    if not log.reward.any():
        refusals.append(f"every {log.reward_name} is zero: nothing was earned that could differ")
    if sample_ratio_p_value is not None and sample_ratio_p_value < config.min_sample_ratio_p_value:
        refusals.append(
            f"sample-ratio mismatch: actions do not occur as often as the logged propensities say "
            f"(p = {sample_ratio_p_value:.1e}): rows were lost or the propensities are wrong"
        )
    return tuple(refusals)


def policy_refusals(name: str, d: Diagnostics, unsupported_share: float, config: EvaluationConfig) -> tuple[str, ...]:
    """What forbids a decision about one policy: overlap, weights, support."""
    refusals = []
    if d.ess < config.min_ess or d.ess_share < config.min_ess_share:
        refusals.append(
            f"{name}: the log resembles this policy too little: effective sample size {d.ess:,.0f} "
            f"({d.ess_share:.2%}); needed are {config.min_ess:,.0f}" + _and_share(config.min_ess_share)
        )
    if d.max_weight_share > config.max_weight_share:
        refusals.append(
            f"{name}: one round carries {d.max_weight_share:.0%} of all weight; "
            f"at most {config.max_weight_share:.0%} may"
        )
    if unsupported_share > config.max_unsupported_share:
        counts = ", ".join(f"{action} in {n:,} rounds" for action, n in d.unsupported.items())
        refusals.append(
            f"{name}: chooses what the log never tried there: {counts} ({unsupported_share:.1%} of its choices; "
            f"at most {config.max_unsupported_share:.0%} may be)"
        )
    elif _is_mean_weight_off(d, config):  # without support the mean weight says the same once more
        refusals.append(
            f"{name}: the mean importance weight is {d.mean_weight:.3f} (standard error {d.mean_weight_stderr:.3f}) "
            "where 1 is expected: the propensities are wrong"
        )
    return tuple(refusals)


def reward_refusals(
    name: str, reward_name: str, reward: FloatArray, weight: FloatArray, config: EvaluationConfig
) -> tuple[str, ...]:
    """Too few rewards other than zero: a mean of hardly any events has no usable interval."""
    events = effective_sample_size(weight[reward != 0])
    if not reward.any() or events >= config.min_nonzero_rewards:
        return ()
    return (
        (
            f"{name}: not enough purchases: only {events:.0f} effective rounds with a {reward_name} other than zero; "
            f"needed are {config.min_nonzero_rewards:.0f}"
        ),
    )


def panel_limits(config: EvaluationConfig) -> EvaluationConfig:
    """The limits of overlap that hold for the weakest step of a panel."""
    return replace(
        config, min_ess=config.min_step_ess, min_ess_share=0.0, max_weight_share=config.max_step_weight_share
    )


def _and_share(min_ess_share: float) -> str:
    return f" and {min_ess_share:.0%}" if min_ess_share > 0 else " at every step"


def _is_mean_weight_off(d: Diagnostics, config: EvaluationConfig) -> bool:
    distance = abs(d.mean_weight - 1.0)
    return distance > config.mean_weight_slack and distance > config.mean_weight_z * d.mean_weight_stderr
