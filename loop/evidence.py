"""What training leaves for later valuation: the learned choices on rows that the policies behind them never saw.

A policy judged on the log it was trained on flatters itself. So on that very log these choices are valued instead; on
another log the policy itself is as good as new; and where the log is the training log but nothing was kept for it (it
is read in another way now, or training was judged on another file), nothing can be said.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.judgement import Evidence

FILE = "evidence.npz"
ORIGIN_FILE = "trained_on.json"


@dataclass(frozen=True)
class Origin:
    """Which log a run learned from."""

    log_id: str  # content and reading, as `loop.logs.log_id`
    content: str  # content alone

    def is_of(self, log_id: str) -> bool:
        """Whether the content is the same, however it is read."""
        return log_id.startswith(self.content)


def save_evidence(folder: Path, evidence: Evidence | None, log_id: str) -> None:
    """Beside the run; without evidence only where the run learned."""
    origin = {"log_id": log_id, "content": log_id.partition("-")[0]}
    (folder / ORIGIN_FILE).write_text(json.dumps(origin) + "\n")
    if evidence is not None:
        np.savez_compressed(folder / FILE, rows=evidence.rows, distribution=evidence.distribution)


def read_origin(folder: Path) -> Origin | None:
    """Where the run of this folder learned; None where it does not say."""
    path = folder / ORIGIN_FILE
    return Origin(**json.loads(path.read_text())) if path.is_file() else None


def read_evidence(folder: Path, log_id: str) -> Evidence | None:
    """What the run kept for the very log `log_id`, read in the very same way."""
    origin = read_origin(folder)
    if origin is None or origin.log_id != log_id or not (folder / FILE).is_file():
        return None
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        return Evidence(arrays["rows"], arrays["distribution"])
