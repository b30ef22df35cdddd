"""Who may propose and approve."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    PROPOSER = "proposer"
    APPROVER = "approver"


@dataclass(frozen=True)
class Person:
    """A person is proved by a token, of which only a hash is kept."""

    name: str
    roles: tuple[Role, ...]
    team: str | None
    token_hash: str  # sha256, hexadecimal
    added_at: datetime
    revoked_at: datetime | None = None

    def has(self, role: Role) -> bool:
        return self.revoked_at is None and role in self.roles
