"""Policies as hashed directories: policy.json (what it is, where it comes from) + weights.safetensors. Never pickle.

hash = sha256(canonical policy.json without its hash, then the bytes of weights.safetensors); policy_version is "p-"
and its first twelve digits. Reading checks that every byte of both files is the one that was written.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from domain.errors import AmsoError, CorruptPolicy, UsageError
from domain.policy import Policy
from policies.codec import Json, SavedPolicy, actions_from_data, policy_from_data, policy_to_data, weights_of

FORMAT = 1
CARD_FILE = "policy.json"
WEIGHTS_FILE = "weights.safetensors"
_HINT = "restore the directory from a backup, or train the policy again"


@dataclass(frozen=True)
class PolicyCard:
    """What a policy directory says about itself."""

    policy_version: str
    kind: str  # constant | uniform | network
    name: str
    actions: tuple[str, ...]
    training_run: str
    parent: str | None  # policy_version it continues
    numpy_version: str  # decisions replay bit for bit under this one


def save_policy(policy: Policy, directory: Path, *, training_run: str, parent: str | None = None) -> str:
    """Writes a constant, uniform or network policy and returns its policy_version; all or nothing.

    Raises:
        UsageError: `directory` holds something else, or the policy is of no kind that can be saved.
    """
    weights = save_tensors(weights_of(policy))
    card: Json = {
        "format": FORMAT,
        "name": policy.name,
        "actions": list(policy.actions.ids),
        "training_run": training_run,
        "parent": parent,
        "numpy_version": np.__version__,
        **policy_to_data(policy),
    }
    digest = _digest(card, weights)
    files = {CARD_FILE: _canonical({**card, "hash": digest}), WEIGHTS_FILE: weights}
    if not _holds(directory, files):
        _write_atomically(directory, files)
    return _version(digest)


def load_policy(directory: Path) -> SavedPolicy:
    """The policy of a directory.

    Raises:
        CorruptPolicy: a file is missing or unreadable, of another format, or not what was written.
    """
    card, weights = _read(directory)
    with _refusing_misfits(directory):
        return policy_from_data(card, load_tensors(weights))


def read_policy_card(directory: Path) -> PolicyCard:
    """What the directory says about itself, after the same checks as `load_policy`."""
    card, _ = _read(directory)
    with _refusing_misfits(directory):
        parent = card["parent"]
        return PolicyCard(
            policy_version=_version(str(card["hash"])),
            kind=str(card["kind"]),
            name=str(card["name"]),
            actions=actions_from_data(card).ids,
            training_run=str(card["training_run"]),
            parent=None if parent is None else str(parent),
            numpy_version=str(card["numpy_version"]),
        )


@contextmanager
def _refusing_misfits(directory: Path) -> Iterator[None]:
    """What has the right hash may still have been written by hand."""
    try:
        yield
    except (AmsoError, IndexError, KeyError, SafetensorError, TypeError, ValueError) as error:
        raise CorruptPolicy(f"policy {directory} has the right hash but cannot be built: {error}", _HINT) from error


def _read(directory: Path) -> tuple[Json, bytes]:
    """The card and the weight bytes, once every check on bytes has passed."""
    raw, weights = _read_file(directory / CARD_FILE), _read_file(directory / WEIGHTS_FILE)
    card = _parse_card(raw, directory)
    if card.get("format") != FORMAT:
        raise CorruptPolicy(
            f"policy {directory} has format {card.get('format')!r}; this version reads format {FORMAT}",
            "read it with the version of AMSO that wrote it, or train the policy again",
        )
    stated = card.get("hash")
    found = _digest({key: value for key, value in card.items() if key != "hash"}, weights)
    if stated != found or _canonical(card) != raw:
        detail = f"content hashes to {found[:12]}" if stated != found else f"{CARD_FILE} was written differently"
        raise CorruptPolicy(f"policy {directory} was changed: it states hash {str(stated)[:12]}, {detail}", _HINT)
    return card, weights


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        expected = f"a policy directory holds {CARD_FILE} and {WEIGHTS_FILE}"
        raise CorruptPolicy(f"policy file {path} {reason}; {expected}", _HINT) from error


def _parse_card(raw: bytes, directory: Path) -> Json:
    try:
        card = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CorruptPolicy(f"{directory / CARD_FILE} is not JSON: {error}", _HINT) from error
    if not isinstance(card, dict):
        raise CorruptPolicy(f"{directory / CARD_FILE} holds a {type(card).__name__}; expected an object", _HINT)
    return card


def _canonical(card: Json) -> bytes:
    return (json.dumps(card, sort_keys=True, indent=1) + "\n").encode()


def _digest(card: Json, weights: bytes) -> str:
    return hashlib.sha256(_canonical(card) + weights).hexdigest()


def _version(digest: str) -> str:
    return f"p-{digest[:12]}"


def _holds(directory: Path, files: Mapping[str, bytes]) -> bool:
    """Whether exactly this policy is already there. Another one is never overwritten: versions are immutable."""
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if all((directory / name).is_file() and (directory / name).read_bytes() == raw for name, raw in files.items()):
        return True
    raise UsageError(f"{directory} already holds something else", "save the policy to a directory of its own")


def _write_atomically(directory: Path, files: Mapping[str, bytes]) -> None:
    """A reader sees no directory or a whole one: it is written aside, flushed and renamed."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        for name, raw in files.items():
            with (aside / name).open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
        aside.chmod(0o755)
        aside.replace(directory)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
