"""`amso import`: validates one file, records it, quarantines what fails."""

from dataclasses import dataclass

import numpy as np

from domain.log import LogRead
from loop.logs import LogRequest, log_to_data, read_and_record, resolve_log
from loop.text import console, log_lines, table
from loop.wiring import Workspace


@dataclass(frozen=True)
class ImportAnswer:
    """What was read, what was quarantined and why."""

    read: LogRead

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


def import_file(workspace: Workspace, request: LogRequest) -> ImportAnswer:
    """The verb."""
    path, options = resolve_log(workspace, request)
    return ImportAnswer(read_and_record(workspace, path, options))
