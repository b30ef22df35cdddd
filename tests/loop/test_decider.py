"""Answers in mode shadow, and what counts against limits across decision points."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from config.settings import Settings
from domain.decisions import Answer, Arm, Decision
from domain.events import DecisionRequest
from domain.proposals import Halt
from domain.records import PolicyRecord
from knowledge.database import SqlKnowledgeBase, open_knowledge
from loop.deciding import Decider
from loop.points import point_of
from loop.shelf import PolicyShelf
from loop.unit_states import UnitStates

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class NoHalt:
    """A latch that can be read and says nothing."""

    def read(self) -> Mapping[str, str]:
        return {}

    def write(self, halts: Sequence[Halt]) -> None:
        raise NotImplementedError


@pytest.fixture
def knowledge() -> Iterator[SqlKnowledgeBase]:
    with closing(open_knowledge("sqlite://")) as knowledge:
        yield knowledge


def make_settings(mode: str, **changes: object) -> Settings:
    """Two decision points; what one serves without AMSO is an offer at the other."""
    points = {
        name: {"mode": mode, "baseline": baseline, "actions": {"plain": {}, "call": {}}}
        for name, baseline in (("paywall", "plain"), ("renewal", "call"))
    }
    return Settings.model_validate_json(json.dumps({"decision_points": points, **changes}))


def make_decision(point: str, action: str, *, number: int) -> Decision:
    return Decision(
        f"d-{number}", f"r-{number}", point, "u-1", NOON, "gated", Arm.POLICY, action, 1.0, (action,), {action: 1.0},
        0.5, "p-1", "pr-1", "", {}, "c-1", "2", {}, None, Decimal(0),
    )  # fmt: skip


def test_shadow__whose_newest_version_is_gone__answers_the_baseline_and_says_so(
    knowledge: SqlKnowledgeBase, tmp_path: Path
) -> None:
    decider = Decider(make_settings("shadow"), key=b"k" * 32, latch=NoHalt(), shelf=PolicyShelf(tmp_path))
    record = PolicyRecord("p-gone", "paywall", "dqn", "policies/gone", "train_1", None, "candidate", "promote", NOON)
    with knowledge.transaction() as books:
        books.policies.add(record)
        (answer,) = decider.answer(books, [DecisionRequest("r-1", "paywall", "ann", {})], NOON)
    assert isinstance(answer, Answer)
    assert (answer.action, answer.served) == ("plain", "baseline")
    assert "p-gone cannot be loaded" in answer.why


def test_contacts__are_what_is_no_baseline_where_it_was_served(knowledge: SqlKnowledgeBase) -> None:
    settings = make_settings("gated", limits={"contacts": {"max": "2 per 7d"}})
    served = [("paywall", "plain"), ("paywall", "call"), ("renewal", "plain"), ("renewal", "call"), ("renewal", "call")]
    baselines = {name: point.baseline for name, point in settings.decision_points.items()}
    with knowledge.transaction() as books:
        books.decisions.add([make_decision(point, action, number=i) for i, (point, action) in enumerate(served)])
        for name in baselines:
            states = UnitStates(books, point_of(settings, name), ["u-1"], NOON, baselines)
            assert states.of("u-1").n_contacts == 2
