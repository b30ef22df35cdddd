"""Tables of who may act and who did: people, the audit trail."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer
from sqlmodel import Field, SQLModel

from domain.people import Role
from knowledge.columns import Json, JsonOf, UtcDateTime


def _roles(data: Sequence[str]) -> tuple[Role, ...]:
    return tuple(map(Role, data))


class PersonRow(SQLModel, table=True):
    __tablename__ = "people"

    name: str = Field(primary_key=True)
    roles: Any = Field(sa_column=Column(JsonOf(list, _roles), nullable=False))
    team: str | None = Field(default=None)
    token_hash: str = Field(unique=True)
    added_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AuditRow(SQLModel, table=True):
    """Append-only: triggers of the migration refuse UPDATE, DELETE, replacing INSERTs and TRUNCATE."""

    __tablename__ = "audit"

    seq: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)
    )
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    subject: str = Field(index=True)
    act: str
    details: Json = Field(sa_type=JSON)
    previous_hash: str
    entry_hash: str
