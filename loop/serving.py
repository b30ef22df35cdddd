"""What the HTTP API does: answers one context, takes outcomes and exposures in, each in one transaction.

The bodies and their validation are those of the streams (DESIGN section 5), so is the intake. Over HTTP an entry's
envelope is made here: the producer is `http`, an outcome's `at` may stand beside its other keys and is now otherwise.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from collection.bodies import parse_body
from collection.envelope import parse_json_object, parse_time
from config.effects import HttpEffect
from config.settings import Settings
from domain.decisions import Answer
from domain.errors import AlreadyRecorded, InvalidRecord
from domain.events import Body, DecisionRequest, Envelope, Exposure, Outcome, StreamEntry
from domain.ports import UnitOfWork
from loop.intake import Intake, Tally
from loop.streams import intake_of
from loop.wiring import Workspace
from tracker.outcomes import AlreadyKnown, Ignored, OutcomeResult, Parked

PRODUCER = "http"
TRIES = 3  # where another process answers the same request meanwhile
T = TypeVar("T")


@dataclass(frozen=True)
class Refused:
    """What cannot be taken in, and why; it stands in the quarantine."""

    reason: str
    hint: str = ""

    @property
    def is_conflict(self) -> bool:
        """The same id came before with another body. All rooms say it in these words."""
        return "came before with another" in self.reason


@dataclass(frozen=True)
class Taken:
    """An outcome or an exposure, and what became of it."""

    key: str  # outcome_id, or the decision_id of an exposure
    status: str  # recorded | known | parked | ignored
    note: str = ""

    def to_data(self) -> dict[str, object]:
        data: dict[str, object] = {"id": self.key, "status": self.status}
        return data | {"note": self.note} if self.note else data


def parse_bodies(text: str) -> tuple[list[Mapping[str, object]], bool]:
    """What was posted: one JSON object, or a list of them; and whether it was a list.

    Raises:
        InvalidRecord: anything else.
    """
    if not text.lstrip().startswith("["):
        return [parse_json_object(text, "the body")], False
    bodies = parse_json_object(f'{{"list": {text}}}', "the body")["list"]
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise InvalidRecord("the body is not a list of JSON objects")
    return bodies, True


def decide_one(workspace: Workspace, body: Mapping[str, object]) -> Answer | Refused:
    """The verb behind `POST /v1/decide`: the answer, or why there is none.

    Raises:
        SourceUnavailable: SQL does not answer.
    """
    return _in_transaction(workspace, lambda books: _decide(workspace, books, body))


def take_outcome(workspace: Workspace, body: Mapping[str, object]) -> Taken | Refused:
    """The verb behind `POST /v1/outcomes`: an outcome, or what the product really showed.

    Raises:
        SourceUnavailable: SQL does not answer; nothing was taken in.
    """
    return take_outcomes(workspace, [body])[0]


def take_outcomes(workspace: Workspace, bodies: Sequence[Mapping[str, object]]) -> list[Taken | Refused]:
    """Several, in order, in one transaction: what is refused does not stop the others."""
    return _in_transaction(workspace, lambda books: [_take(workspace, books, body) for body in bodies])


def refuse_unreadable(workspace: Workspace, kind: str, text: str, error: InvalidRecord) -> Refused:
    """A body that is no JSON object: into the quarantine too."""
    return _in_transaction(workspace, lambda books: _refuse(books, intake_of(workspace, PRODUCER), kind, text, error))


def _decide(workspace: Workspace, books: UnitOfWork, body: Mapping[str, object]) -> Answer | Refused:
    now, intake = workspace.clock.now(), intake_of(workspace, PRODUCER)
    try:
        request = parse_body(_envelope("context", str(body.get("request_id")), now, body))
        assert isinstance(request, DecisionRequest)
        answer = workspace.decider.answer(books, [request], now)[0]
        if isinstance(answer, InvalidRecord):
            raise answer
    except InvalidRecord as error:
        return _refuse(books, intake, "context", body, error)
    if _has_worker_outside(workspace.settings, request.decision_point):
        point = workspace.decider.point(request.decision_point)
        unit = workspace.decider.pseudonym(request.unit_id)
        unit = books.units.resolve([unit]).get(unit, unit)
        intake.outgoing.add_effect(books, answer, unit, point, point.baseline_of(request))
    return answer


def _has_worker_outside(settings: Settings, decision_point: str) -> bool:
    """Whoever asks over HTTP carries the answer out itself, unless the config names another way for its effects."""
    effect = settings.effects.get(decision_point)
    return effect is not None and not isinstance(effect, HttpEffect)


def _take(workspace: Workspace, books: UnitOfWork, body: Mapping[str, object]) -> Taken | Refused:
    intake, tally = intake_of(workspace, PRODUCER), Tally(n_rows=1)
    kind = "exposure" if "shown_action" in body else "outcome"
    try:
        envelope = _outcome_envelope(workspace, kind, body)
        parsed = parse_body(envelope)
        result = intake.take_one(books, envelope, parsed, tally)
    except InvalidRecord as error:
        return _refuse(books, intake, kind, body, error)
    intake.count(books, tally)
    return _taken(parsed, result)


def _outcome_envelope(workspace: Workspace, kind: str, body: Mapping[str, object]) -> Envelope:
    now = workspace.clock.now()
    at = body.get("at")
    if at is not None and not isinstance(at, str):
        raise InvalidRecord("`at` is not an ISO 8601 time")
    rest = {key: value for key, value in body.items() if key != "at"}
    # a decision may be shown once: its exposure needs no id of its own
    key = rest.get("outcome_id") if kind == "outcome" else f"exposure:{rest.get('decision_id')}"
    return _envelope(kind, str(key), now if at is None else parse_time(at), rest)


def _envelope(kind: str, event_id: str, at: datetime, body: Mapping[str, object]) -> Envelope:
    return Envelope(event_id=event_id, producer=PRODUCER, seq=None, at=at, kind=kind, body=body)


def _taken(body: Body, result: OutcomeResult | None) -> Taken:
    assert isinstance(body, Outcome | Exposure)
    key = body.outcome_id if isinstance(body, Outcome) else body.decision_id
    match result:
        case Parked(waits_for=waits_for):
            return Taken(key, "parked", f"waits for {waits_for}, which it corrects")
        case Ignored(reason=reason):
            return Taken(key, "ignored", reason)
        case AlreadyKnown():
            return Taken(key, "known")
    return Taken(key, "recorded")


def _refuse(books: UnitOfWork, intake: Intake, kind: str, raw: object, error: InvalidRecord) -> Refused:
    """Into the quarantine, as it came."""
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
    intake.reject(books, StreamEntry(PRODUCER, {"type": kind, "body": text}), error)
    return Refused(error.message, error.hint)


def _in_transaction(workspace: Workspace, act: Callable[[UnitOfWork], T]) -> T:
    for _ in range(TRIES - 1):
        try:
            with workspace.knowledge.transaction() as books:
                return act(books)
        except AlreadyRecorded:  # somebody else was faster: the same question again finds their answer
            continue
    with workspace.knowledge.transaction() as books:
        return act(books)
