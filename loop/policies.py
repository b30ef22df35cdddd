"""`amso policies`: what has been registered, and whether its files are intact."""

from dataclasses import asdict, dataclass

from domain.records import PolicyRecord
from loop.targets import policy_directory
from loop.text import console, table
from loop.wiring import Workspace
from policies.artifact import PolicyCard, read_policy_card


@dataclass(frozen=True)
class PoliciesAnswer:
    """Registered versions, the newest first."""

    records: tuple[PolicyRecord, ...]

    def to_data(self) -> dict[str, object]:
        return {"policies": [_record_to_data(r) for r in self.records]}

    def print(self) -> None:
        out = console()
        if not self.records:
            out.print("no policy is registered yet; `amso train --log FILE` registers one")
            return
        rows = [
            (r.policy_version, r.kind, r.decision_point, r.verdict, r.run, f"{r.created_at:%Y-%m-%d %H:%M}")
            for r in self.records
        ]
        out.print(
            table("Policies", ("version", "kind", "decision point", "verdict", "run", "created (UTC)"), rows, n_text=6)
        )


@dataclass(frozen=True)
class PolicyAnswer:
    """One version with what its directory says of itself; reading it checked the hash."""

    record: PolicyRecord
    card: PolicyCard

    def to_data(self) -> dict[str, object]:
        return {**_record_to_data(self.record), "card": asdict(self.card), "is_intact": True}

    def print(self) -> None:
        out = console()
        for name, value in {**asdict(self.record), **asdict(self.card)}.items():
            out.print(f"{name}: {', '.join(value) if isinstance(value, tuple) else value}")
        out.print("files: intact")


def list_policies(workspace: Workspace, decision_point: str | None) -> PoliciesAnswer:
    """The verb `policies list`."""
    with workspace.knowledge.transaction() as books:
        return PoliciesAnswer(tuple(books.policies.all(decision_point)))


def show_policy(workspace: Workspace, policy_version: str) -> PolicyAnswer:
    """The verb `policies show`.

    Raises:
        NotFound: no such version.
        CorruptPolicy: its files are not what was registered.
    """
    with workspace.knowledge.transaction() as books:
        record = books.policies.get(policy_version)
    return PolicyAnswer(record, read_policy_card(policy_directory(workspace, policy_version)))


def _record_to_data(record: PolicyRecord) -> dict[str, object]:
    return {**asdict(record), "created_at": record.created_at.isoformat()}
