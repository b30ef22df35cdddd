"""Tables of what runs and what may: halts, caps, the outbox, workers."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Column, Index, Integer
from sqlmodel import Field, SQLModel

from knowledge.columns import Json, UtcDateTime


class HaltRow(SQLModel, table=True):
    __tablename__ = "halts"

    scope: str = Field(primary_key=True)
    reason: str
    halted_by: str
    halted_at: datetime = Field(sa_type=UtcDateTime)
    resume_asked_by: str | None = Field(default=None)


class CapRow(SQLModel, table=True):
    """Money in millionths of a unit: integers, so that SQL compares exactly."""

    __tablename__ = "caps"

    cap_id: str = Field(primary_key=True)
    limit_micros: int = Field(sa_type=BigInteger)
    reserved_micros: int = Field(sa_type=BigInteger)
    spent_micros: int = Field(sa_type=BigInteger)


class OutboxRow(SQLModel, table=True):
    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_pending", "published_at", "outbox_id"),)

    outbox_id: int | None = Field(
        default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    )
    stream: str
    fields_: Json = Field(sa_column=Column("fields", JSON, nullable=False))
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class WorkerRow(SQLModel, table=True):
    __tablename__ = "workers"

    worker_id: str = Field(primary_key=True)
    rules_hash: str
    started_at: datetime = Field(sa_type=UtcDateTime)
    beat_at: datetime = Field(sa_type=UtcDateTime)
