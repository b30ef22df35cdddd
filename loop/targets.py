"""From a policy SPEC on the command line to something evaluation can ask about, on rows that may judge it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import numpy as np

from domain.actions import ActionSet
from domain.arrays import IntArray
from domain.errors import NotFound
from domain.log import LoggedDecisions
from domain.policy import Policy
from evaluation.target import Target, logged_target, probabilities_target, target_of_policy
from loop.evidence import read_evidence, read_origin
from loop.wiring import Workspace
from policies.artifact import load_policy, read_policy_card
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.spec import PolicySpec, SpecKind, parse_policy_spec
from policies.thompson_file import read_thompson


@dataclass(frozen=True)
class Judged:
    """A target with the rows of the log that may judge it, and what is to be said of that."""

    target: Target  # on `rows`
    rows: IntArray  # (n,) of the log
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()  # why nothing can be decided about it on this log


def resolve_target(spec: PolicySpec, log: LoggedDecisions, workspace: Workspace | None) -> Target:
    """What the SPEC means on this log.

    Raises:
        UnsupportedAction: `constant:` names an action that the log does not have.
        NotFound: no such version, or no knowledge base to look it up in.
        ConfigError: `thompson:` names a file that describes no such policy.
    """
    match spec.kind:
        case "logged":
            return logged_target()
        case "probabilities":
            return probabilities_target(log, spec.argument)
        case _:
            return target_of_policy(_policy(spec, log, workspace), str(spec))


def judge_target(spec: PolicySpec, log: LoggedDecisions, workspace: Workspace, log_id: str) -> Judged:
    """The same, with a learned policy never valued on the rows it was trained on."""
    target = resolve_target(spec, log, workspace)
    everything = np.arange(len(log))
    folder = _training_run(spec, workspace)
    origin = None if folder is None else read_origin(folder)
    if folder is None or origin is None or not origin.is_of(log_id):
        return Judged(target, everything)
    evidence = read_evidence(folder, log_id)
    if evidence is None:
        reason = f"{target.name} was trained on this very log: it can only be valued on another one"
        return Judged(target, everything, refusals=(reason,))
    note = f"{target.name} is valued by what was chosen on {len(evidence.rows):,} rows that its training did not see"
    return Judged(Target(target.name, distribution=evidence.distribution), evidence.rows, notes=(note,))


def trained_here(specs: Iterable[PolicySpec], workspace: Workspace, log_id: str) -> tuple[str, ...]:
    """Refusals: policies that learned from this very log, whose rows for judging it are not looked up."""
    refusals = []
    for spec in specs:
        folder = _training_run(spec, workspace)
        origin = None if folder is None else read_origin(folder)
        if origin is not None and origin.is_of(log_id):
            refusals.append(f"{spec} was trained on this very log: it can only be valued on another one, or in memory")
    return tuple(refusals)


def on_common_rows(candidate: Judged, baseline: Judged) -> tuple[Target, Target, IntArray]:
    """Both targets on the rows of the log that may judge both."""
    (one, other), rows = all_on_common_rows((candidate, baseline))
    return one, other, rows


def all_on_common_rows(judged: Sequence[Judged]) -> tuple[tuple[Target, ...], IntArray]:
    """Every target on the rows of the log that may judge all of them."""
    rows = reduce(np.intersect1d, (j.rows for j in judged))
    return tuple(_narrow(j, rows) for j in judged), rows


def _narrow(judged: Judged, rows: IntArray) -> Target:
    kept = np.isin(judged.rows, rows)
    distribution = judged.target.distribution
    return replace(judged.target, distribution=None if distribution is None else distribution[kept])


def prefixes_of(specs: Iterable[str | None]) -> tuple[str, ...]:
    """Column prefixes that `probabilities:` SPECs need the log to be read with."""
    parsed = [parse_policy_spec(spec) for spec in specs if spec is not None]
    return tuple(spec.argument for spec in parsed if spec.kind is SpecKind.PROBABILITIES)


def baseline_spec(
    workspace: Workspace, given: str | None, actions: ActionSet, decision_point: str | None
) -> tuple[str, tuple[str, ...]]:
    """`--baseline`, else the decision point's configured one where the log has it, else what was logged; and notes."""
    configured = workspace.settings.baseline(decision_point)
    if given is not None or configured is None:
        return given or "logged", ()
    if configured in actions:
        return f"constant:{configured}", ()
    return "logged", (f"the configured baseline {configured} never occurs in this log; compared with what was logged",)


def policy_directory(workspace: Workspace, policy_version: str) -> Path:
    """Where a registered version lies.

    Raises:
        NotFound: no such version.
    """
    with workspace.knowledge.transaction() as books:
        return workspace.data_dir / books.policies.get(policy_version).directory


def _training_run(spec: PolicySpec, workspace: Workspace) -> Path | None:
    """The run that a learned policy came from; None where the policy says nothing of one."""
    if spec.kind not in (SpecKind.VERSION, SpecKind.PATH):
        return None
    is_version = spec.kind is SpecKind.VERSION
    directory = policy_directory(workspace, spec.argument) if is_version else Path(spec.argument)
    if read_policy_card(directory).kind != "network":
        return None  # a constant learned nothing that could flatter it here
    return directory.parent


def _policy(spec: PolicySpec, log: LoggedDecisions, workspace: Workspace | None) -> Policy:
    if spec.kind == "constant":
        log.actions.index(spec.argument)
        return ConstantPolicy(log.actions, spec.argument)
    if spec.kind == "uniform":
        return UniformPolicy(log.actions)
    if spec.kind == "thompson":
        return read_thompson(Path(spec.argument))
    if spec.kind == "path":
        return load_policy(Path(spec.argument))
    if workspace is None:
        raise NotFound(f"version {spec.argument!r} cannot be looked up without a data dir", "use path:DIR instead")
    return load_policy(policy_directory(workspace, spec.argument))
