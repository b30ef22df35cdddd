"""What training leaves for later valuation: the learned choices on rows that the policies behind them never saw.

A policy judged on the log it was trained on flatters itself. So `recommend`, on the same log, values these choices
instead; on another log the policy itself is as good as new.
"""

import json
from pathlib import Path

import numpy as np

from evaluation.judgement import Evidence

FILE = "evidence.npz"
SOURCE_FILE = "evidence.json"


def save_evidence(folder: Path, evidence: Evidence, import_id: str) -> None:
    """Beside the run; `import_id` names the log that the rows are of."""
    np.savez_compressed(folder / FILE, rows=evidence.rows, distribution=evidence.distribution)
    (folder / SOURCE_FILE).write_text(json.dumps({"import_id": import_id}) + "\n")


def find_evidence(folder: Path, import_id: str) -> Evidence | None:
    """The evidence of a run, if it is about this very log."""
    if not (folder / FILE).is_file():
        return None
    if json.loads((folder / SOURCE_FILE).read_text())["import_id"] != import_id:
        return None
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        return Evidence(arrays["rows"], arrays["distribution"])
