"""`amso audit verify`: walks the audit chain, and holds every proposal and approval against it."""

from dataclasses import dataclass

from loop.text import console
from loop.wiring import Workspace
from tracker.audit import AuditReport, verify


@dataclass(frozen=True)
class AuditAnswer:
    """What was found."""

    report: AuditReport

    @property
    def exit_code(self) -> int:
        return 0 if self.report.is_intact else 1

    def to_data(self) -> dict[str, object]:
        r = self.report
        return {
            "is_intact": r.is_intact,
            "n_entries": r.n_entries,
            "head_hash": r.head_hash,
            "broken_seq": r.broken_seq,
            "problems": list(r.problems),
        }

    def print(self) -> None:
        out, r = console(), self.report
        if r.is_intact:
            out.print(f"the audit chain is intact: {r.n_entries:,} rows")
        else:
            out.print(f"the audit chain is BROKEN; {r.n_entries:,} rows were read")
            for problem in r.problems:
                out.print(f"  · {problem}", markup=False, soft_wrap=True)
        out.print(f"hash of its newest row, to be kept elsewhere: {r.head_hash}", soft_wrap=True)


def verify_audit(workspace: Workspace) -> AuditAnswer:
    """The verb; exit 1 where anything does not fit."""
    with workspace.knowledge.transaction() as books:
        return AuditAnswer(verify(books))
