"""`amso halt` and `amso resume --halt`: the kill switch. SQL first, for it is the truth; then the latch in Redis.

Halted is whatever either of the two says, so a latch that cannot be written now leaves nothing running that should not.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from domain.errors import AmsoError, NotFound
from domain.people import Person
from domain.ports import UnitOfWork
from domain.proposals import Halt
from loop.identity import act_as
from loop.text import console
from loop.wiring import Workspace
from tracker import halts as tracker


@dataclass(frozen=True)
class HaltAnswer:
    """What was done about one halt, and what is halted now."""

    halt: Halt
    state: str  # halted | resume_asked | resumed
    halts: tuple[Halt, ...]  # that stand
    warning: str | None  # why the latch in Redis does not say so yet

    def to_data(self) -> dict[str, object]:
        return {
            **halt_to_data(self.halt),
            "state": self.state,
            "halts": [halt_to_data(h) for h in self.halts],
            "is_mirrored": self.warning is None,
            "warning": self.warning,
        }

    def print(self) -> None:
        out, h = console(), self.halt
        said = {
            "halted": f"{h.scope} is halted by {h.halted_by}" + (f": {h.reason}" if h.reason else ""),
            "resume_asked": f"{h.resume_asked_by} asks to resume {h.scope}; it goes on once a second person confirms",
            "resumed": f"{h.scope} goes on",
        }[self.state]
        out.print(said, markup=False, soft_wrap=True)
        if self.warning is not None:
            out.print(f"warning: {self.warning}", markup=False, soft_wrap=True)


def halt(workspace: Workspace, token: str | None, scope: str, reason: str) -> HaltAnswer:
    """The verb `halt`: one person stops everything, a decision point or a policy version.

    Raises:
        UsageError: no such kind of scope, or a decision point that the config does not have.
        NotFound: a policy version that neither is registered nor was ever proposed: a slip must not look like a halt.
        NotPermitted: the token proves nobody.
    """
    kind, _, name = scope.partition(":")
    if kind == "point" and name:
        workspace.settings.decision_point_name(name)

    def act(books: UnitOfWork, person: Person, now: datetime) -> Halt:
        if kind == "policy" and name:
            _refuse_unknown_version(books, name)
        return tracker.halt(books, scope, reason, person, now)

    return _mirrored(workspace, act_as(workspace, token, act), "halted")


def resume_halt(workspace: Workspace, token: str | None, scope: str) -> HaltAnswer:
    """The verb `resume --halt`: the first person asks, a second one confirms.

    Raises:
        NotFound: nothing of that scope is halted.
        NotPermitted: the very person who asked.
    """

    def act(books: UnitOfWork, person: Person, now: datetime) -> tuple[Halt, str]:
        stands = next((h for h in books.halts.all() if h.scope == scope), None)
        if stands is None or stands.resume_asked_by is None:
            return tracker.ask_resume(books, scope, person, now), "resume_asked"
        return tracker.confirm_resume(books, scope, person, now), "resumed"

    try:
        return _mirrored(workspace, *act_as(workspace, token, act))
    except NotFound:  # a latch that could not be written when it was resumed stands in Redis alone
        mirror_halts(workspace)
        raise


def mirror_halts(workspace: Workspace) -> tuple[tuple[Halt, ...], str | None]:
    """Writes the latch as SQL has it now; the halts, and why the latch could not be written."""
    from collection.halt_store import RedisHaltMirror

    with workspace.knowledge.transaction() as books:
        halts = tuple(books.halts.all())
    try:
        RedisHaltMirror(workspace.wire).write(halts)
    except AmsoError as error:
        return halts, f"SQL says so, but the latch in Redis could not be written: {error.message}"
    return halts, None


def halt_to_data(halt: Halt) -> dict[str, object]:
    return {**asdict(halt), "halted_at": halt.halted_at.isoformat()}


def _refuse_unknown_version(books: UnitOfWork, version: str) -> None:
    if version not in {t.proposal.policy_version for t in books.proposals.all()}:
        books.policies.get(version)


def _mirrored(workspace: Workspace, halt: Halt, state: str) -> HaltAnswer:
    halts, warning = mirror_halts(workspace)
    if warning is not None and state == "resumed":
        warning += "; it stays halted there until `amso live` starts anew, or anything is halted or resumed again"
    return HaltAnswer(halt, state, halts, warning)
