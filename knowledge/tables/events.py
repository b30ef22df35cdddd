"""Tables of what came in: events, each producer's count and its gaps, units and their merges."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field, SQLModel

from knowledge.columns import Json, UtcDateTime


class EventRow(SQLModel, table=True):
    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_subject", "kind", "subject", "at"),
        Index("ix_events_at", "kind", "at"),
    )

    event_id: str = Field(primary_key=True)
    kind: str
    producer: str
    subject: str
    at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    body: Json = Field(sa_type=JSON)
    content_hash: str  # of all but received_at: tells a repeat from a conflict


class ProducerRow(SQLModel, table=True):
    __tablename__ = "producers"

    producer: str = Field(primary_key=True)
    last_seq: int = Field(sa_type=BigInteger)


class SeqGapRow(SQLModel, table=True):
    __tablename__ = "seq_gaps"

    producer: str = Field(primary_key=True)
    first_missing: int = Field(sa_type=BigInteger, primary_key=True)
    last_missing: int = Field(sa_type=BigInteger)
    noticed_at: datetime = Field(sa_type=UtcDateTime)


class UnitRow(SQLModel, table=True):
    """The one table that knows raw ids."""

    __tablename__ = "units"

    unit: str = Field(primary_key=True)
    raw_id: str


class UnitMergeRow(SQLModel, table=True):
    __tablename__ = "unit_merges"

    from_unit: str = Field(primary_key=True)
    to_unit: str
    at: datetime = Field(sa_type=UtcDateTime)
