"""From a policy SPEC on the command line to something evaluation can ask about."""

from pathlib import Path

from domain.errors import NotFound
from domain.log import LoggedDecisions
from domain.policy import Policy
from evaluation.target import Target, logged_target, probabilities_target, target_of_policy
from loop.wiring import Workspace
from policies.artifact import load_policy
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.spec import PolicySpec


def resolve_target(spec: PolicySpec, log: LoggedDecisions, workspace: Workspace | None) -> Target:
    """What the SPEC means on this log.

    Raises:
        UnsupportedAction: `constant:` names an action that the log does not have.
        NotFound: no such version, or no knowledge base to look it up in.
    """
    match spec.kind:
        case "logged":
            return logged_target()
        case "probabilities":
            return probabilities_target(log, spec.argument)
        case _:
            return target_of_policy(_policy(spec, log, workspace), str(spec))


def baseline_spec(workspace: Workspace, given: str | None, log: LoggedDecisions, decision_point: str | None) -> str:
    """`--baseline`, else the decision point's configured one where the log has it, else what was logged."""
    if given is not None:
        return given
    configured = workspace.settings.baseline(decision_point)
    return f"constant:{configured}" if configured is not None and configured in log.actions else "logged"


def policy_directory(workspace: Workspace, policy_version: str) -> Path:
    """Where a registered version lies.

    Raises:
        NotFound: no such version.
    """
    with workspace.knowledge.transaction() as books:
        return workspace.data_dir / books.policies.get(policy_version).directory


def _policy(spec: PolicySpec, log: LoggedDecisions, workspace: Workspace | None) -> Policy:
    if spec.kind == "constant":
        log.actions.index(spec.argument)
        return ConstantPolicy(log.actions, spec.argument)
    if spec.kind == "uniform":
        return UniformPolicy(log.actions)
    if spec.kind == "path":
        return load_policy(Path(spec.argument))
    if workspace is None:
        raise NotFound(f"version {spec.argument!r} cannot be looked up without a data dir", "use path:DIR instead")
    return load_policy(policy_directory(workspace, spec.argument))
