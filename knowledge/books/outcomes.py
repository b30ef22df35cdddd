"""Books of what came of decisions: outcomes, reward revisions, the replay buffer."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Double, and_, cast, func, or_, select
from sqlmodel import Session

from domain.decisions import Arm, Decision, Experience, RewardRevision
from domain.records import Added, ObservedDecision, ParkedOutcome, RewardMoments, StoredOutcome
from knowledge.rows import (
    batches,
    columns_of,
    fetch,
    fetch_one,
    fetch_pairs,
    insert_all,
    insert_missing,
    insert_new,
    only,
    select_records,
    table_of,
    upsert,
    values_of,
)
from knowledge.tables.decisions import ControlRow, DecisionRow, ReplayRow, RewardRow
from knowledge.tables.outcomes import OutcomeRow, ParkedOutcomeRow

_CONTROLS = table_of(ControlRow)
_DECISIONS = table_of(DecisionRow)
_REPLAY = table_of(ReplayRow)
_REWARDS = table_of(RewardRow)
_OUTCOMES = table_of(OutcomeRow)
_PARKED = table_of(ParkedOutcomeRow)


class SqlOutcomeBook:
    """Every outcome, once; corrections wait here for what they correct."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, outcome: StoredOutcome, raw_hash: str) -> Added:
        """Of two workers with the same outcome, one waits for the other's transaction and then hears KNOWN."""
        if insert_new(self._session, OutcomeRow, values_of(outcome) | {"raw_hash": raw_hash}):
            return Added.NEW
        query = select(_OUTCOMES.c.raw_hash).where(_OUTCOMES.c.outcome_id == outcome.outcome_id)
        return Added.KNOWN if self._session.execute(query).scalar_one() == raw_hash else Added.CONFLICT

    def get(self, outcome_id: str) -> StoredOutcome | None:
        query = select_records(StoredOutcome, OutcomeRow).where(_OUTCOMES.c.outcome_id == outcome_id)
        return fetch_one(self._session, StoredOutcome, query)

    def of_decision(self, decision_id: str) -> Sequence[StoredOutcome]:
        """Corrected ones and their corrections too, ordered by observed_at, outcome_id."""
        query = select_records(StoredOutcome, OutcomeRow).where(_OUTCOMES.c.decision_id == decision_id)
        ordered = query.order_by(_OUTCOMES.c.observed_at, _OUTCOMES.c.outcome_id)
        return fetch(self._session, StoredOutcome, ordered)

    def decisions_with(self, metric: str) -> frozenset[str]:
        """Decisions that an outcome of this metric names or was attributed to."""
        c = _OUTCOMES.c
        query = select(c.decision_id).where(c.metric == metric, c.decision_id.is_not(None)).distinct()
        return frozenset(self._session.execute(query).scalars())

    def count(self) -> Mapping[str, int]:
        """attributed | unattributed -> outcomes."""
        query = select(func.count(), func.count(_OUTCOMES.c.decision_id)).select_from(_OUTCOMES)
        n_outcomes, n_attributed = self._session.execute(query).one()
        return {"attributed": n_attributed, "unattributed": n_outcomes - n_attributed}

    def park(self, outcome: ParkedOutcome) -> None:
        """Parked already changes nothing."""
        insert_missing(self._session, ParkedOutcomeRow, [values_of(outcome)])

    def take_parked(self, waits_for: str) -> Sequence[ParkedOutcome]:
        """Hands them out and forgets them, the first parked first; of two workers one gets them."""
        taken = _PARKED.delete().where(_PARKED.c.waits_for == waits_for)
        rows = self._session.execute(taken.returning(*columns_of(ParkedOutcome, _PARKED)))
        return sorted((ParkedOutcome(*row) for row in rows), key=lambda p: (p.parked_at, p.outcome_id))

    def parked(self) -> Sequence[ParkedOutcome]:
        query = select_records(ParkedOutcome, ParkedOutcomeRow)
        return fetch(self._session, ParkedOutcome, query.order_by(_PARKED.c.parked_at, _PARKED.c.outcome_id))


