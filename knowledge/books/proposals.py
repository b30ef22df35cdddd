"""Books of the approval gate: strategies, proposals with their status, approvals."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlmodel import Session

from domain.errors import AlreadyRecorded
from domain.proposals import Approval, Proposal, Status, TrackedProposal
from domain.records import StrategyRecord
from knowledge.rows import (
    fetch,
    fetch_one,
    insert_all,
    names_of,
    not_found,
    rows_touched,
    select_records,
    table_of,
    upsert,
    values_of,
)
from knowledge.tables.proposals import ApprovalRow, ProposalRow, StrategyRow

_STRATEGIES = table_of(StrategyRow)
_PROPOSALS = table_of(ProposalRow)
_APPROVALS = table_of(ApprovalRow)


class SqlStrategyBook:
    """Strategies as last recommended."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, records: Sequence[StrategyRecord]) -> None:
        """A strategy recommended again keeps its id and gets the newer evidence; the order given is kept."""
        rows = (values_of(record) | {"position": position} for position, record in enumerate(records))
        upsert(self._session, StrategyRow, rows)

    def get(self, strategy_id: str) -> StrategyRecord:
        """One strategy.

        Raises:
            NotFound: no such strategy.
        """
        query = select_records(StrategyRecord, StrategyRow).where(_STRATEGIES.c.strategy_id == strategy_id)
        found = fetch_one(self._session, StrategyRecord, query)
        if found is None:
            known = names_of(
                self._session, _STRATEGIES.c.strategy_id, _STRATEGIES.c.recommended_at, _STRATEGIES.c.position.desc()
            )
            raise not_found("strategy", strategy_id, known)
        return found

    def recent(self, decision_point: str | None = None, limit: int = 50) -> Sequence[StrategyRecord]:
        """Of the newest run first, in its order."""
        c = _STRATEGIES.c
        run_at = func.max(c.recommended_at).over(partition_by=c.run)
        query = select_records(StrategyRecord, StrategyRow)
        query = query.order_by(run_at.desc(), c.run, c.position, c.strategy_id).limit(limit)
        if decision_point is not None:
            query = query.where(c.decision_point == decision_point)
        return fetch(self._session, StrategyRecord, query)


class SqlProposalBook:
    """Proposals, of which the newest revision counts, and where each stands."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, proposal: Proposal, at: datetime) -> None:
        """A first or next revision, in DRAFT.

        Raises:
            AlreadyRecorded: it does not follow the newest revision; the key refuses a second one of two at once.
        """
        query = select(func.max(_PROPOSALS.c.revision)).where(_PROPOSALS.c.proposal_id == proposal.proposal_id)
        newest = self._session.execute(query).scalar_one() or 0
        if proposal.revision != newest + 1:
            raise AlreadyRecorded(
                f"proposal {proposal.proposal_id} stands at revision {newest}, found revision {proposal.revision}",
                f"make revision {newest + 1} of what stands there now",
            )
        row = {
            "proposal_id": proposal.proposal_id,
            "revision": proposal.revision,
            "proposal": proposal,
            "status": Status.DRAFT,
            "since": at,
            "step": 0,
            "paused_from": None,
            "added_at": at,
        }
        insert_all(self._session, ProposalRow, [row])

    def get(self, proposal_id: str) -> TrackedProposal:
        """The newest revision.

        Raises:
            NotFound: no such proposal.
        """
        query = select_records(TrackedProposal, ProposalRow).where(_PROPOSALS.c.proposal_id == proposal_id, _newest())
        found = fetch_one(self._session, TrackedProposal, query)
        if found is None:
            known = names_of(self._session, _PROPOSALS.c.proposal_id, _PROPOSALS.c.added_at)
            raise not_found("proposal", proposal_id, list(dict.fromkeys(known)))
        return found

    def all(self, statuses: Collection[Status] | None = None) -> Sequence[TrackedProposal]:
        """The newest revision of each, newest first."""
        newest_first = (_PROPOSALS.c.added_at.desc(), _PROPOSALS.c.proposal_id)
        query = select_records(TrackedProposal, ProposalRow).where(_newest()).order_by(*newest_first)
        if statuses is not None:
            query = query.where(_PROPOSALS.c.status.in_(sorted(statuses)))
        return fetch(self._session, TrackedProposal, query)

    def set_status(
        self, proposal_id: str, *, expected: Status, to: Status, at: datetime, step: int, paused_from: Status | None
    ) -> bool:
        """False where it stood elsewhere: another worker was faster.

        From a status to itself (the next step of a canary) only a higher step is a move, so of two workers that
        take one step, one hears False too.
        """
        c = _PROPOSALS.c
        stands_there = (c.proposal_id == proposal_id, _newest(), c.status == expected)
        move = _PROPOSALS.update().where(*stands_there, or_(c.status != to, c.step < step))
        move = move.values(status=to, since=at, step=step, paused_from=paused_from)
        return rows_touched(self._session.execute(move)) == 1


class SqlApprovalBook:
    """Who approved which revision; nobody twice."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, approval: Approval) -> None:
        insert_all(self._session, ApprovalRow, [values_of(approval)])

    def of(self, proposal_id: str, revision: int) -> Sequence[Approval]:
        """The first word first."""
        c = _APPROVALS.c
        query = select_records(Approval, ApprovalRow).where(c.proposal_id == proposal_id, c.revision == revision)
        return fetch(self._session, Approval, query.order_by(c.approved_at, c.approver))


def _newest() -> ColumnElement[bool]:
    others = _PROPOSALS.alias("others")
    newest = select(func.max(others.c.revision)).where(others.c.proposal_id == _PROPOSALS.c.proposal_id)
    return _PROPOSALS.c.revision == newest.scalar_subquery()
