"""Answers contexts in batches, everything that was decided written in the caller's transaction.

Within a batch later requests see what earlier ones got; `one_decision.py` decides each.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from collection.pseudonym import unit_pseudonym
from config.decision_points import Mode
from config.settings import Settings
from domain.canonical import content_hash
from domain.decisions import Answer, Arm, Decision
from domain.errors import AmsoError, InvalidRecord
from domain.events import DecisionRequest
from domain.ports import HaltMirror, UnitOfWork
from loop.one_decision import Asked, Bench, decision_id
from loop.points import Point, point_of
from loop.shelf import PolicyShelf
from loop.situation import Situation, look
from loop.unit_states import UnitStates
from policies.deciding import RowPolicy, row_context

REPEATED_TOO_LATE = "the request was answered by a policy that nothing covers any more"
CONFLICT = "the same request_id came before with another content"


class Decider:
    """Decides under one set of settings. Holds no state between two calls but compiled settings and loaded policies."""

    def __init__(self, settings: Settings, *, key: bytes, latch: HaltMirror, shelf: PolicyShelf) -> None:
        self.settings = settings
        self.shelf = shelf
        self._key = key
        self._latch = latch
        self._points: dict[str, Point] = {}
        self._baselines = {name: point.baseline for name, point in settings.decision_points.items()}

    def point(self, name: str) -> Point:
        """One decision point.

        Raises:
            InvalidRecord: the config has no such point, or does not serve it.
        """
        if name not in self.settings.decision_points:
            raise InvalidRecord("unknown decision point", f"the config has {', '.join(self.settings.decision_points)}")
        if self.settings.decision_points[name].mode is Mode.OFF:
            raise InvalidRecord("the decision point is in mode off", "nothing is served there")
        if name not in self._points:
            self._points[name] = point_of(self.settings, name)
        return self._points[name]

    def pseudonym(self, unit_id: str) -> str:
        return unit_pseudonym(self._key, unit_id)

    def situation(self, books: UnitOfWork, name: str, now: datetime) -> Situation:
        """What holds at a point: the very thing decisions are made by."""
        return look(books, self.point(name), self._latch, self.shelf, now)

    def answer(
        self, books: UnitOfWork, requests: Sequence[DecisionRequest], now: datetime
    ) -> list[Answer | InvalidRecord]:
        """One answer a request, in order; an error stands where a request cannot be answered at all.

        Other workers wait with the same units: of two requests of one unit at once, each would count what was served
        without the other, and make an offer of its own.
        """
        units = self._units(books, requests)
        books.units.hold(set(units.values()))
        answers: dict[int, Answer | InvalidRecord] = {}
        for name in dict.fromkeys(r.decision_point for r in requests):
            rows = [i for i, r in enumerate(requests) if r.decision_point == name]
            found = self._at_point(books, name, [requests[i] for i in rows], units, now)
            answers |= zip(rows, found, strict=True)
        return [answers[i] for i in range(len(requests))]

    def _at_point(
        self,
        books: UnitOfWork,
        name: str,
        requests: Sequence[DecisionRequest],
        units: Mapping[str, str],
        now: datetime,
    ) -> Sequence[Answer | InvalidRecord]:
        try:
            point = self.point(name)
        except InvalidRecord as error:
            return [error] * len(requests)
        batch = self._open_batch(books, point, requests, units, now)
        answers = [batch.answer(request) for request in requests]
        books.decisions.add(batch.made)
        books.decisions.note_requests(batch.noted, name, now)
        books.decisions.note_controls(batch.controls)
        return answers

    def _open_batch(
        self,
        books: UnitOfWork,
        point: Point,
        requests: Sequence[DecisionRequest],
        units: Mapping[str, str],
        now: datetime,
    ) -> "_Batch":
        everyone = {units[r.unit_id] for r in requests}
        situation = look(books, point, self._latch, self.shelf, now)
        stands = point.offer_stands is not None and situation.halt is None
        return _Batch(
            bench=Bench(books, point, situation, now, *self._shadow(books, point)),
            draw=self._draw,
            units=units,
            known=dict(books.decisions.of_requests(point.name, [r.request_id for r in requests])),
            standing=dict(books.decisions.standing_offers(point.name, everyone, now)) if stands else {},
            states=UnitStates(books, point, everyone, now, self._baselines),
        )

    def _shadow(self, books: UnitOfWork, point: Point) -> tuple[RowPolicy | None, str | None]:
        """Whom mode shadow asks: the newest registered version."""
        versions = books.policies.all(point.name) if point.mode is Mode.SHADOW else ()
        if not versions:
            return None, None
        version = versions[0].policy_version
        try:
            return self.shelf.policy(books, version, point.action_set), version
        except AmsoError:  # its files are gone or changed; whoever asks gets the baseline all the same
            return None, version

    def _units(self, books: UnitOfWork, requests: Sequence[DecisionRequest]) -> Mapping[str, str]:
        """Raw id -> pseudonym; units that were merged into another are that one."""
        own = {r.unit_id: self.pseudonym(r.unit_id) for r in requests}
        books.units.remember({unit: raw for raw, unit in own.items()})
        merged = books.units.resolve(own.values())
        return {raw: merged.get(unit, unit) for raw, unit in own.items()}

    def _draw(self, decision: str) -> float:
        """(0 <= draw < 1) of a decision, keyed, so that no caller can choose its luck by choosing a request_id."""
        digest = hashlib.blake2b(decision.encode(), key=self._key[:64], digest_size=8).digest()
        return (int.from_bytes(digest) >> 11) * 2.0**-53


class _Batch:
    """The requests of one decision point at one moment; later ones see what earlier ones got."""

    def __init__(
        self,
        *,
        bench: Bench,
        draw: Callable[[str], float],
        units: Mapping[str, str],
        known: dict[str, tuple[Decision, str]],
        standing: dict[str, Decision],
        states: UnitStates,
    ) -> None:
        self._bench, self._draw, self._units, self._states = bench, draw, units, states
        self._known, self._standing = known, standing
        self.made: list[Decision] = []
        self.noted: dict[str, tuple[str, str]] = {}
        self.controls: dict[str, list[str]] = {}  # decision -> segments whose live proposals it is compared with

    def answer(self, request: DecisionRequest) -> Answer | InvalidRecord:
        """The same request_id gets the same answer, a standing offer is repeated, all else is decided."""
        request_hash = content_hash(asdict(request))
        if request.request_id in self._known:
            decision, known_hash = self._known[request.request_id]
            return self._repeat(decision, request) if known_hash == request_hash else InvalidRecord(CONFLICT)
        unit = self._units[request.unit_id]
        try:
            decision = self._standing.get(unit) or self._make(request, unit)
        except InvalidRecord as error:
            return error
        self._known[request.request_id] = (decision, request_hash)
        self.noted[request.request_id] = (decision.decision_id, request_hash)
        return _answer(decision, request)

    def _repeat(self, decision: Decision, request: DecisionRequest) -> Answer:
        """The same answer, unless nothing covers it any more: then the baseline, and the decision stays what it was."""
        if self._bench.situation.honours(decision, self._bench.now):
            return _answer(decision, request)
        baseline = self._bench.point.action(self._bench.point.baseline_of(request))
        return replace(
            _answer(decision, request),
            action=baseline.action_id,
            payload=dict(baseline.payload),
            propensity=1.0,
            served=Arm.BASELINE.value,
            why=self._bench.situation.halt or REPEATED_TOO_LATE,
            policy_version=f"constant:{baseline.action_id}",
            valid_until=None,
            proposal_id=None,
        )

    def _make(self, request: DecisionRequest, unit: str) -> Decision:
        asked = self._ask(request, unit)
        decision = self._bench.decide(asked)
        self.made.append(decision)
        if decision.arm is Arm.POLICY:
            self._states.note(unit, decision.action, is_contact=decision.action != asked.baseline)
        else:
            self.controls[decision.decision_id] = self._bench.situation.segments_of(asked.context)
        if decision.valid_until is not None:
            self._standing[unit] = decision
        return decision

    def _ask(self, request: DecisionRequest, unit: str) -> Asked:
        point = self._bench.point
        features = {name: v for name, v in request.features.items() if name not in point.protected}
        return Asked(
            request=replace(request, features=features),
            point=point,
            unit=unit,
            context=row_context(features),
            baseline=point.baseline_of(request),
            state=self._states.of(unit),
            draw=self._draw(decision_id(point.name, request.request_id)),
        )


def _answer(decision: Decision, request: DecisionRequest) -> Answer:
    return Answer(
        decision_id=decision.decision_id,
        request_id=request.request_id,
        action=decision.action,
        payload=decision.payload,
        propensity=decision.propensity,
        served=decision.served,
        why=decision.why,
        policy_version=decision.policy_version,
        valid_until=decision.valid_until,
        proposal_id=decision.proposal_id,
    )
