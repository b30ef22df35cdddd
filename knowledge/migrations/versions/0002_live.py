"""Tables of the live loop: events, decisions, outcomes, rewards, proposals, people, audit, caps, outbox, workers."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002_live"
down_revision = "0001_offline"

_TABLES = (
    *("events", "producers", "seq_gaps", "units", "unit_merges"),
    *("decisions", "decision_requests", "decision_controls", "reward_revisions", "replay"),
    *("outcomes", "parked_outcomes", "predictions"),
    *("strategies", "proposals", "approvals", "people", "audit"),
    *("halts", "caps", "outbox", "workers"),
)
_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by an INTEGER key only
_REFUSAL = "the audit trail is append-only"


def upgrade() -> None:
    _create_events()
    _create_decisions()
    _create_outcomes()
    _create_proposals()
    _create_people()
    _create_control()
    _guard_audit()


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_change()")


def _create_events() -> None:
    op.create_table(
        "events",
        *_keys("event_id"),
        *_texts("kind", "producer", "subject", "content_hash"),
        *_times("at", "received_at"),
        _json("body"),
    )
    op.create_index("ix_events_subject", "events", ["kind", "subject", "at"])
    op.create_index("ix_events_at", "events", ["kind", "at"])
    op.create_table("producers", *_keys("producer"), sa.Column("last_seq", sa.BigInteger(), nullable=False))
    op.create_table(
        "seq_gaps",
        *_keys("producer"),
        sa.Column("first_missing", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("last_missing", sa.BigInteger(), nullable=False),
        *_times("noticed_at"),
    )
    op.create_table("units", *_keys("unit"), *_texts("raw_id"))
    op.create_table("unit_merges", *_keys("from_unit"), *_texts("to_unit"), *_times("at"))


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        *_keys("decision_id"),
        *_texts("request_id", "decision_point", "unit", "mode", "arm", "action", "policy_version", "why"),
        *_texts("catalogue_version", "numpy_version", "reserved_amount"),
        *_texts("proposal_id", "shadow_action", nullable=True),
        *_times("decided_at"),
        *_times("valid_until", nullable=True),
        *_floats("propensity", "draw", "exploration_share"),
        *(_json(name) for name in ("eligible", "distribution", "features", "payload")),
        _json("shadow_distribution", nullable=True),
    )
    op.create_index("ix_decisions_unit", "decisions", ["unit", "decision_point", "decided_at"])
    op.create_index("ix_decisions_point", "decisions", ["decision_point", "decided_at"])
    op.create_index("ix_decisions_action", "decisions", ["decision_point", "action", "arm", "decided_at"])
    op.create_index("ix_decisions_proposal", "decisions", ["proposal_id", "decided_at"])
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"])
    op.create_table(
        "decision_requests",
        *_keys("decision_point", "request_id"),
        sa.Column("decision_id", sa.String(), nullable=False, index=True),
        *_texts("content_hash"),
        *_times("at"),
    )
    op.create_table("decision_controls", *_keys("decision_id", "segment_id"))
    op.create_table(
        "reward_revisions",
        *_keys("decision_id"),
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        *_texts("amount", "reward_version", "cause"),
        *_times("as_of"),
    )
    op.create_table(
        "replay",
        *_keys("decision_id"),
        *_texts("decision_point", "unit", "reward"),
        *_times("decided_at", "updated_at"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_matured", sa.Boolean(), nullable=False, index=True),
    )
    op.create_index("ix_replay_point", "replay", ["decision_point", "decided_at"])


def _create_outcomes() -> None:
    op.create_table(
        "outcomes",
        *_keys("outcome_id"),
        sa.Column("decision_id", sa.String(), nullable=True, index=True),
        sa.Column("unit", sa.String(), nullable=False, index=True),
        *_texts("metric", "amount", "currency", "converted_amount", "exchange_rate", "raw_hash"),
        *_texts("corrects", nullable=True),
        *_times("observed_at", "received_at"),
        sa.Column("is_named", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "parked_outcomes",
        *_keys("outcome_id"),
        sa.Column("waits_for", sa.String(), nullable=False, index=True),
        _json("raw"),
        *_times("parked_at"),
    )
    bounds = (f"{what}_{bound}amount" for what in ("predicted", "realised") for bound in ("", "low_", "high_"))
    op.create_table(
        "predictions",
        *_keys("proposal_id"),
        *_texts("policy_version"),
        *_floats(*bounds, nullable=True),
        sa.Column("n_decisions", sa.Integer(), nullable=False),
        *_times("as_of"),
    )


def _create_proposals() -> None:
    op.create_table(
        "strategies",
        *_keys("strategy_id"),
        sa.Column("decision_point", sa.String(), nullable=False, index=True),
        *_texts("action", "run"),
        *(_json(name) for name in ("segment", "limits", "evidence")),
        sa.Column("recommended_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("position", sa.Integer(), nullable=False),
    )
    op.create_table(
        "proposals",
        *_keys("proposal_id"),
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        _json("proposal"),
        sa.Column("status", sa.String(), nullable=False, index=True),
        *_times("since"),
        sa.Column("step", sa.Integer(), nullable=False),
        *_texts("paused_from", nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False, index=True),
    )
    op.create_table(
        "approvals",
        *_keys("proposal_id"),
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        *_keys("approver"),
        *_texts("proposal_hash", "evidence_hash", "rules_hash", "note"),
        *_texts("team", nullable=True),
        _json("scope"),
        *_times("approved_at", "expires_at"),
        sa.ForeignKeyConstraint(["proposal_id", "revision"], ["proposals.proposal_id", "proposals.revision"]),
    )


def _create_people() -> None:
    op.create_table(
        "people",
        *_keys("name"),
        _json("roles"),
        *_texts("team", nullable=True),
        sa.Column("token_hash", sa.String(), nullable=False, unique=True),
        *_times("added_at"),
        *_times("revoked_at", nullable=True),
    )
    op.create_table(
        "audit",
        sa.Column("seq", _BIG_KEY, primary_key=True, autoincrement=False),
        *_times("at"),
        *_texts("actor", "act", "previous_hash", "entry_hash"),
        sa.Column("subject", sa.String(), nullable=False, index=True),
        _json("details"),
    )


def _create_control() -> None:
    op.create_table(
        "halts",
        *_keys("scope"),
        *_texts("reason", "halted_by"),
        *_times("halted_at"),
        *_texts("resume_asked_by", nullable=True),
    )
    micros = (sa.Column(f"{what}_micros", sa.BigInteger(), nullable=False) for what in ("limit", "reserved", "spent"))
    op.create_table("caps", *_keys("cap_id"), *micros)
    op.create_table(
        "outbox",
        sa.Column("outbox_id", _BIG_KEY, primary_key=True),
        *_texts("stream"),
        _json("fields"),
        *_times("published_at", nullable=True),
    )
    op.create_index("ix_outbox_pending", "outbox", ["published_at", "outbox_id"])
    op.create_table("workers", *_keys("worker_id"), *_texts("rules_hash"), *_times("started_at", "beat_at"))


def _guard_audit() -> None:
    """Nobody edits the trail by accident. Who drops the triggers first does it on purpose: the hashes tell."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
        )
        return
    is_taken = "WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)"  # INSERT OR REPLACE fires no DELETE trigger
    for act, when in (("UPDATE", ""), ("DELETE", ""), ("INSERT", is_taken)):
        op.execute(
            f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit {when} "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )


def _keys(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), primary_key=True) for name in names]


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _times(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=nullable) for name in names]


def _floats(*names: str, nullable: bool = False) -> Sequence[sa.Column[Any]]:
    return [sa.Column(name, sa.Float(53), nullable=nullable) for name in names]


def _json(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=nullable)
