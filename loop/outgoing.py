"""What is to leave over the wire: answers, and effects for workers outside, written in the decision's transaction.

`relay.py` publishes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from domain.decisions import Answer, Arm
from domain.ports import Clock, UnitOfWork
from loop.points import Point

PRODUCER = "amso"


@dataclass(frozen=True)
class Outgoing:
    """Writes what is to be published."""

    decisions_stream: str
    effects_stream: str
    clock: Clock

    def add(self, books: UnitOfWork, answer: Answer, unit: str, point: Point, baseline: str) -> None:
        """The answer; and where a worker outside must act, the effect. `unit` is the pseudonym."""
        self._write(books, self.decisions_stream, answer.decision_id, "decision", answer.to_data())
        self.add_effect(books, answer, unit, point, baseline)

    def add_effect(self, books: UnitOfWork, answer: Answer, unit: str, point: Point, baseline: str) -> None:
        """Where a worker outside must act. Effects are never of the baseline."""
        if answer.served == Arm.POLICY and answer.action != baseline and not point.is_carried_out_by_product:
            effect = _effect(answer, unit)
            self._write(books, self.effects_stream, str(effect["effect_id"]), "effect", effect)

    def _write(self, books: UnitOfWork, stream: str, key: str, kind: str, body: Mapping[str, object]) -> None:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        fields = {"id": key, "producer": PRODUCER, "at": self.clock.now().isoformat(), "type": kind, "body": text}
        books.outbox.add(stream, [fields])


def _effect(answer: Answer, unit: str) -> Mapping[str, object]:
    return {
        "effect_id": f"e-{answer.decision_id}",
        "decision_id": answer.decision_id,
        "unit_id": unit,
        "action": answer.action,
        "payload": dict(answer.payload),
        "proposal_id": answer.proposal_id,
        "valid_until": None if answer.valid_until is None else answer.valid_until.isoformat(),
    }
