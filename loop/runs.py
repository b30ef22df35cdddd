"""Run directories: every run leaves `runs/<verb>_<n>/` with its resolved config, metadata, metrics and plots."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from domain.records import RunRecord


@dataclass(frozen=True)
class RunDirectory:
    """One run's folder; `name` is unique inside the data dir."""

    name: str
    path: Path
    verb: str
    seed: int
    started_at: datetime
    config: Mapping[str, object]

    def finish(self, metrics: Mapping[str, object]) -> RunRecord:
        """Writes metrics.json and returns the run's record for the knowledge base."""
        write_json(self.path / "metrics.json", metrics)
        return RunRecord(self.name, self.verb, self.started_at, self.seed, self.config, metrics)


def start_run(
    data_dir: Path, verb: str, *, seed: int, config: Mapping[str, object], started_at: datetime
) -> RunDirectory:
    """Claims the next free `runs/<verb>_<n>/`; two processes never get the same one."""
    runs = data_dir / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    taken = [int(p.name.rsplit("_", 1)[1]) for p in runs.glob(f"{verb}_*") if p.name.rsplit("_", 1)[1].isdigit()]
    n = max(taken, default=0) + 1
    while True:
        path = runs / f"{verb}_{n}"
        try:
            path.mkdir()
            break
        except FileExistsError:
            n += 1
    (path / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
    metadata = {"verb": verb, "seed": seed, "started_at": started_at.isoformat(), "versions": _versions()}
    write_json(path / "metadata.json", metadata)
    return RunDirectory(path.name, path, verb, seed, started_at, config)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("amso", "numpy", "scikit-learn", "torch", "stable-baselines3", "gymnasium"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Indented, for people too; what JSON does not know is written as text."""
    path.write_text(json.dumps(data, indent=2, default=str) + "\n")
