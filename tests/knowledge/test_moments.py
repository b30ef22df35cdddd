"""Sums by arm, against the same computed by hand from the rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from domain.decisions import Arm, Decision, Experience
from domain.records import RewardMoments, StoredOutcome
from knowledge.database import SqlKnowledgeBase

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEMPLATE = Decision(
    "d", "r", "main", "u", NOON, "gated", Arm.POLICY, "promo", 0.5, ("none", "promo"), {"none": 0.5, "promo": 0.5},
    0.1, "p-1", "pr-1", "", {}, "c-1", "2", {}, None, Decimal(0),
)  # fmt: skip


def fill(base: SqlKnowledgeBase) -> tuple[list[str], list[float]]:
    rng = np.random.default_rng(0)
    units = [f"u{u}" for u in rng.integers(0, 5, 40)]
    rewards = [round(float(x), 2) for x in rng.normal(size=40)]
    with base.transaction() as books:
        for i, (unit, reward) in enumerate(zip(units, rewards, strict=True)):
            books.decisions.add([replace(TEMPLATE, decision_id=f"d{i}", request_id=f"r{i}", unit=unit)])
            books.replay.put([Experience(f"d{i}", "main", unit, NOON, Decimal(str(reward)), 1, True, NOON)])
    return units, rewards


def by_hand(units: list[str], values: list[float]) -> RewardMoments:
    names = sorted(set(units))
    total = np.array([sum(v for u, v in zip(units, values, strict=True) if u == name) for name in names])
    n = np.array([units.count(name) for name in names])
    return RewardMoments(len(names), int(n.sum()), total.sum(), (total**2).sum(), (total * n).sum(), (n**2).sum())


def test_reward_moments__are_those_of_the_rows(base: SqlKnowledgeBase) -> None:
    units, rewards = fill(base)
    with base.transaction() as books:
        found = books.replay.moments("main", NOON)[Arm.POLICY, "pr-1"]
        assert books.replay.moments("main", NOON + timedelta(days=1)) == {}
    expected = by_hand(units, rewards)
    assert vars(found) == pytest.approx(vars(expected))
    assert found.mean == pytest.approx(np.mean(rewards))


def test_metric_moments__count_corrections_once_and_silence_as_zero(base: SqlKnowledgeBase) -> None:
    units, _ = fill(base)
    with base.transaction() as books:
        for i, (amount, corrects) in enumerate([("1", None), ("5", None), ("2", "o1")]):
            outcome = StoredOutcome(
                f"o{i}", "d3" if i else "d2", "u", "refund_rate", Decimal(amount), "EUR", Decimal(amount), Decimal(1),
                NOON, NOON, corrects, True,
            )  # fmt: skip
            books.outcomes.add(outcome, f"h{i}")
        found = books.replay.moments("main", NOON, metric="refund_rate")[Arm.POLICY, "pr-1"]
    values = [0.0] * 40
    values[2], values[3] = 1.0, 2.0
    assert vars(found) == pytest.approx(vars(by_hand(units, values)))


def test_variance__is_the_plain_one_where_every_unit_decides_once() -> None:
    x = np.random.default_rng(1).normal(size=50)
    n = np.ones(50)
    moments = RewardMoments(50, 50, x.sum(), (x**2).sum(), (x * n).sum(), 50.0)
    assert moments.variance_of_mean == pytest.approx(x.var() / 50)


def test_controls_of_a_segment__are_the_only_baseline_decisions_that_count(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        for i, arm in enumerate((Arm.POLICY, Arm.BASELINE, Arm.BASELINE, Arm.HOLDOUT)):
            decision = replace(TEMPLATE, decision_id=f"d{i}", request_id=f"r{i}", unit=f"u{i}", arm=arm)
            books.decisions.add([replace(decision, proposal_id="pr-1" if arm is Arm.POLICY else None)])
            books.replay.put([Experience(f"d{i}", "main", f"u{i}", NOON, Decimal(i), 1, True, NOON)])
        books.decisions.note_controls({"d1": ["s-1", "s-2"], "d3": ["s-1"]})
        books.decisions.note_controls({"d1": ["s-1"]})  # again
    with base.transaction() as books:
        found = books.replay.moments("main", NOON, segment_id="s-1")
        everybody = books.replay.moments("main", NOON)
    assert {key: m.total for key, m in found.items()} == {
        (Arm.POLICY, "pr-1"): 0.0, (Arm.BASELINE, None): 1.0, (Arm.HOLDOUT, None): 3.0,
    }  # fmt: skip
    assert everybody[Arm.BASELINE, None].total == 3.0


def test_metric_moments__follow_the_newest_correction_as_rewards_do(base: SqlKnowledgeBase) -> None:
    units, _ = fill(base)
    sent = [("o", "10", None, 0), ("late", "7", "o", 2), ("early", "8", "o", 1), ("of-early", "50", "early", 3)]
    stored = [
        StoredOutcome(
            name, "d3", "u", "payment", Decimal(amount), "EUR", Decimal(amount), Decimal(1),
            NOON + timedelta(days=day), NOON, corrects, True,
        )
        for name, amount, corrects, day in sent
    ]  # fmt: skip
    with base.transaction() as books:
        for outcome in stored:
            books.outcomes.add(outcome, outcome.outcome_id)
        found = books.replay.moments("main", NOON, metric="payment")[Arm.POLICY, "pr-1"]
    values = [0.0] * 40
    values[3] = 7.0  # not 7 + 50: the correction of a correction that lost counts no more than that one
    assert vars(found) == pytest.approx(vars(by_hand(units, values)))
