"""Unit ids become pseudonyms at the edge (DESIGN section 8), by a keyed hash: without the key nobody can try names."""

import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from domain.errors import ConfigError

VARIABLE = "AMSO_UNIT_KEY"
MIN_KEY_CHARACTERS = 32
FILE = "unit.key"


def unit_pseudonym(key: bytes, unit_id: str) -> str:
    """HMAC-SHA256, cut to 80 bits: among 10^9 units two share one with probability 4e-7.

    >>> unit_pseudonym(b"k" * 32, "ann@example.com")
    'u-52ecd7806231652c1f13'
    """
    return "u-" + hmac.digest(key, unit_id.encode(), "sha256").hex()[:20]


def load_or_make_key(data_dir: Path, environ: Mapping[str, str]) -> bytes:
    """AMSO_UNIT_KEY, else the data dir's `unit.key`, which is made at the first use.

    The key is never replaced: with another one every unit would get another pseudonym.

    Raises:
        ConfigError: too short, unreadable, or open to others.
    """
    given = environ.get(VARIABLE)
    if given:
        return _checked(given, VARIABLE)
    path = data_dir / FILE
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise ConfigError(
            f"the key of pseudonyms {path} cannot be used: {error.strerror}", f"mend it, or set {VARIABLE}"
        ) from error


def _make(path: Path) -> None:
    """A whole key appears at once, and of two processes one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(part)
        except FileExistsError:
            return
    finally:
        part.unlink()


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"the key of pseudonyms {path} can be read by others", f"chmod 600 {path}")
    return _checked(path.read_text().strip(), str(path))


def _checked(text: str, place: str) -> bytes:
    if len(text) < MIN_KEY_CHARACTERS:
        raise ConfigError(
            f"the key of pseudonyms in {place} has {len(text)} characters, expected {MIN_KEY_CHARACTERS} or more",
            "restore it from a backup; a new key would give every unit another pseudonym",
        )
    return text.encode()
