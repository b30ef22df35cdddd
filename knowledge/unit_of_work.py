"""The books of one transaction, made as they are asked for; implements `domain.ports.UnitOfWork`."""

from functools import cached_property

from sqlmodel import Session

from knowledge.books.caps import SqlCapBook
from knowledge.books.control import SqlHaltBook, SqlOutbox, SqlWorkerBook
from knowledge.books.decisions import SqlDecisionLog
from knowledge.books.events import SqlEventBook, SqlUnitBook
from knowledge.books.offline import SqlAnalysisBook, SqlImportBook, SqlPolicyBook, SqlQuarantine, SqlRunBook
from knowledge.books.outcomes import SqlOutcomeBook, SqlReplayStore, SqlRewardBook
from knowledge.books.people import SqlAuditTrail, SqlPeopleBook
from knowledge.books.proposals import SqlApprovalBook, SqlProposalBook, SqlStrategyBook
from knowledge.books.verdicts import SqlRealisedBook, SqlVerdictBook


class SqlUnitOfWork:
    """Lives inside `SqlKnowledgeBase.transaction()`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def imports(self) -> SqlImportBook:
        return SqlImportBook(self._session)

    @cached_property
    def quarantine(self) -> SqlQuarantine:
        return SqlQuarantine(self._session)

    @cached_property
    def runs(self) -> SqlRunBook:
        return SqlRunBook(self._session)

    @cached_property
    def policies(self) -> SqlPolicyBook:
        return SqlPolicyBook(self._session)

    @cached_property
    def analyses(self) -> SqlAnalysisBook:
        return SqlAnalysisBook(self._session)

    @cached_property
    def events(self) -> SqlEventBook:
        return SqlEventBook(self._session)

    @cached_property
    def units(self) -> SqlUnitBook:
        return SqlUnitBook(self._session)

    @cached_property
    def decisions(self) -> SqlDecisionLog:
        return SqlDecisionLog(self._session)

    @cached_property
    def outcomes(self) -> SqlOutcomeBook:
        return SqlOutcomeBook(self._session)

    @cached_property
    def rewards(self) -> SqlRewardBook:
        return SqlRewardBook(self._session)

    @cached_property
    def replay(self) -> SqlReplayStore:
        return SqlReplayStore(self._session)

    @cached_property
    def strategies(self) -> SqlStrategyBook:
        return SqlStrategyBook(self._session)

    @cached_property
    def proposals(self) -> SqlProposalBook:
        return SqlProposalBook(self._session)

    @cached_property
    def approvals(self) -> SqlApprovalBook:
        return SqlApprovalBook(self._session)

    @cached_property
    def people(self) -> SqlPeopleBook:
        return SqlPeopleBook(self._session)

    @cached_property
    def audit(self) -> SqlAuditTrail:
        return SqlAuditTrail(self._session)

    @cached_property
    def halts(self) -> SqlHaltBook:
        return SqlHaltBook(self._session)

    @cached_property
    def caps(self) -> SqlCapBook:
        return SqlCapBook(self._session)

    @cached_property
    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self._session)

    @cached_property
    def workers(self) -> SqlWorkerBook:
        return SqlWorkerBook(self._session)

    @cached_property
    def verdicts(self) -> SqlVerdictBook:
        return SqlVerdictBook(self._session)

    @cached_property
    def realised(self) -> SqlRealisedBook:
        return SqlRealisedBook(self._session)
