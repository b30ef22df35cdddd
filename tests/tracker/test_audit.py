"""The chain: intact as written, and a tampered row is found at its very place."""

from pathlib import Path

import pytest
from sqlalchemy import text

from domain.ports import UnitOfWork
from domain.proposals import Status
from knowledge.database import SqlKnowledgeBase, open_knowledge
from tests.tracker.office import BEN, NOON, make_live, make_pending
from tracker.audit import AuditReport, append, verify
from tracker.halts import halt

EDITS = {
    "details": "update audit set details = replace(details, 'widens', 'shrinks') where seq = 3",
    "actor": "update audit set actor = 'eve' where seq = 3",
    "act": "update audit set act = 'move' where seq = 3",
    "subject": "update audit set subject = 'proposal:pr-9' where seq = 3",
    "at": "update audit set at = '2020-01-01 00:00:00.000000' where seq = 3",
    "entry_hash": "update audit set entry_hash = 'f00' where seq = 3",
}


def make_told(tmp_path: Path) -> SqlKnowledgeBase:
    base = open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")
    with base.transaction() as books:
        for n in range(6):
            append(books, actor="ana", subject="note:1", act="note", details={"n": n, "is": "widens"}, now=NOON)
    return base


def edit(base: SqlKnowledgeBase, *statements: str) -> AuditReport:
    """As somebody with the file in their hands would: the triggers first."""
    with base.engine.begin() as connection:
        for act in ("update", "delete"):
            connection.execute(text(f"drop trigger if exists audit_no_{act}"))
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0
    with base.transaction() as books:
        return verify(books)


def test_empty_chain__is_intact(books: UnitOfWork) -> None:
    report = verify(books)
    assert (report.is_intact, report.n_entries) == (True, 0)


def test_chain__is_gapless_and_each_row_carries_the_one_before(books: UnitOfWork) -> None:
    make_live(books)
    halt(books, "global", "test", BEN, NOON)
    entries = books.audit.entries()
    assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
    assert [e.previous_hash for e in entries[1:]] == [e.entry_hash for e in entries[:-1]]
    report = verify(books)
    assert report == AuditReport(len(entries), entries[-1].entry_hash, None, ())


@pytest.mark.parametrize("what", sorted(EDITS))
def test_edited_row__is_found_where_it_is(tmp_path: Path, what: str) -> None:
    report = edit(make_told(tmp_path), EDITS[what])
    assert (report.is_intact, report.broken_seq) == (False, 3)


def test_removed_row__is_found_behind_it(tmp_path: Path) -> None:
    report = edit(make_told(tmp_path), "delete from audit where seq = 3")
    assert (report.broken_seq, report.problems) == (4, ("row 4: follows row 2: 1 rows are missing between them",))


def test_row_hashed_anew__is_found_at_the_next_one(tmp_path: Path) -> None:
    base = make_told(tmp_path)
    with base.transaction() as books:
        third = books.audit.entries()[2]
        other = append(books, actor="eve", subject="note:1", act="note", details={}, now=NOON)
    assert third.entry_hash != other.entry_hash
    report = edit(base, "update audit set entry_hash = (select entry_hash from audit where seq = 7) where seq = 3")
    assert report.broken_seq == 3


def test_cut_tail__shows_in_the_head_s_hash_alone(tmp_path: Path) -> None:
    base = make_told(tmp_path)
    with base.transaction() as books:
        before = verify(books)
    after = edit(base, "delete from audit where seq = 6")
    assert after.is_intact
    assert after.head_hash != before.head_hash


def make_told_of_proposals(tmp_path: Path) -> SqlKnowledgeBase:
    base = open_knowledge(f"sqlite:///{tmp_path / 'amso.db'}")
    with base.transaction() as books:
        make_live(books)
        make_pending(books)
    return base


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "update proposals set status = 'ACTIVE' where proposal_id = 'pr-2'",
            "pr-2 stands at ACTIVE step 0, the audit",
        ),
        ("update proposals set step = 1 where proposal_id = 'pr-1'", "pr-1 stands at CANARY step 1, the audit chain"),
        (
            "update proposals set proposal = replace(proposal, '0.04', '1.0') where proposal_id = 'pr-1'",
            "pr-1 was edited after it was proposed",
        ),
        (
            "update proposals set proposal = replace(proposal, 'promote', 'reject') where proposal_id = 'pr-1'",
            "pr-1: its evidence was edited",
        ),
        ("update approvals set approver = 'eve'", "pr-1: the approval by eve is not the one in the audit chain"),
        ("update approvals set expires_at = '2099-01-01 00:00:00.000000'", "the approval by ben is not the one"),
        ("delete from proposals where proposal_id = 'pr-2'", "pr-2 is in the audit chain and nowhere else"),
    ],
)
def test_books_that_say_otherwise_than_the_chain__are_told(tmp_path: Path, statement: str, problem: str) -> None:
    base = make_told_of_proposals(tmp_path)
    with base.transaction() as books:
        assert verify(books).is_intact
    report = edit(base, statement)
    assert not report.is_intact
    assert any(problem in line for line in report.problems), report.problems


def test_move_that_cannot_be__is_told_at_its_row(books: UnitOfWork) -> None:
    make_pending(books)
    details = {"from": "PENDING", "to": "ACTIVE", "step": 0, "revision": 1, "reason": "forged"}
    row = append(books, actor="eve", subject="proposal:pr-1", act="move", details=details, now=NOON)
    books.proposals.set_status(
        "pr-1",
        expected=Status.PENDING,
        to=Status.ACTIVE,
        at=NOON,
        step=0,
        paused_from=None,
    )
    report = verify(books)
    assert report.broken_seq == row.seq
    assert "cannot have moved from PENDING to ACTIVE" in report.problems[0]
