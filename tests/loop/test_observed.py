"""Decisions of the replay buffer as rounds and as episodes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from domain.actions import ActionSet
from domain.decisions import Arm, Decision
from domain.records import ObservedDecision
from loop.observed import log_of, panel_of, under_policy

ACTIONS = ActionSet(("none", "promo"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_observed(unit: str = "u-1", *, day: int = 0, reward: str = "1.5", arm: Arm = Arm.POLICY) -> ObservedDecision:
    decision = Decision(
        decision_id=f"d-{unit}-{day}",
        request_id=f"r-{unit}-{day}",
        decision_point="main",
        unit=unit,
        decided_at=NOON + timedelta(days=day),
        mode="gated",
        arm=arm,
        action="promo",
        propensity=0.75,
        eligible=("none", "promo"),
        distribution={"none": 0.25, "promo": 0.75},
        draw=0.5,
        policy_version="p-1",
        proposal_id="pr-1",
        why="",
        features={"day": float(day), "plan": "monthly"},
        catalogue_version="c-1",
        numpy_version="2",
        payload={},
        valid_until=None,
        reserved_amount=Decimal(0),
    )
    return ObservedDecision(decision, Decimal(reward), 1)


def test_log__keeps_propensities_and_only_the_arms_asked_for() -> None:
    log = log_of(under_policy([make_observed(), make_observed("u-2", arm=Arm.HOLDOUT)], ACTIONS), ACTIONS)
    assert len(log) == 1
    assert log.propensity is not None
    assert log.propensity.tolist() == [0.75]
    assert log.logged_distribution is not None
    assert log.logged_distribution.tolist() == [[0.25, 0.75]]
    assert log.context.column("plan").tolist() == ["monthly"]


def test_log__leaves_out_what_the_catalogue_no_longer_has() -> None:
    gone = make_observed()
    gone = replace(gone, decision=replace(gone.decision, action="old"))
    assert len(under_policy([gone, make_observed(day=1)], ACTIONS)) == 1


def test_panel__ends_where_the_unit_left_and_waits_for_unseen_contexts() -> None:
    rows = [make_observed("a", day=d) for d in (2, 0, 1)] + [make_observed("b", day=d) for d in (0, 1)]
    log = log_of(rows, ACTIONS)
    left = np.array([False, False, False, False, True])
    panel = panel_of(log, left).panel
    assert panel is not None
    assert panel.episode.tolist() == [0, 0, 1, 1]
    assert panel.step.tolist() == [0, 1, 0, 1]
    assert panel.terminated.tolist() == [False, False, False, True]
    assert panel.truncated.tolist() == [False, True, False, False]
    assert panel.next_context.column("day").tolist()[:2] == [1.0, 2.0]


def test_panel__drops_decisions_about_someone_who_had_left() -> None:
    log = log_of([make_observed("a", day=d) for d in range(3)], ACTIONS)
    panel = panel_of(log, np.array([False, True, False])).panel
    assert panel is not None
    assert panel.step.tolist() == [0, 1]
    assert panel.terminated.tolist() == [False, True]


def test_panel__goes_on_as_another_episode_after_its_longest() -> None:
    log = log_of([make_observed("a", day=d) for d in range(6)], ACTIONS)
    panelled = panel_of(log, np.zeros(6, dtype=np.bool_), n_periods=2)
    panel = panelled.panel
    assert panel is not None
    assert panel.episode.tolist() == [0, 0, 1, 1, 2]
    assert panel.step.tolist() == [0, 1, 0, 1, 0]
    assert panel.truncated.tolist() == [False, True, False, True, True]
    assert panel.next_context.column("day").tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert set(panelled.unit.tolist()) == {0}


def test_log__of_a_catalogue_that_lost_an_action__has_the_chances_among_those_left() -> None:
    seen = make_observed()
    shares = {"none": 0.125, "promo": 0.375, "old": 0.5}
    seen = replace(seen, decision=replace(seen.decision, distribution=shares, propensity=0.375))
    log = log_of(under_policy([seen], ACTIONS), ACTIONS)
    assert log.propensity is not None
    assert log.propensity.tolist() == [0.75]
    assert log.logged_distribution is not None
    assert log.logged_distribution.tolist() == [[0.25, 0.75]]
