"""A strategy = what x whom x limits; recommendation ranks them, people approve proposals of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.estimates import Verdict
from domain.segments import Segment, predicate_to_data


@dataclass(frozen=True)
class Strategy:
    """What is done for whom within which limits. Its id does not depend on evidence, so memory accumulates."""

    decision_point: str
    segment: Segment
    action: str  # an action id, `policy:VERSION`, or `experiment`
    limits: Mapping[str, object] = field(default_factory=dict)

    @property
    def strategy_id(self) -> str:
        body = {
            "decision_point": self.decision_point,
            "segment": predicate_to_data(self.segment.predicate),
            "action": self.action,
            "limits": dict(self.limits),
        }
        return "st-" + hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class RankedStrategy:
    """A strategy with its evidence: gain over the baseline summed over its units and the horizon."""

    rank: int
    strategy: Strategy
    n_units: int
    expected_value: float | None  # null where the data cannot tell
    low: float | None
    high: float | None
    cost: float | None  # extra cost over the baseline; null where the log carries no cost
    roi: float | None  # gain / extra cost; null at zero cost
    historical: Mapping[str, object]
    simulated: Mapping[str, object]
    risk_tier: str
    verdict: Verdict
    reason: str
