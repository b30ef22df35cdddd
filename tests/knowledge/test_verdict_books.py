"""Verdicts and what came of proposals, on both engines."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from domain.errors import InvalidSnapshot
from domain.estimates import Verdict
from domain.records import RealisedGain, VerdictRecord
from knowledge.database import SqlKnowledgeBase, open_knowledge
from knowledge.schema import migrate
from tests.knowledge.making import NOON, at, make_decision, make_experience

PROMOTED = VerdictRecord(
    verdict_id="v-1",
    verb="evaluate",
    run="evaluate_1",
    made_at=NOON,
    decision_point="main",
    log_id="l-1",
    reward="reward",
    candidate="version:p-1",
    policy="p-1",
    baseline="constant:none",
    per="round",
    estimator="dr",
    difference=0.1 + 0.2,
    low=0.1,
    high=1 / 3,
    confidence=0.95,
    margin=0.0,
    verdict=Verdict.PROMOTE,
    reason="the whole interval lies above the margin",
    ess=812.5,
)
UNKNOWN = replace(
    PROMOTED,
    verdict_id="v-2",
    made_at=at(5),
    decision_point="renewal",
    candidate="uniform",
    policy=None,
    estimator=None,
    difference=None,
    low=None,
    high=None,
    verdict=Verdict.CANNOT_TELL,
)
SERVING = RealisedGain(
    proposal_id="pr-1",
    decision_point="main",
    segment_id="all",
    policy="p-1",
    baseline="constant:none",
    reward="net_revenue",
    exploration_share=0.0,
    has_rivals=False,
    since=NOON,
    until=None,
    amount=None,
    low_amount=None,
    high_amount=None,
    n_decisions=0,
    n_units=0,
    as_of=at(1),
)


def test_verdict__comes_back_as_it_was_given_and_stays_so(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.verdicts.add([PROMOTED, UNKNOWN])
        books.verdicts.add([replace(PROMOTED, difference=9.0, run="evaluate_2", made_at=at(60))])
    with base.transaction() as books:
        assert books.verdicts.recent() == [UNKNOWN, PROMOTED]
        assert books.verdicts.recent(1) == [UNKNOWN]
        assert books.verdicts.recent(decision_point="main") == [PROMOTED]


def test_verdicts_about_policies__are_those_alone(base: SqlKnowledgeBase) -> None:
    later = replace(PROMOTED, verdict_id="v-3", made_at=at(9))
    with base.transaction() as books:
        books.verdicts.add([PROMOTED, UNKNOWN, later, replace(PROMOTED, verdict_id="v-4", policy="p-2")])
        assert books.verdicts.about({"p-1", "p-9"}) == [later, PROMOTED]
        assert books.verdicts.about(()) == []


def test_number_that_is_none__is_refused(base: SqlKnowledgeBase) -> None:
    with pytest.raises(InvalidSnapshot, match="finite"), base.transaction() as books:
        books.verdicts.add([replace(PROMOTED, low=float("-inf"))])


def test_gain__is_replaced_as_it_comes_true(base: SqlKnowledgeBase) -> None:
    came = replace(SERVING, until=at(4), amount=-0.25, low_amount=-1 / 3, high_amount=0.1, n_decisions=9, as_of=at(5))
    with base.transaction() as books:
        assert books.realised.get("pr-1") is None
        books.realised.put(SERVING)
        books.realised.put(replace(SERVING, proposal_id="pr-2", as_of=at(2)))
        assert books.realised.get("pr-1") == SERVING
        books.realised.put(came)
    with base.transaction() as books:
        assert [g.proposal_id for g in books.realised.all()] == ["pr-2", "pr-1"]
        assert books.realised.get("pr-1") == came


def test_moments__end_where_they_are_told_to(base: SqlKnowledgeBase) -> None:
    decisions = [make_decision(f"d-{i}", minutes=i, unit=f"u-{i}") for i in range(4)]
    with base.transaction() as books:
        books.decisions.add(decisions)
        books.replay.put([make_experience(d) for d in decisions])
        found = books.replay.moments("main", at(1), until=at(3))
        everything = books.replay.moments("main", at(1))
    assert [m.n_decisions for m in found.values()] == [2]
    assert [m.n_decisions for m in everything.values()] == [3]


def test_database_with_predictions__becomes_one_with_a_ledger(url: str) -> None:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir()
    with engine.begin() as connection:
        migrate(connection, target="0002_live")
        assert "predictions" in inspect(connection).get_table_names()
    engine.dispose()
    base = open_knowledge(url)
    with base.transaction() as books:
        books.verdicts.add([PROMOTED])
        books.realised.put(replace(SERVING, since=NOON - timedelta(days=1)))
        assert books.verdicts.recent() == [PROMOTED]
    assert "predictions" not in inspect(base.engine).get_table_names()
    base.close()
