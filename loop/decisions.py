"""`amso decisions` and `amso replay`: what was decided, with everything that was known, and the same computed again."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from domain.decisions import Decision, RewardRevision
from domain.records import StoredOutcome
from loop.replaying import Deciders, Difference, difference
from loop.shelf import PolicyShelf
from loop.text import console, number, progress_bar, table
from loop.wiring import Workspace

REPLAY_LIMIT = 100_000
SHOWN = 20  # differences in the terminal; --json has all
REPORT_EVERY = 500


@dataclass(frozen=True)
class DecisionAnswer:
    """One decision, whole."""

    decision: Decision
    raw_unit_id: str | None  # None where it was erased
    outcomes: tuple[StoredOutcome, ...]
    rewards: tuple[RewardRevision, ...]

    def to_data(self) -> dict[str, object]:
        return {
            **decision_to_data(self.decision),
            "raw_unit_id": self.raw_unit_id,
            "outcomes": [_plain(asdict(o)) for o in self.outcomes],
            "rewards": [_plain(asdict(r)) for r in self.rewards],
        }

    def print(self) -> None:
        out = console()
        for name, value in decision_to_data(self.decision).items():
            out.print(f"{name}: {value}", markup=False, soft_wrap=True)
        out.print(f"unit as the product knows it: {self.raw_unit_id or 'erased'}", markup=False)
        rows = [
            (o.outcome_id, o.metric, f"{o.observed_at:%Y-%m-%d %H:%M}", f"{o.amount} {o.currency}")
            for o in self.outcomes
        ]
        out.print(table("Outcomes", ("outcome", "metric", "observed (UTC)", "amount"), rows, n_text=3))
        revisions = [(str(r.revision), r.cause, f"{r.as_of:%Y-%m-%d %H:%M}", str(r.amount)) for r in self.rewards]
        out.print(table("Reward", ("revision", "cause", "as of (UTC)", "amount"), revisions, n_text=3))


@dataclass(frozen=True)
class DecisionsAnswer:
    """The newest decisions."""

    decisions: tuple[Decision, ...]

    def to_data(self) -> dict[str, object]:
        return {"decisions": [decision_to_data(d) for d in self.decisions]}

    def print(self) -> None:
        rows = [
            (
                d.decision_id,
                f"{d.decided_at:%Y-%m-%d %H:%M:%S}",
                d.decision_point,
                d.action,
                d.served,
                d.policy_version,
                number(d.propensity),
            )
            for d in self.decisions
        ]
        header = ("decision", "at (UTC)", "decision point", "action", "served", "policy", "propensity")
        console().print(table("Decisions, the newest first", header, rows, n_text=6))


@dataclass(frozen=True)
class ReplayAnswer:
    """What came out of computing decisions again."""

    n_replayed: int
    by_served: Mapping[str, int]
    n_shadows: int  # kept what a policy would have done, which is not replayed
    differences: tuple[Difference, ...]  # the newest decision first

    @property
    def exit_code(self) -> int:
        return 1 if self.differences else 0

    def to_data(self) -> dict[str, object]:
        return {
            "n_replayed": self.n_replayed,
            "n_same": self.n_replayed - len(self.differences),
            "n_different": len(self.differences),
            "by_served": dict(self.by_served),
            "n_shadows_not_replayed": self.n_shadows,
            "first_difference": self.differences[0].to_data() if self.differences else None,
            "differences": [d.to_data() for d in self.differences],
            "numpy_version": np.__version__,
        }

    def print(self) -> None:
        out = console()
        served = ", ".join(f"{n:,} {name}" for name, n in self.by_served.items()) or "none"
        same = self.n_replayed - len(self.differences)
        out.print(f"{self.n_replayed:,} decisions replayed ({served}): {same:,} the same, bit for bit")
        if self.n_shadows:
            out.print(f"  in {self.n_shadows:,} of them a policy was asked in shadow; its answer is not replayed")
        for d in self.differences[:SHOWN]:
            numpy = (
                "" if d.numpy_version is None else f" (made under NumPy {d.numpy_version}, this is {np.__version__})"
            )
            out.print(f"  · {d.decision_id}: {d.what}{numpy}", markup=False, soft_wrap=True)
        if len(self.differences) > SHOWN:
            out.print(f"  … and {len(self.differences) - SHOWN:,} more; --json has all")


def show_decision(workspace: Workspace, decision_id: str) -> DecisionAnswer:
    """The verb `decisions show`.

    Raises:
        NotFound: no such decision.
    """
    with workspace.knowledge.transaction() as books:
        decision = books.decisions.get(decision_id)
        return DecisionAnswer(
            decision,
            books.units.raw(decision.unit),
            tuple(books.outcomes.of_decision(decision_id)),
            tuple(books.rewards.history(decision_id)),
        )


def list_decisions(workspace: Workspace, *, decision_point: str | None = None, limit: int = 50) -> DecisionsAnswer:
    """The verb `decisions list`."""
    with workspace.knowledge.transaction() as books:
        return DecisionsAnswer(tuple(books.decisions.recent(limit, decision_point)))


def replay(
    workspace: Workspace,
    *,
    decision_id: str | None = None,
    since: datetime | None = None,
    limit: int = REPLAY_LIMIT,
) -> ReplayAnswer:
    """The verb `replay`: one decision, or the newest `limit` of those since a time; exit 1 where any differs.

    Raises:
        NotFound: no such decision.
    """
    with workspace.knowledge.transaction() as books:  # short: computing holds no lock
        if decision_id is not None:
            decisions = [books.decisions.get(decision_id)]
        else:
            decisions = [d for d in books.decisions.recent(limit) if since is None or d.decided_at >= since]
        deciders = Deciders(books, PolicyShelf(workspace.data_dir), decisions)
    differences = []
    with progress_bar("replay") as report:
        for i, decision in enumerate(decisions):
            found = difference(decision, deciders)
            if found is not None:
                differences.append(found)
            if i % REPORT_EVERY == 0:
                report(i / len(decisions), f"{i:,} of {len(decisions):,} decisions")
    n_shadows = sum(d.shadow_distribution is not None for d in decisions)
    return ReplayAnswer(len(decisions), Counter(d.served for d in decisions), n_shadows, tuple(differences))


def decision_to_data(decision: Decision) -> dict[str, object]:
    return _plain({**asdict(decision), "arm": decision.arm.value, "served": decision.served})


def _plain(data: Mapping[str, object]) -> dict[str, object]:
    """JSON-able: decimals as text, times in ISO 8601."""
    return {name: _plain_value(value) for name, value in data.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
