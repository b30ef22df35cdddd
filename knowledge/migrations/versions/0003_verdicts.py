"""Tables of the ledger. `predictions` goes: what was predicted stands in verdicts and evidence, what came here."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003_verdicts"
down_revision = "0002_live"


def upgrade() -> None:
    op.create_table(
        "verdicts",
        sa.Column("verdict_id", sa.String(), primary_key=True),
        *_texts(
            "verb", "run", "decision_point", "log_id", "reward", "candidate", "baseline", "per", "verdict", "reason"
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("policy", sa.String(), nullable=True, index=True),
        *_texts("estimator", nullable=True),
        *_floats("difference", "low", "high", nullable=True),
        *_floats("confidence", "margin", "ess"),
    )
    op.create_table(
        "realised_gains",
        sa.Column("proposal_id", sa.String(), primary_key=True),
        *_texts("decision_point", "segment_id", "policy", "baseline", "reward"),
        *_floats("exploration_share"),
        sa.Column("has_rivals", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        *_floats("amount", "low_amount", "high_amount", nullable=True),
        sa.Column("n_decisions", sa.Integer(), nullable=False),
        sa.Column("n_units", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
    )
    op.drop_table("predictions")  # `live` computes what came of each proposal again, those that are over included


def downgrade() -> None:
    bounds = (f"{what}_{bound}amount" for what in ("predicted", "realised") for bound in ("", "low_", "high_"))
    op.create_table(
        "predictions",
        sa.Column("proposal_id", sa.String(), primary_key=True),
        *_texts("policy_version"),
        *_floats(*bounds, nullable=True),
        sa.Column("n_decisions", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
    )
    for table in ("realised_gains", "verdicts"):
        op.drop_table(table)


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _floats(*names: str, nullable: bool = False) -> Sequence[sa.Column[Any]]:
    return [sa.Column(name, sa.Float(53), nullable=nullable) for name in names]
