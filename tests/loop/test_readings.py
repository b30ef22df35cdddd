"""What a live proposal is compared with."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.decisions import Arm, Experience
from domain.ports import UnitOfWork
from knowledge.database import open_knowledge
from loop.readings import prediction_of, worst_reading
from tests.tracker.office import DAY, NOON, SETTINGS, make_approved, make_decision, step_on

MINUTE = timedelta(minutes=1)


def earn(books: UnitOfWork, reward: str, *, day: float, arm: Arm, proposal_id: str | None, n: int = 60) -> None:
    """Matured decisions of as many units, all alike but for a cent."""
    for i in range(n):
        name = f"{arm.value}-{day}-{i}"
        at = NOON + day * DAY + i * MINUTE
        books.decisions.add(
            [make_decision(name, unit=name, arm=arm, decided_at=at, proposal_id=proposal_id, request_id=name)]
        )
        amount = Decimal(reward) + Decimal(i % 2) / 100
        books.replay.put([Experience(name, "flow", name, at, amount, 1, True, at)])


def test_days_before_the_canary__are_not_compared_with() -> None:
    knowledge = open_knowledge("sqlite://")
    with knowledge.transaction() as books:
        approved = make_approved(books)
        earn(books, "9", day=1, arm=Arm.BASELINE, proposal_id=None)  # a good season, before anything was live
        live = step_on(books, approved, now=NOON + 2 * DAY)
        name = live.proposal.proposal_id
        earn(books, "3", day=3, arm=Arm.BASELINE, proposal_id=None)
        earn(books, "3", day=3, arm=Arm.POLICY, proposal_id=name)
        reading = worst_reading(books, live, SETTINGS)
        prediction = prediction_of(books, live, NOON + 20 * DAY)
    assert reading is not None
    assert reading.difference == pytest.approx(0.0)
    assert not reading.is_breached
    assert prediction.realised_amount == pytest.approx(0.0)
    knowledge.close()
