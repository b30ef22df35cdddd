"""What a live proposal is compared with."""

import pytest

from domain.decisions import Arm
from knowledge.database import open_knowledge
from loop.readings import worst_reading
from tests.tracker.office import DAY, NOON, SETTINGS, earn, make_approved, step_on


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
    assert reading is not None
    assert reading.difference == pytest.approx(0.0)
    assert not reading.is_breached
    knowledge.close()
