"""Tables of the offline loop: imports, quarantine, runs, policies, analyses."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from knowledge.columns import Json, UtcDateTime


class ImportRow(SQLModel, table=True):
    __tablename__ = "imports"

    import_id: str = Field(primary_key=True)
    source: str
    content: str
    n_rows: int
    n_used: int
    rejected: Json = Field(sa_type=JSON)
    imported_at: datetime = Field(sa_type=UtcDateTime, index=True)


class QuarantineRow(SQLModel, table=True):
    __tablename__ = "quarantine"

    id: int | None = Field(default=None, primary_key=True)
    import_id: str = Field(foreign_key="imports.import_id", index=True)
    source: str
    row: int
    reason: str = Field(index=True)
    raw: str


class RunRow(SQLModel, table=True):
    __tablename__ = "runs"

    run: str = Field(primary_key=True)
    verb: str
    started_at: datetime = Field(sa_type=UtcDateTime, index=True)
    seed: int = Field(sa_type=BigInteger)
    config: Json = Field(sa_type=JSON)
    metrics: Json = Field(sa_type=JSON)


class PolicyRow(SQLModel, table=True):
    __tablename__ = "policies"

    policy_version: str = Field(primary_key=True)
    decision_point: str = Field(index=True)
    kind: str
    directory: str
    run: str
    parent: str | None = Field(default=None)
    status: str
    verdict: str
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)


class AnalysisRow(SQLModel, table=True):
    __tablename__ = "analyses"

    analysis_id: str = Field(primary_key=True)
    kind: str = Field(index=True)
    subject: str
    result: Json = Field(sa_type=JSON)
    as_of: datetime = Field(sa_type=UtcDateTime, index=True)
