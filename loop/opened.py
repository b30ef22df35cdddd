"""`amso.open`: deciding and recording from product code in the same process, without a server in between."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from domain.decisions import Answer
from domain.errors import InvalidRecord
from domain.events import Features
from loop.serving import Refused, Taken, decide_one, take_outcome
from loop.wiring import Workspace, open_workspace

T = TypeVar("T")


class Amso:
    """What `open` returns; threads may share it. Close it, or use it in a `with` block."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def decide(
        self,
        *,
        request_id: str,
        decision_point: str,
        unit_id: str,
        features: Features,
        eligible: Sequence[str] | None = None,
        baseline_action: str | None = None,
    ) -> Answer:
        """The answer to one context; the same `request_id` gets the same answer.

        Raises:
            InvalidRecord: it cannot be answered at all; it stands in the quarantine.
            SourceUnavailable: SQL does not answer: show the baseline.
        """
        body = {
            "request_id": request_id,
            "decision_point": decision_point,
            "unit_id": unit_id,
            "features": dict(features),
            "eligible": None if eligible is None else list(eligible),
            "baseline_action": baseline_action,
        }
        return _taken(decide_one(self.workspace, _given(body)))

    def record_outcome(
        self,
        *,
        outcome_id: str,
        unit_id: str,
        metric: str,
        amount: Decimal | float,
        currency: str,
        decision_id: str | None = None,
        corrects: str | None = None,
        at: datetime | None = None,
    ) -> Taken:
        """Takes one outcome in, once. It is safe in SQL when this returns.

        Raises:
            InvalidRecord: it cannot be taken in; it stands in the quarantine.
            SourceUnavailable: SQL does not answer; send it again.
        """
        body = {
            "outcome_id": outcome_id,
            "unit_id": unit_id,
            "metric": metric,
            "amount": str(amount),
            "currency": currency,
            "decision_id": decision_id,
            "corrects": corrects,
            "at": None if at is None else at.isoformat(),
        }
        return _taken(take_outcome(self.workspace, _given(body)))

    def close(self) -> None:
        self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_amso(config: Path | str | None = None, overrides: Sequence[str] = ()) -> Amso:
    """Opens the stores of a config; None = amso.yaml here, else the built-in defaults."""
    return Amso(open_workspace(None if config is None else Path(config), overrides))


def _given(body: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if value is not None}


def _taken(result: T | Refused) -> T:
    if isinstance(result, Refused):
        raise InvalidRecord(result.reason, result.hint)
    return result
