"""Every limit that can forbid a decision, beside what was found: the numbers behind `refusals.py`, passed or not."""

import math
from dataclasses import dataclass

import numpy as np

from config.evaluation import EvaluationConfig
from domain.estimates import Diagnostics
from domain.log import LoggedDecisions, LogRead
from evaluation.diagnostics import effective_sample_size
from evaluation.observations import Observations
from evaluation.refusals import panel_limits

LOG = "the log"
MEND = "mend the rows in the quarantine"
EXPLORE = "collect a log in which its choices are tried more often"


@dataclass(frozen=True)
class Check:
    """One limit and what was found."""

    subject: str  # a policy's name, or "the log"
    name: str
    found: str
    limit: str
    is_passed: bool
    remedy: str  # what helps where it fails


def log_checks(
    read: LogRead, log: LoggedDecisions, sample_ratio_p_value: float | None, config: EvaluationConfig
) -> list[Check]:
    """What holds whatever the policies are."""
    n_actions, n_rewarded = len(np.unique(log.action)), int((log.reward != 0).sum())
    checks = [
        *_rejected_rows(read, config.max_rejected_share),
        _at_least(LOG, "actions logged", n_actions, 2, "log a time in which several actions were tried"),
        _at_least(
            LOG, f"rows with a {log.reward_name} other than zero", n_rewarded, 1, "wait, or judge another reward"
        ),
    ]
    if sample_ratio_p_value is not None:
        limit = config.min_sample_ratio_p_value
        checks.append(
            Check(
                LOG,
                "action shares against logged propensities",
                f"p = {sample_ratio_p_value:.2g}",
                f"p at least {limit:g}",
                sample_ratio_p_value >= limit,
                "find the rows that were lost, or the propensities that were in force",
            )
        )
    return checks


def policy_checks(
    log: LoggedDecisions, policy: int, observations: Observations, config: EvaluationConfig
) -> list[Check]:
    """Overlap, weights and support of the candidate (0) or the baseline (1)."""
    scores = observations.scores
    name, d = scores.names[policy], scores.diagnostics[policy]
    limits = panel_limits(config) if observations.is_panel else config
    where = ", weakest step" if observations.is_panel else ""
    outside = observations.unsupported_share(policy)
    untried = "run an experiment with these actions, or leave them out"
    checks = [
        _at_least(name, f"effective sample size{where}", d.ess, limits.min_ess, EXPLORE, of=len(scores.weight)),
        _at_most(name, f"largest weight of one round{where}", d.max_weight_share, limits.max_weight_share, EXPLORE),
        _at_most(name, "choices that the log never tried there", outside, limits.max_unsupported_share, untried),
        _mean_weight(name, d, outside, limits),
    ]
    if limits.min_ess_share > 0:
        limit = f"at least {_share(limits.min_ess_share)}"
        is_passed = d.ess_share >= limits.min_ess_share
        checks.insert(1, Check(name, "effective share", _share(d.ess_share), limit, is_passed, EXPLORE))
    if not observations.is_panel and log.reward.any():
        rewarded = (scores.weight * scores.importance_weight[:, policy])[log.reward != 0]
        what, n = f"effective rounds with a {log.reward_name} other than zero", effective_sample_size(rewarded)
        checks.append(_at_least(name, what, n, limits.min_nonzero_rewards, "collect more, or judge a reward less rare"))
    return checks


def _rejected_rows(read: LogRead, limit: float) -> list[Check]:
    kept = np.bincount(read.log.action, minlength=read.log.n_actions)
    totals = {
        action: n + (int(kept[read.log.actions.index(action)]) if action in read.log.actions else 0)
        for action, n in read.rejected_by_action.items()
    }
    return [
        _rejected("rows rejected", read.n_rejected, read.n_rows, limit),
        *(_rejected(f"rows rejected of action {a}", n, totals[a], limit) for a, n in read.rejected_by_action.items()),
    ]


def _rejected(name: str, n: int, total: int, limit: float) -> Check:
    return Check(LOG, name, f"{n:,} of {total:,}", f"at most {_share(limit)}", n <= limit * total, MEND)


def _at_least(subject: str, name: str, value: float, limit: float, remedy: str, of: int | None = None) -> Check:
    shown = round(value) if value >= limit else math.floor(value)  # rounded up it could look enough
    found = f"{shown:,}" + ("" if of is None else f" of {of:,}")
    return Check(subject, name, found, f"at least {limit:,.0f}", value >= limit, remedy)


def _at_most(subject: str, name: str, share: float, limit: float, remedy: str) -> Check:
    return Check(subject, name, _share(share), f"at most {_share(limit)}", share <= limit, remedy)


def _mean_weight(name: str, d: Diagnostics, unsupported_share: float, config: EvaluationConfig) -> Check:
    """Without support the mean weight says the same once more, so there it forbids nothing."""
    distance = abs(d.mean_weight - 1.0)
    is_off = distance > config.mean_weight_slack and distance > config.mean_weight_z * d.mean_weight_stderr
    return Check(
        name,
        "mean importance weight",
        f"{d.mean_weight:.3f} (standard error {d.mean_weight_stderr:.3f})",
        f"1, within {config.mean_weight_slack:g} or {config.mean_weight_z:g} standard errors",
        not is_off or unsupported_share > config.max_unsupported_share,
        "find the propensities that were in force",
    )


def _share(value: float) -> str:
    """
    >>> _share(0.025), _share(0.00004), _share(0.0)
    ('2.5 %', '0.004 %', '0 %')
    """
    return f"{100 * value:.3g} %"
