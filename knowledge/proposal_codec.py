"""A proposal as plain JSON and back, such that its hashes come back too: nothing rounded, no type changed.

What is read is rebuilt from the content, and no hash is stored beside it: whoever edits the content changes the hash.
Evidence comes back as JSON has it (a tuple as a list), which its hash does not tell apart.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.canonical import canonical
from domain.proposals import Plan, Proposal, Scope
from domain.segments import Condition, Predicate, Segment


def segment_to_data(segment: Segment) -> dict[str, object]:
    """Condition by condition: the config's form holds one a column, and makes floats of whole numbers."""
    return {"name": segment.name, "conditions": [asdict(c) for c in segment.predicate.conditions]}


def segment_from_data(data: Mapping[str, Any]) -> Segment:
    return Segment(data["name"], Predicate(tuple(_condition(c) for c in data["conditions"])))


def scope_to_data(scope: Scope) -> dict[str, object]:
    return {
        "reach": scope.reach,
        "budget_amount": _text(scope.budget_amount),
        "loss_cap_amount": _text(scope.loss_cap_amount),
    }


def scope_from_data(data: Mapping[str, Any]) -> Scope:
    return Scope(data["reach"], _decimal(data["budget_amount"]), _decimal(data["loss_cap_amount"]))


def proposal_to_data(proposal: Proposal) -> dict[str, object]:
    """Times keep their offset, which the hash covers."""
    return asdict(proposal) | {
        "segment": segment_to_data(proposal.segment),
        "scope": scope_to_data(proposal.scope),
        "evidence": json.loads(canonical(dict(proposal.evidence))),
        "approvers": dict(proposal.approvers),
        "decide_by": proposal.decide_by.isoformat(),
        "created_at": proposal.created_at.isoformat(),
    }


def proposal_from_data(data: Mapping[str, Any]) -> Proposal:
    values = dict(data) | {
        "segment": segment_from_data(data["segment"]),
        "actions": tuple(data["actions"]),
        "scope": scope_from_data(data["scope"]),
        "plan": _plan(data["plan"]),
        "decide_by": datetime.fromisoformat(data["decide_by"]),
        "created_at": datetime.fromisoformat(data["created_at"]),
    }
    return Proposal(**values)


def _plan(data: Mapping[str, Any]) -> Plan:
    values = dict(data)
    for name in ("canary_steps", "smallest_harm"):
        values[name] = tuple(data[name])
    return Plan(**values)


def _condition(data: Mapping[str, Any]) -> Condition:
    values = dict(data)
    for name in ("any_of", "none_of"):
        values[name] = None if data[name] is None else tuple(data[name])
    return Condition(**values)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
