"""`amso collect`: reads every configured source once, or follows them for ever.

Snapshots (files, queries, hashes, JSON keys) are read again after `every`; streams are followed. A decision log stays
where it is and is validated, as `import` does. Everything else passes the one intake that `live` uses.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from collection.raw_records import RawRecord
from collection.snapshots import SourceAccess, read_snapshot
from config.sources import RedisStreamSource, Source, is_log_file, is_log_query
from domain.errors import AmsoError
from domain.records import QuarantinedRecord
from loop.live import BLOCK_SECONDS, say
from loop.logs import LogRequest, read_and_record, resolve_log
from loop.patience import ends_on_request, patiently
from loop.streams import intake_of, open_streams
from loop.text import console, number, table
from loop.wiring import Workspace

BATCH = 1_000  # records of a snapshot in one transaction
Item = QuarantinedRecord | RawRecord


@dataclass(frozen=True)
class SourceCount:
    """What one source came to."""

    source: str
    kind: str
    n_rows: int
    n_quarantined: int
    problem: str = ""  # why it could not be read at all


@dataclass(frozen=True)
class CollectAnswer:
    """What every source came to, and what is stored by now."""

    counts: tuple[SourceCount, ...]
    events: dict[str, int]  # kind -> stored
    exit_code: int = 0

    def to_data(self) -> dict[str, object]:
        return {"sources": [asdict(c) for c in self.counts], "events": self.events}

    def print(self) -> None:
        out = console()
        rows = [(c.source, c.kind, c.problem or "read", f"{c.n_rows:,}", f"{c.n_quarantined:,}") for c in self.counts]
        out.print(table("Collected", ("source", "kind", "state", "rows", "quarantined"), rows, n_text=3))
        for kind, n in self.events.items():
            out.print(f"  {kind}: {number(n)} stored")


def collect_once(workspace: Workspace) -> CollectAnswer:
    """Every source once, streams to their end. A source that cannot be read does not stop the others."""
    counts = [_snapshot(workspace, name, source) for name, source in _snapshots(workspace)]
    counts += _streams(workspace)
    return CollectAnswer(tuple(counts), _stored(workspace), 1 if any(c.problem for c in counts) else 0)


def collect_follow(workspace: Workspace, *, until: Callable[[], bool] = lambda: False) -> CollectAnswer:
    """Until interrupted: streams as entries come, snapshots whenever their `every` is over. Silent while idle."""
    streams = open_streams(workspace, with_contexts=False)
    due = dict.fromkeys((name for name, _ in _snapshots(workspace)), 0.0)
    counts: dict[str, SourceCount] = {}
    say("collecting; Ctrl-C ends it")
    with ends_on_request():
        while not until():
            patiently(lambda: streams.step(BLOCK_SECONDS), say)
            for name, source in _snapshots(workspace):
                if time.monotonic() >= due[name]:
                    counts[name] = _snapshot(workspace, name, source)
                    if counts[name].problem:
                        say(f"{name}: {counts[name].problem}")
                    due[name] = time.monotonic() + _every(source)
    return CollectAnswer(tuple(counts.values()), _stored(workspace))


def _snapshots(workspace: Workspace) -> list[tuple[str, Source]]:
    return [(n, s) for n, s in workspace.settings.sources.items() if not isinstance(s, RedisStreamSource)]


def _every(source: Source) -> float:
    return float("inf") if source.every is None else source.every.seconds


def _snapshot(workspace: Workspace, name: str, source: Source) -> SourceCount:
    try:
        if is_log_file(source) or is_log_query(source):
            path = Path(name) if is_log_query(source) else None
            request = LogRequest(path, decision_point=source.decision_point)
            read = read_and_record(workspace, *resolve_log(workspace, request))
            return SourceCount(name, source.content, read.n_rows, read.n_rejected)
        return _take_in(workspace, name, source)
    except AmsoError as error:
        return SourceCount(name, source.content, 0, 0, error.message)


def _take_in(workspace: Workspace, name: str, source: Source) -> SourceCount:
    access = SourceAccess(lambda: workspace.wire, workspace.settings.sql_url, workspace.environ)
    items = read_snapshot(name, source, access)
    intake = intake_of(workspace, name)
    n_rows = n_quarantined = 0
    while batch := list(islice(items, BATCH)):
        with workspace.knowledge.transaction() as books:
            n_quarantined += intake.take_rows(books, batch, source.content)
        n_rows += len(batch)
    return SourceCount(name, source.content, n_rows, n_quarantined)


def _streams(workspace: Workspace) -> list[SourceCount]:
    try:
        streams = open_streams(workspace, with_contexts=False)
        while streams.step(0.0):
            pass
    except AmsoError as error:
        return [SourceCount("streams", "stream", 0, 0, error.message)]
    with workspace.knowledge.transaction() as books:
        imports = {record.source: record for record in books.imports.recent(1_000)}
    found = [(name, imports.get(name)) for name in streams.consumers]
    return [SourceCount(n, "stream", r.n_rows, sum(r.rejected.values())) for n, r in found if r is not None]


def _stored(workspace: Workspace) -> dict[str, int]:
    with workspace.knowledge.transaction() as books:
        return {**books.events.counts(), "outcome": sum(books.outcomes.count().values())}
