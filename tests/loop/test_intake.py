"""Entries of streams: what comes again changes nothing, whatever happened to its unit meanwhile."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from domain.events import StreamEntry
from loop.streams import intake_of
from loop.wiring import Workspace, open_workspace

CONFIG = """
version: 1
decision_points:
  paywall:
    mode: log
    baseline: nothing
    actions: {nothing: {cost: 0}, offer: {cost: 1}}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    config = tmp_path / "amso.yaml"
    config.write_text(CONFIG)
    with closing(open_workspace(config, [f"stores.data_dir={tmp_path / 'data'}"], {})) as workspace:
        yield workspace


def make_entry(kind: str, body: Mapping[str, object], *, name: str) -> StreamEntry:
    fields = {"id": name, "producer": "shop", "at": "2026-03-01T12:00:00Z", "type": kind, "body": json.dumps(body)}
    return StreamEntry(name, fields)


def take(workspace: Workspace, *entries: StreamEntry) -> Mapping[str, int]:
    """What is in the quarantine afterwards."""
    intake = intake_of(workspace, "amso:events")
    with workspace.knowledge.transaction() as books:
        intake.take(books, entries)
    with workspace.knowledge.transaction() as books:
        return books.quarantine.counts()


def merge(from_unit: str, to_unit: str, *, name: str = "m-1") -> StreamEntry:
    return make_entry("customer.merged", {"from": from_unit, "to": to_unit}, name=name)


def test_entries_that_come_again_after_a_merge__are_known(workspace: Workspace) -> None:
    outcome = {"outcome_id": "o-1", "unit_id": "cookie", "metric": "payment", "amount": "5", "currency": "EUR"}
    entries = [
        make_entry("customer", {"unit_id": "cookie", "features": {"age": 31}}, name="c-1"),
        make_entry("outcome", outcome, name="o-1"),
        merge("cookie", "account"),
    ]
    assert take(workspace, *entries) == {}
    assert take(workspace, *entries) == {}
    with workspace.knowledge.transaction() as books:
        assert sum(books.outcomes.count().values()) == 1


def test_second_merge_of_a_unit__moves_nobody_else(workspace: Workspace) -> None:
    take(workspace, merge("cookie", "device"), merge("cookie", "stranger", name="m-2"))
    cookie, device, stranger = map(workspace.decider.pseudonym, ("cookie", "device", "stranger"))
    with workspace.knowledge.transaction() as books:
        assert books.units.resolve([cookie, device, stranger]) == {cookie: device}
