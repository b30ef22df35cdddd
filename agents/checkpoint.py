"""One training's latest state in one file, so that a killed process loses seconds and not the training.

The file is safetensors: arrays, and in its metadata JSON with the generators' states, counters and curve, whose SHA-256
it bears together with that of the arrays. It is written aside, flushed and renamed: whenever the process dies, the path
holds no checkpoint or a whole one. What was learned from is named by an `identity` of words; a training that another
seed, config, market or version would continue otherwise is refused, not continued.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from domain.errors import InvalidSnapshot, UsageError

FORMAT = 1
Arrays = Mapping[str, NDArray[Any]]
Facts = Mapping[str, Any]  # JSON


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a training is made of at the end of a period."""

    arrays: Arrays
    facts: Facts


@dataclass
class CheckpointStore:
    """The latest checkpoint of one training.

    >>> import tempfile
    >>> store = CheckpointStore(Path(tempfile.mkdtemp()) / "training.safetensors")
    >>> store.write(Checkpoint({"weight": np.ones(2)}, {"period": 3}), {"seed": "0"})
    >>> store.read({"seed": "0"}).facts["period"]
    3
    """

    path: Path
    every_seconds: float = 10.0  # between two checkpoints; 0 = after every period
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _last_at: float | None = field(default=None, init=False, repr=False)

    def is_due(self) -> bool:
        """Whether so much time has gone by since the last one; the first question starts the clock."""
        now = self.clock()
        if self._last_at is None:
            self._last_at = now
        return now - self._last_at >= self.every_seconds

    def write(self, checkpoint: Checkpoint, identity: Mapping[str, str]) -> None:
        """Replaces the last checkpoint at once, or not at all."""
        facts = json.dumps(checkpoint.facts, allow_nan=False)
        arrays = {name: np.asarray(values, order="C") for name, values in checkpoint.arrays.items()}
        digest = _digest(facts, arrays)
        metadata = {"format": str(FORMAT), "identity": json.dumps(dict(identity)), "facts": facts, "hash": digest}
        _write_whole(self.path, save_tensors(arrays, metadata))
        self._last_at = self.clock()

    def read(self, identity: Mapping[str, str]) -> Checkpoint | None:
        """The checkpoint of the training with this identity; None where there is none yet.

        Raises:
            InvalidSnapshot: a file that is no checkpoint, of another format, or not what was written.
            UsageError: a checkpoint of another training.
        """
        if not self.path.is_file():
            return None
        metadata, arrays = self._read_file()
        if metadata.get("format") != str(FORMAT):
            raise InvalidSnapshot(
                f"checkpoint {self.path} has format {metadata.get('format')!r}; expected {FORMAT}",
                "train afresh, or go on with the version of AMSO that wrote it",
            )
        if metadata.get("hash") != _digest(metadata["facts"], arrays):
            raise self._broken("its content does not match its hash")
        _refuse_another(self.path, json.loads(metadata["identity"]), identity)
        return Checkpoint(arrays, json.loads(metadata["facts"]))

    def _read_file(self) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
        try:
            with safe_open(self.path, framework="numpy") as file:
                metadata = dict(file.metadata() or {})
            return metadata, load_tensors(self.path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise self._broken(str(error)) from error

    def _broken(self, why: str) -> InvalidSnapshot:
        return InvalidSnapshot(
            f"checkpoint {self.path} cannot be used: {why}; expected a file that this program wrote",
            "restore it from a backup, or delete it: that part of the training starts afresh",
        )


def _refuse_another(path: Path, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    names = [name for name in {**found, **expected} if found.get(name) != expected.get(name)]
    if names:
        told = "; ".join(f"{name} was {found.get(name, 'absent')}, is {expected.get(name, 'absent')}" for name in names)
        raise UsageError(
            f"checkpoint {path} belongs to another training: {told}",
            "go on with the data, config, seed and versions it was begun with, or train afresh without resuming",
        )


def _digest(facts: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _write_whole(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")  # one process trains here, so one name will do; the next overwrites it
    with aside.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name too outlives a power cut
    finally:
        os.close(folder)
