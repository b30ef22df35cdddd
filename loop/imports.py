"""`amso import`: validates one file, records it, quarantines what fails."""

from dataclasses import asdict, dataclass

import numpy as np

from domain.estimates import Finding
from domain.log import LogRead
from loop.diagnose import diagnose_log
from loop.logs import LogRequest, log_to_data, read_and_record, resolve_log
from loop.text import console, log_lines, table
from loop.wiring import Workspace


@dataclass(frozen=True)
class ImportAnswer:
    """What was read, what was quarantined and why, and what the rows that are left lack."""

    read: LogRead
    findings: tuple[Finding, ...]

    def to_data(self) -> dict[str, object]:
        log = self.read.log
        counts = np.bincount(log.action, minlength=log.n_actions)
        return {
            "log": log_to_data(self.read),
            "reward": log.reward_name,
            "actions": {action: int(n) for action, n in zip(log.actions.ids, counts, strict=True)},
            "context": sorted(log.context.columns),
            "propensities": "absent" if log.propensity is None else "logged",
            "kind": "one_period" if log.panel is None else "panel",
            "findings": [asdict(f) for f in self.findings],
        }

    def print(self) -> None:
        data, out = self.to_data(), console()
        for line in log_lines(self.read):
            out.print(line)
        counts = data["actions"]
        assert isinstance(counts, dict)
        out.print(table("Actions", ("action", "rows"), [(a, f"{n:,}") for a, n in counts.items()]))
        out.print(f"context: {', '.join(sorted(self.read.log.context.columns)) or 'none'}")
        out.print(f"propensities: {data['propensities']}; {data['kind']} log")
        for f in self.findings:
            out.print(f"  · {'forbids a verdict: ' if f.is_refusal else ''}{f.text}")


def import_file(workspace: Workspace, request: LogRequest) -> ImportAnswer:
    """The verb."""
    path, options = resolve_log(workspace, request)
    read = read_and_record(workspace, path, options)
    settings = workspace.settings
    is_named = options.decision_point is not None or len(settings.decision_points) == 1  # else any catalogue may count
    return ImportAnswer(read, diagnose_log(read, settings.actions(options.decision_point) if is_named else ()))
