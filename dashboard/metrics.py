"""`/metrics`, `/healthz`, `/readyz`: for whoever watches AMSO as a process."""

from collections import Counter
from collections.abc import Iterable, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard.security import error_response
from dashboard.signed_in import workspace_of
from domain.errors import AmsoError, SourceUnavailable
from domain.ports import KnowledgeBase, UnitOfWork
from loop.wiring import Workspace

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Meters:
    """One registry an app: what the knowledge base counts, and how long `/v1/decide` took in this process."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Books(knowledge))
        self._decide_seconds = Histogram(
            "amso_decide_seconds", "Time to answer POST /v1/decide", buckets=_SECONDS, registry=self._registry
        )

    def note_decision(self, seconds: float) -> None:
        self._decide_seconds.observe(seconds)

    def text(self) -> bytes:
        """Prometheus's text form.

        Raises:
            SourceUnavailable: SQL does not answer.
        """
        return generate_latest(self._registry)


class _Books(Collector):
    """Counts in one transaction when it is asked."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._knowledge = knowledge

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the database."""
        return ()

    def collect(self) -> Iterable[Metric]:
        with self._knowledge.transaction() as books:
            return [*_counters(books), *_gauges(books)]


def _counters(books: UnitOfWork) -> Iterable[Metric]:
    yield _counter("amso_decisions", "Decisions by what was served", "served", books.decisions.count())
    yield _counter("amso_outcomes", "Outcomes by whether a decision was found", "attribution", books.outcomes.count())
    yield _counter("amso_quarantined", "Records in the quarantine by reason", "reason", books.quarantine.counts())


def _gauges(books: UnitOfWork) -> Iterable[Metric]:
    proposals = Counter(t.status.value for t in books.proposals.all())
    statuses = GaugeMetricFamily("amso_proposals", "Proposals by status", labels=["status"])
    for status, n in proposals.items():
        statuses.add_metric([status], n)
    yield statuses
    replay = GaugeMetricFamily("amso_replay_rows", "Rows of the replay buffer", labels=["state"])
    for state, n in books.replay.counts().items():
        replay.add_metric([state], n)
    yield replay
    missing = sum(g.last_missing - g.first_missing + 1 for g in books.events.gaps())
    yield GaugeMetricFamily("amso_outbox_waiting", "Entries to be published", books.outbox.n_pending())
    yield GaugeMetricFamily("amso_missing_events", "Numbers that producers counted and that never came", missing)
    yield GaugeMetricFamily(
        "amso_parked_outcomes", "Corrections that wait for their original", len(books.outcomes.parked())
    )
    yield GaugeMetricFamily("amso_halts", "Halts that stand", len(books.halts.all()))


def _counter(name: str, told: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, told, labels=[label])
    for value, n in counts.items():
        family.add_metric([value], n)
    return family


router = APIRouter()


@router.get("/healthz")
def healthz() -> Response:
    """The process is up."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """SQL and Redis answer; otherwise which of them does not."""
    found = {name: _trouble(name, workspace_of(request)) for name in ("sql", "redis")}
    is_ready = not any(found.values())
    body = {"ready": is_ready} | {name: trouble or "ok" for name, trouble in found.items()}
    return JSONResponse(body, 200 if is_ready else 503)


def _trouble(store: str, workspace: Workspace) -> str | None:
    try:
        if store == "redis":
            workspace.wire.check()
        else:
            with workspace.knowledge.transaction() as books:
                books.halts.all()
    except AmsoError as error:
        return error.message
    return None


def metrics(request: Request) -> Response:
    """What is counted."""
    try:
        return Response(request.app.state.meters.text(), media_type=CONTENT_TYPE_LATEST)
    except SourceUnavailable as error:
        return error_response(503, error.code, error.message, error.hint)
