"""What forbids a decision, and what to beware of, with the number that decided. No refusal: the log may decide."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from collection.faults import remedies_of
from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray
from domain.estimates import Diagnostics, Finding, FindingKind
from domain.log import LoggedDecisions, LogRead
from evaluation.diagnostics import effective_sample_size
from evaluation.log_findings import log_findings
from evaluation.policy_findings import few_reward_findings, overlap_findings

DUPLICATE = "decision_id duplicate"  # reasons of rejection, collection/draft.py
CONFLICTING = "decision_id conflicting"
IMMATURE = "immature"  # why rows are left out, collection/log_reader.py


def refusals_of(findings: Iterable[Finding], name: str = "") -> tuple[str, ...]:
    """The sentences of those findings that forbid a decision, each once; with the policy's name before them."""
    return tuple(dict.fromkeys(f"{name}: {f.text}" if name else f.text for f in findings if f.is_refusal))


def notes_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The sentences of the others."""
    return tuple(dict.fromkeys(f.text for f in findings if not f.is_refusal))


def about(name: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings about one policy, its name in front."""
    return tuple(replace(f, text=f"{name}: {f.text}") for f in findings)


def read_findings(
    read: LogRead, config: EvaluationConfig | None = None, *, n_kept: Mapping[str, int] | None = None
) -> tuple[Finding, ...]:
    """What reading found: rejected rows (too many, and those left are no fair sample), and rows not waited for.

    `n_kept` is the number of usable rows of each action, where the log of `read` is a sample only.
    """
    limit = (EvaluationConfig() if config is None else config).max_rejected_share
    kept = _n_by_action(read.log) if n_kept is None else n_kept
    found = [*_rejected(read, limit), *_rejected_by_action(read, kept, limit)]
    n_repeated = read.rejected.get(DUPLICATE, 0) + read.rejected.get(CONFLICTING, 0)
    if n_repeated:
        text = f"{n_repeated:,} rows carry the decision_id of another one ({_counts(_repeated(read))}) and are not used"
        found.append(Finding(FindingKind.DUPLICATES, n_repeated, False, text))
    n_immature = read.left_out.get(IMMATURE, 0)
    if n_immature:
        text = f"{n_immature:,} of {read.n_rows:,} rows are not matured yet and are not used"
        found.append(Finding(FindingKind.IMMATURE, n_immature, False, text))
    return tuple(found)


def read_refusals(read: LogRead, config: EvaluationConfig | None = None) -> tuple[str, ...]:
    """Too many rows rejected while reading: the rows that are left may be no fair sample."""
    return refusals_of(read_findings(read, config))


def log_refusals(log: LoggedDecisions, config: EvaluationConfig) -> tuple[str, ...]:
    """What forbids a decision whatever the policies are."""
    return refusals_of(log_findings(log, config))


def policy_refusals(name: str, d: Diagnostics, unsupported_share: float, config: EvaluationConfig) -> tuple[str, ...]:
    """What forbids a decision about one policy: overlap, weights, support, and what `diagnose` found."""
    return refusals_of((*overlap_findings(d, unsupported_share, config), *d.findings), name)


def reward_refusals(
    name: str, reward_name: str, reward: FloatArray, weight: FloatArray, config: EvaluationConfig
) -> tuple[str, ...]:
    """Too few rewards other than zero: a mean of hardly any events has no usable interval."""
    is_event = reward != 0
    effective = effective_sample_size(weight[is_event])
    return refusals_of(few_reward_findings(reward_name, int(is_event.sum()), effective, config), name)


def panel_limits(config: EvaluationConfig) -> EvaluationConfig:
    """The limits of overlap that hold for the weakest step of a panel."""
    return replace(
        config, min_ess=config.min_step_ess, min_ess_share=0.0, max_weight_share=config.max_step_weight_share
    )


def _rejected(read: LogRead, limit: float) -> list[Finding]:
    if not read.n_rejected:
        return []
    is_refusal = read.n_rejected > limit * read.n_rows
    text = f"{read.n_rejected:,} of {read.n_rows:,} rows were rejected ({_counts(read.rejected)})"
    text += f"; at most {limit:.0%} may be: {remedies_of(read.rejected)}" if is_refusal else ""
    return [Finding(FindingKind.REJECTED_ROWS, read.n_rejected, is_refusal, text)]


def _n_by_action(log: LoggedDecisions) -> dict[str, int]:
    n = np.bincount(log.action, minlength=log.n_actions)
    return {action: int(n[a]) for a, action in enumerate(log.actions.ids)}


def _rejected_by_action(read: LogRead, kept: Mapping[str, int], limit: float) -> list[Finding]:
    found = []
    for action, n in read.rejected_by_action.items():
        total = n + kept.get(action, 0)
        if n > limit * total:
            text = f"{n:,} of the {total:,} rows of action {action} were rejected; at most {limit:.0%} may be"
            found.append(Finding(FindingKind.REJECTED_ROWS, n, True, text))
    return found


def _repeated(read: LogRead) -> dict[str, int]:
    return {reason: read.rejected[reason] for reason in (DUPLICATE, CONFLICTING) if reason in read.rejected}


def _counts(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{reason}: {n}" for reason, n in rejected.items())
