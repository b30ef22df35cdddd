"""Tables of the approval gate: strategies, proposals, approvals."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from domain.proposals import Status
from knowledge.columns import Json, JsonOf, UtcDateTime, Word
from knowledge.proposal_codec import (
    proposal_from_data,
    proposal_to_data,
    scope_from_data,
    scope_to_data,
    segment_from_data,
    segment_to_data,
)


class StrategyRow(SQLModel, table=True):
    __tablename__ = "strategies"

    strategy_id: str = Field(primary_key=True)
    decision_point: str = Field(index=True)
    segment: Any = Field(sa_column=Column(JsonOf(segment_to_data, segment_from_data), nullable=False))
    action: str
    limits: Json = Field(sa_type=JSON)
    evidence: Json = Field(sa_type=JSON)
    run: str
    recommended_at: datetime = Field(sa_type=UtcDateTime, index=True)
    position: int  # in its run's order, from 0


class ProposalRow(SQLModel, table=True):
    """Status, step and the like may move; what is under the hash stands in `proposal` alone."""

    __tablename__ = "proposals"

    proposal_id: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    proposal: Any = Field(sa_column=Column(JsonOf(proposal_to_data, proposal_from_data), nullable=False))
    status: Status = Field(sa_column=Column(Word(Status), nullable=False, index=True))
    since: datetime = Field(sa_type=UtcDateTime)
    step: int
    paused_from: Status | None = Field(sa_column=Column(Word(Status), nullable=True))
    added_at: datetime = Field(sa_type=UtcDateTime, index=True)


class ApprovalRow(SQLModel, table=True):
    """The key keeps one person from approving twice."""

    __tablename__ = "approvals"
    __table_args__ = (
        ForeignKeyConstraint(["proposal_id", "revision"], ["proposals.proposal_id", "proposals.revision"]),
    )

    proposal_id: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    approver: str = Field(primary_key=True)
    proposal_hash: str
    evidence_hash: str
    rules_hash: str
    team: str | None = Field(default=None)
    scope: Any = Field(sa_column=Column(JsonOf(scope_to_data, scope_from_data), nullable=False))
    approved_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    note: str
