"""Tables of what was decided, and of what it earned: decisions, their requests, reward revisions, the replay buffer."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, SQLModel

from domain.decisions import Arm
from knowledge.columns import ExactDecimal, FiniteFloat, Json, JsonOf, UtcDateTime, Word


class DecisionRow(SQLModel, table=True):
    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_unit", "unit", "decision_point", "decided_at"),
        Index("ix_decisions_point", "decision_point", "decided_at"),
        Index("ix_decisions_action", "decision_point", "action", "arm", "decided_at"),
        Index("ix_decisions_proposal", "proposal_id", "decided_at"),
        Index("ix_decisions_decided_at", "decided_at"),
    )

    decision_id: str = Field(primary_key=True)
    request_id: str
    decision_point: str
    unit: str
    decided_at: datetime = Field(sa_type=UtcDateTime)
    mode: str
    arm: Arm = Field(sa_column=Column(Word(Arm), nullable=False))
    action: str
    propensity: float = Field(sa_type=FiniteFloat)
    eligible: tuple[str, ...] = Field(sa_column=Column(JsonOf(list, tuple), nullable=False))
    distribution: Json = Field(sa_type=JSON)
    draw: float = Field(sa_type=FiniteFloat)
    policy_version: str
    proposal_id: str | None = Field(default=None)
    why: str
    features: Json = Field(sa_type=JSON)
    catalogue_version: str
    numpy_version: str
    payload: Json = Field(sa_type=JSON)
    valid_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reserved_amount: Decimal = Field(sa_type=ExactDecimal)
    exploration_share: float = Field(sa_type=FiniteFloat)
    shadow_action: str | None = Field(default=None)
    shadow_distribution: Json | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))


class RequestRow(SQLModel, table=True):
    __tablename__ = "decision_requests"

    decision_point: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    decision_id: str = Field(index=True)
    content_hash: str
    at: datetime = Field(sa_type=UtcDateTime)


class ControlRow(SQLModel, table=True):
    """A baseline decision about somebody of a segment that a live proposal decides for."""

    __tablename__ = "decision_controls"

    decision_id: str = Field(primary_key=True)
    segment_id: str = Field(primary_key=True)


class RewardRow(SQLModel, table=True):
    __tablename__ = "reward_revisions"

    decision_id: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    amount: Decimal = Field(sa_type=ExactDecimal)
    reward_version: str
    as_of: datetime = Field(sa_type=UtcDateTime)
    cause: str


class ReplayRow(SQLModel, table=True):
    __tablename__ = "replay"
    __table_args__ = (Index("ix_replay_point", "decision_point", "decided_at"),)

    decision_id: str = Field(primary_key=True)
    decision_point: str
    unit: str
    decided_at: datetime = Field(sa_type=UtcDateTime)
    reward: Decimal = Field(sa_type=ExactDecimal)
    revision: int
    is_matured: bool = Field(index=True)
    updated_at: datetime = Field(sa_type=UtcDateTime)
