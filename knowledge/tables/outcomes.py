"""Tables of what came of decisions: outcomes, corrections that wait for theirs."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from knowledge.columns import ExactDecimal, Json, UtcDateTime


class OutcomeRow(SQLModel, table=True):
    __tablename__ = "outcomes"

    outcome_id: str = Field(primary_key=True)
    decision_id: str | None = Field(default=None, index=True)
    unit: str = Field(index=True)
    metric: str
    amount: Decimal = Field(sa_type=ExactDecimal)
    currency: str
    converted_amount: Decimal = Field(sa_type=ExactDecimal)
    exchange_rate: Decimal = Field(sa_type=ExactDecimal)
    observed_at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    corrects: str | None = Field(default=None)
    is_named: bool
    raw_hash: str  # tells a repeat from a conflict


class ParkedOutcomeRow(SQLModel, table=True):
    __tablename__ = "parked_outcomes"

    outcome_id: str = Field(primary_key=True)
    waits_for: str = Field(index=True)
    raw: Json = Field(sa_type=JSON)
    parked_at: datetime = Field(sa_type=UtcDateTime)
