"""Who is signed in: the cookie names a session, the token behind it stays in this process's memory.

So a cookie that leaks proves nobody once the process ends or the person signs out, and never shows the token.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from domain.errors import ConfigError

MAX_AGE = timedelta(hours=12)
FILE = "dashboard.key"
_BYTES = 32


@dataclass(frozen=True)
class _Session:
    token: str
    ends_at: datetime


class Sessions:
    """Session id -> token; threads may share it."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._sessions: dict[str, _Session] = {}
        self._notes: dict[str, str] = {}

    def open(self, token: str, now: datetime) -> str:
        """A new session's id."""
        session_id = secrets.token_urlsafe(_BYTES)
        with self._guard:
            self._sessions = {i: s for i, s in self._sessions.items() if now < s.ends_at}
            self._sessions[session_id] = _Session(token, now + MAX_AGE)
        return session_id

    def token(self, session_id: object, now: datetime) -> str | None:
        """None where there is no such session, or it is over."""
        with self._guard:
            session = self._sessions.get(session_id) if isinstance(session_id, str) else None
        return session.token if session is not None and now < session.ends_at else None

    def close(self, session_id: object) -> None:
        with self._guard:
            if isinstance(session_id, str):
                self._sessions.pop(session_id, None)
                self._notes.pop(session_id, None)

    def leave_note(self, session_id: object, text: str) -> None:
        """For the next page of this session; not in the cookie, which answers under way would put back."""
        with self._guard:
            if isinstance(session_id, str) and session_id in self._sessions:
                self._notes[session_id] = text

    def take_note(self, session_id: object) -> str:
        """Once; empty where there is none."""
        with self._guard:
            return self._notes.pop(session_id, "") if isinstance(session_id, str) else ""


def cookie_secret(data_dir: Path) -> str:
    """What signs this data dir's cookies; made at the first use, readable by its owner alone.

    Raises:
        ConfigError: the file cannot be used, or others can read it.
    """
    path = data_dir / FILE
    try:
        _make(path)
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"the key of cookies {path} can be read by others", f"remove {path}: a new one is made")
        secret = path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"the key of cookies {path} cannot be used: {error.strerror}", "mend it") from error
    if len(secret) < _BYTES:
        raise ConfigError(f"the key of cookies {path} is too short", f"remove {path}: a new one is made")
    return secret


def _make(path: Path) -> None:
    """Whole at once, and of two processes one wins."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(_BYTES) + "\n")
    try:
        path.hardlink_to(part)
    except FileExistsError:
        pass
    finally:
        part.unlink()