class SqlRewardBook:
    """Revisions of rewards; of two workers that make the same one, the second is refused and looks again."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, revisions: Sequence[RewardRevision]) -> None:
        insert_all(self._session, RewardRow, map(values_of, revisions))

    def latest(self, decision_id: str) -> RewardRevision | None:
        query = select_records(RewardRevision, RewardRow).where(_REWARDS.c.decision_id == decision_id)
        return fetch_one(self._session, RewardRevision, query.order_by(_REWARDS.c.revision.desc()))

    def latest_of(self, decision_ids: Collection[str]) -> Mapping[str, RewardRevision]:
        """decision_id -> its newest revision, of those that have one."""
        newest: dict[str, RewardRevision] = {}
        for batch in batches(only(decision_ids)):
            query = select_records(RewardRevision, RewardRow).where(_REWARDS.c.decision_id.in_(batch))
            ordered = query.order_by(_REWARDS.c.decision_id, _REWARDS.c.revision)
            newest |= {revision.decision_id: revision for revision in fetch(self._session, RewardRevision, ordered)}
        return newest

    def history(self, decision_id: str) -> Sequence[RewardRevision]:
        """From the first to the newest."""
        query = select_records(RewardRevision, RewardRow).where(_REWARDS.c.decision_id == decision_id)
        return fetch(self._session, RewardRevision, query.order_by(_REWARDS.c.revision))


class SqlReplayStore:
    """The replay buffer: one row a decision, its newest reward."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, rows: Sequence[Experience]) -> None:
        """Inserts, or replaces the row of the same decision."""
        upsert(self._session, ReplayRow, map(values_of, rows))

    def unmatured(self, decision_point: str, decided_before: datetime, limit: int = 10_000) -> Sequence[Decision]:
        """Decisions made at or before then without a matured row, the oldest first."""
        c = _DECISIONS.c
        matured = select(1).where(_REPLAY.c.decision_id == c.decision_id, _REPLAY.c.is_matured)
        query = select_records(Decision, DecisionRow).where(c.decision_point == decision_point)
        query = query.where(c.decided_at <= decided_before, ~matured.exists())
        return fetch(self._session, Decision, query.order_by(c.decided_at, c.decision_id).limit(limit))

    def observed(
        self, decision_point: str, *, since: datetime | None = None, only_matured: bool = True, limit: int = 1_000_000
    ) -> Sequence[ObservedDecision]:
        """Ordered by decided_at, decision_id."""
        c = _DECISIONS.c
        joined = _DECISIONS.join(_REPLAY, _REPLAY.c.decision_id == c.decision_id)
        query = select(_REPLAY.c.reward, _REPLAY.c.revision, *columns_of(Decision, _DECISIONS)).select_from(joined)
        query = query.where(c.decision_point == decision_point)
        if since is not None:
            query = query.where(c.decided_at >= since)
        if only_matured:
            query = query.where(_REPLAY.c.is_matured)
        rows = self._session.execute(query.order_by(c.decided_at, c.decision_id).limit(limit))
        return [ObservedDecision(Decision(*row[2:]), row[0], row[1]) for row in rows]

    def moments(
        self,
        decision_point: str,
        since: datetime,
        *,
        until: datetime | None = None,
        metric: str | None = None,
        segment_id: str | None = None,
    ) -> Mapping[tuple[Arm, str | None], RewardMoments]:
        """(arm, proposal_id) -> of matured decisions made in [since, until); floats, summed by the database.

        A decision without an outcome of the metric counts as zero; what was corrected counts as its correction. With
        `segment_id`, of baseline decisions only those noted as that segment's controls.
        """
        c, joined = _DECISIONS.c, _DECISIONS.join(_REPLAY, _REPLAY.c.decision_id == _DECISIONS.c.decision_id)
        value: Any = cast(_REPLAY.c.reward, Double)
        if metric is not None:
            sums = _sums_of(metric)
            joined = joined.outerjoin(sums, sums.c.decision_id == c.decision_id)
            value = func.coalesce(sums.c.amount, 0.0)
        query = select(c.arm, c.proposal_id, func.sum(value).label("s"), func.count().label("n")).select_from(joined)
        query = query.where(c.decision_point == decision_point, c.decided_at >= since, _REPLAY.c.is_matured)
        if until is not None:
            query = query.where(c.decided_at < until)
        if segment_id is not None:
            noted = select(_CONTROLS.c.decision_id).where(_CONTROLS.c.segment_id == segment_id)
            query = query.where(or_(c.arm == Arm.POLICY, c.decision_id.in_(noted)))
        unit: Any = query.group_by(c.arm, c.proposal_id, c.unit).subquery().c
        products = (unit.s * unit.s, unit.s * unit.n, unit.n * unit.n)
        totals = (func.count(), func.sum(unit.n), func.sum(unit.s), *map(func.sum, products))
        rows = self._session.execute(select(unit.arm, unit.proposal_id, *totals).group_by(unit.arm, unit.proposal_id))
        return {(row[0], row[1]): RewardMoments(int(row[2]), int(row[3]), *map(float, row[4:])) for row in rows}

    def counts(self) -> Mapping[str, int]:
        """matured | waiting -> rows."""
        query = select(_REPLAY.c.is_matured, func.count()).group_by(_REPLAY.c.is_matured)
        found = fetch_pairs(self._session, query)
        return {"matured": found.get(True, 0), "waiting": found.get(False, 0)}


def _sums_of(metric: str) -> Any:  # noqa: ANN401 # SQLAlchemy's subquery
    """decision_id -> the metric's amounts in force; the same rule as `tracker.rewards.in_force`.

    That is: from every outcome that corrects none, along its newest correction to the end of the chain.
    """
    o, rival = _OUTCOMES.c, _OUTCOMES.alias().c
    is_newer = or_(
        rival.observed_at > o.observed_at,
        and_(rival.observed_at == o.observed_at, rival.outcome_id > o.outcome_id),
    )
    newest = ~select(1).where(rival.corrects == o.corrects, is_newer).exists()
    link = select(o.outcome_id, o.corrects).where(o.corrects.is_not(None), newest).subquery().c
    chain = select(o.outcome_id).where(o.corrects.is_(None)).cte(recursive=True)
    chain = chain.union_all(select(link.outcome_id).where(link.corrects == chain.c.outcome_id))
    corrected = select(o.corrects).where(o.corrects.is_not(None))
    query = select(o.decision_id, func.sum(cast(o.converted_amount, Double)).label("amount"))
    in_force = (o.outcome_id.in_(select(chain.c.outcome_id)), o.outcome_id.not_in(corrected))
    return query.where(o.metric == metric, *in_force).group_by(o.decision_id).subquery()
