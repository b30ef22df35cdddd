"""What is due by the clock, where another worker does the same at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from domain.errors import AlreadyRecorded
from domain.ports import KnowledgeBase, UnitOfWork
from domain.proposals import Status
from knowledge.database import open_knowledge
from loop.upkeep import advance_all, mature_all
from loop.wiring import Workspace
from tests.tracker.office import NOON, SETTINGS, make_approved, make_decision


@dataclass
class Faster:
    """A knowledge base in which others are faster: the commits of so many transactions find a key taken."""

    real: KnowledgeBase
    n_lost: int = 0

    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        with self.real.transaction() as books:
            yield books
            if self.n_lost > 0 and _has_written(books):
                self.n_lost -= 1
                raise AlreadyRecorded("a key is taken", "try again")


def _has_written(books: UnitOfWork) -> bool:
    return any(t.status is Status.CANARY for t in books.proposals.all()) or bool(books.replay.counts()["matured"])


@pytest.fixture
def faster() -> Iterator[Faster]:
    knowledge = open_knowledge("sqlite://")
    yield Faster(knowledge)
    knowledge.close()


def test_proposal_whose_audit_row_another_worker_takes__moves_at_the_next_tick(faster: Faster) -> None:
    workspace, now = Workspace(SETTINGS, faster), NOON + timedelta(hours=1)
    with faster.transaction() as books:
        make_approved(books)
    faster.n_lost = 1
    assert advance_all(workspace, now) == []
    (moved,) = advance_all(workspace, now)
    assert moved.status is Status.CANARY


def test_decision_that_another_worker_closes__ends_no_worker(faster: Faster) -> None:
    workspace, now = Workspace(SETTINGS, faster), NOON + timedelta(days=20)
    with faster.transaction() as books:
        books.decisions.add([make_decision()])
    faster.n_lost = 1
    assert mature_all(workspace, "flow", now) == 0
    assert mature_all(workspace, "flow", now) == 1
