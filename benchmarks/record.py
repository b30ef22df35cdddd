"""What every benchmark writes beside its figures: commit, machine, versions."""

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path


def write_record(path: Path, results: object, design: Mapping[str, object], *, commit: str) -> None:
    """A small JSON file; `design` says what was done, `commit` with which code, so that it can be done again."""
    record = {
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("numpy", "scikit-learn", "torch", "stable-baselines3")},
        "design": dict(design),
        "results": results,
    }
    path.write_text(json.dumps(record, indent=1) + "\n")


def head_commit() -> str:
    """What is checked out; ask before the benchmark runs."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    return found.stdout.strip()
