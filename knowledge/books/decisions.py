"""The decision log: what was decided, for which request, with everything it knew."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import and_, case, func, or_, select
from sqlmodel import Session

from domain.decisions import Arm, Decision
from domain.errors import AlreadyRecorded, NotFound
from knowledge.rows import (
    batches,
    columns_of,
    count_rows,
    fetch,
    fetch_one,
    fetch_pairs,
    insert_all,
    insert_missing,
    only,
    select_records,
    table_of,
    values_of,
)
from knowledge.tables.decisions import ControlRow, DecisionRow, RequestRow

_DECISIONS = table_of(DecisionRow)
_REQUESTS = table_of(RequestRow)
_NEWEST_FIRST = (_DECISIONS.c.decided_at.desc(), _DECISIONS.c.decision_id.desc())
_OLDEST_FIRST = (_DECISIONS.c.decided_at, _DECISIONS.c.decision_id)


class SqlDecisionLog:
    """Every decision, written once; two of the same time are ordered by id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, decisions: Sequence[Decision]) -> None:
        insert_all(self._session, DecisionRow, map(values_of, decisions))

    def get(self, decision_id: str) -> Decision:
        """One decision.

        Raises:
            NotFound: no such decision.
        """
        found = self.find([decision_id])
        if decision_id not in found:
            raise NotFound(f"unknown decision {decision_id!r}", "expected the decision_id of an answer")
        return found[decision_id]

    def find(self, decision_ids: Collection[str]) -> Mapping[str, Decision]:
        """Those that exist."""
        found: dict[str, Decision] = {}
        for batch in batches(only(decision_ids)):
            query = select_records(Decision, DecisionRow).where(_DECISIONS.c.decision_id.in_(batch))
            found |= {decision.decision_id: decision for decision in fetch(self._session, Decision, query)}
        return found

    def of_requests(self, decision_point: str, request_ids: Collection[str]) -> Mapping[str, tuple[Decision, str]]:
        """request_id -> (the decision that answered it, hash of the request's content)."""
        answered: dict[str, tuple[Decision, str]] = {}
        columns = (_REQUESTS.c.request_id, _REQUESTS.c.content_hash, *columns_of(Decision, _DECISIONS))
        joined = _REQUESTS.join(_DECISIONS, _DECISIONS.c.decision_id == _REQUESTS.c.decision_id)
        for batch in batches(only(request_ids)):
            asked = and_(_REQUESTS.c.decision_point == decision_point, _REQUESTS.c.request_id.in_(batch))
            for row in self._session.execute(select(*columns).select_from(joined).where(asked)):
                answered[row[0]] = (Decision(*row[2:]), row[1])
        return answered

    def note_requests(self, requests: Mapping[str, tuple[str, str]], decision_point: str, at: datetime) -> None:
        """request_id -> (decision_id, content hash): a repeat inside an offer's time gets the same decision.

        Raises:
            AlreadyRecorded: another worker answered one of them otherwise meanwhile; look again, and give its answer.
        """
        columns = ("request_id", "decision_id", "content_hash", "decision_point", "at")
        rows = ((request_id, *requests[request_id], decision_point, at) for request_id in only(requests))
        insert_missing(self._session, RequestRow, (dict(zip(columns, row, strict=True)) for row in rows))
        c = _REQUESTS.c
        for batch in batches(only(requests)):
            asked = and_(c.decision_point == decision_point, c.request_id.in_(batch))
            for request_id, *noted in self._session.execute(
                select(c.request_id, c.decision_id, c.content_hash).where(asked)
            ):
                if tuple(noted) != requests[request_id]:
                    raise AlreadyRecorded(
                        f"request {request_id} of {decision_point} was answered by decision {noted[0]} already",
                        "look it up again and give that answer",
                    )

    def note_controls(self, segments: Mapping[str, Collection[str]]) -> None:
        """decision_id -> segment ids: baseline decisions about those whom live proposals of a segment decide for."""
        pairs = ((decision, segment) for decision in only(segments) for segment in only(segments[decision]))
        columns = ("decision_id", "segment_id")
        insert_missing(self._session, ControlRow, (dict(zip(columns, pair, strict=True)) for pair in pairs))

    def standing_offers(self, decision_point: str, units: Collection[str], now: datetime) -> Mapping[str, Decision]:
        """unit -> its newest decision whose offer is still valid."""
        c = _DECISIONS.c
        offers: dict[str, Decision] = {}
        for batch in batches(only(units)):
            stands = (c.decision_point == decision_point, c.unit.in_(batch), c.valid_until > now)
            query = select_records(Decision, DecisionRow).where(*stands).order_by(*_OLDEST_FIRST)
            offers |= {decision.unit: decision for decision in fetch(self._session, Decision, query)}
        return offers

    def last_eligible(
        self, units: Collection[str], at: datetime, window_seconds: Mapping[str, float]
    ) -> Decision | None:
        """The newest decision of one unit, whatever its pseudonyms, at or before `at`, inside its point's window."""
        c = _DECISIONS.c
        windows = [
            and_(c.decision_point == point, c.decided_at >= at - timedelta(seconds=seconds))
            for point, seconds in window_seconds.items()
        ]
        if not windows:
            return None
        query = select_records(Decision, DecisionRow).where(c.unit.in_(only(units)), c.decided_at <= at, or_(*windows))
        return fetch_one(self._session, Decision, query.order_by(*_NEWEST_FIRST))

    def served_since(
        self, decision_point: str, units: Collection[str], since: datetime
    ) -> Sequence[tuple[str, str, datetime]]:
        """(unit, action, decided_at) of what these units got, served by policy, the oldest first."""
        c = _DECISIONS.c
        served: list[tuple[str, str, datetime]] = []
        for batch in batches(only(units)):
            by_policy = (c.decision_point == decision_point, c.unit.in_(batch), c.arm == Arm.POLICY)
            query = select(c.unit, c.action, c.decided_at).where(*by_policy, c.decided_at >= since)
            served += [tuple(row) for row in self._session.execute(query.order_by(*_OLDEST_FIRST))]
        return sorted(served, key=lambda row: row[2])

    def n_served_since(self, decision_point: str, action: str, since: datetime) -> int:
        """Over all units, by policy."""
        c = _DECISIONS.c
        by_policy = (c.decision_point == decision_point, c.action == action, c.arm == Arm.POLICY)
        return count_rows(self._session, _DECISIONS, *by_policy, c.decided_at >= since)

    def recent(self, limit: int = 50, decision_point: str | None = None) -> Sequence[Decision]:
        """The newest first."""
        query = select_records(Decision, DecisionRow).order_by(*_NEWEST_FIRST).limit(limit)
        if decision_point is not None:
            query = query.where(_DECISIONS.c.decision_point == decision_point)
        return fetch(self._session, Decision, query)

    def count(self, decision_point: str | None = None) -> Mapping[str, int]:
        """served -> decisions."""
        arm = _DECISIONS.c.arm
        query = select(arm, func.count()).group_by(arm).order_by(arm)
        if decision_point is not None:
            query = query.where(_DECISIONS.c.decision_point == decision_point)
        return {served.value: n for served, n in fetch_pairs(self._session, query).items()}

    def count_between(self, bounds: Sequence[datetime]) -> Mapping[str, Sequence[int]]:
        """served -> decisions in each [bounds[i], bounds[i + 1]); one pass, the same on both engines."""
        c = _DECISIONS.c
        spans = [and_(c.decided_at >= a, c.decided_at < b) for a, b in pairwise(bounds)]
        if not spans:
            return {}
        query = select(c.arm, *(func.count(case((span, 1))) for span in spans)).group_by(c.arm).order_by(c.arm)
        rows = self._session.execute(query.where(c.decided_at >= bounds[0], c.decided_at < bounds[-1]))
        return {row[0].value: tuple(row[1:]) for row in rows}

    def tally(self, proposal_id: str, since: datetime) -> Mapping[str, int]:
        """action -> decisions under a proposal since then."""
        c = _DECISIONS.c
        query = select(c.action, func.count()).where(c.proposal_id == proposal_id, c.decided_at >= since)
        return fetch_pairs(self._session, query.group_by(c.action).order_by(c.action))
