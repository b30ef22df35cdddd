"""Tables of the ledger: what evaluation predicted, and what came of it."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from domain.estimates import Verdict
from knowledge.columns import FiniteFloat, UtcDateTime, Word


class VerdictRow(SQLModel, table=True):
    __tablename__ = "verdicts"

    verdict_id: str = Field(primary_key=True)
    verb: str
    run: str
    made_at: datetime = Field(sa_type=UtcDateTime, index=True)
    decision_point: str
    log_id: str
    reward: str
    candidate: str
    policy: str | None = Field(default=None, index=True)
    baseline: str
    per: str
    estimator: str | None = Field(default=None)
    difference: float | None = Field(default=None, sa_type=FiniteFloat)
    low: float | None = Field(default=None, sa_type=FiniteFloat)
    high: float | None = Field(default=None, sa_type=FiniteFloat)
    confidence: float = Field(sa_type=FiniteFloat)
    margin: float = Field(sa_type=FiniteFloat)
    verdict: Verdict = Field(sa_type=Word(Verdict))
    reason: str
    ess: float = Field(sa_type=FiniteFloat)


class RealisedRow(SQLModel, table=True):
    __tablename__ = "realised_gains"

    proposal_id: str = Field(primary_key=True)
    decision_point: str
    segment_id: str
    policy: str
    baseline: str
    reward: str
    exploration_share: float = Field(sa_type=FiniteFloat)
    has_rivals: bool
    since: datetime = Field(sa_type=UtcDateTime)
    until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    amount: float | None = Field(default=None, sa_type=FiniteFloat)
    low_amount: float | None = Field(default=None, sa_type=FiniteFloat)
    high_amount: float | None = Field(default=None, sa_type=FiniteFloat)
    n_decisions: int
    n_units: int
    as_of: datetime = Field(sa_type=UtcDateTime)
