"""One real database for the room's tests; each test's transaction is undone."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from domain.ports import UnitOfWork
from knowledge.database import SqlKnowledgeBase, open_knowledge


class Undo(Exception):
    pass


@pytest.fixture(scope="session")
def shared_base() -> SqlKnowledgeBase:
    return open_knowledge("sqlite://")


@pytest.fixture
def books(shared_base: SqlKnowledgeBase) -> Iterator[UnitOfWork]:
    with suppress(Undo), shared_base.transaction() as books:
        yield books
        raise Undo
