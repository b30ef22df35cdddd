"""One decision with everything it knew: enough to replay it bit for bit, and to value any policy afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.events import Features


class Arm(StrEnum):
    """Where a salted hash put the unit. policy: a live proposal decides · baseline: none does · holdout: none ever."""

    POLICY = "policy"
    BASELINE = "baseline"
    HOLDOUT = "holdout"


@dataclass(frozen=True)
class Decision:
    """What was answered. Propensities are conditional on arm, restriction and unit state; `unit` is a pseudonym."""

    decision_id: str
    request_id: str
    decision_point: str
    unit: str
    decided_at: datetime
    mode: str  # log | shadow | gated
    arm: Arm
    action: str  # what the customer gets
    propensity: float  # of `action` where the arm is policy, else 1
    eligible: tuple[str, ...]  # after restriction, in the catalogue's order
    distribution: Mapping[str, float]  # over `eligible`
    draw: float  # in [0, 1): the action is where it falls in the cumulated distribution
    policy_version: str  # p-... | constant:ACTION
    proposal_id: str | None  # the approved proposal that covers it; None = the baseline
    why: str  # one sentence for a person
    features: Features
    catalogue_version: str
    numpy_version: str
    payload: Mapping[str, object]
    valid_until: datetime | None  # an offer is honoured until then; None = good for this request only
    reserved_amount: Decimal  # worst case of the action, held from the caps
    exploration_share: float = 0.0  # of the draw that was spread evenly; replay needs it
    shadow_action: str | None = None  # what a policy would have done, in mode shadow
    shadow_distribution: Mapping[str, float] | None = None

    @property
    def served(self) -> str:
        """policy | baseline | holdout, the word of the answer."""
        return self.arm.value


@dataclass(frozen=True)
class Answer:
    """What the product gets back (DESIGN section 5)."""

    decision_id: str
    request_id: str
    action: str
    payload: Mapping[str, object]
    propensity: float
    served: str
    why: str
    policy_version: str
    valid_until: datetime | None
    proposal_id: str | None = None  # what covers it; not part of the product's answer

    def to_data(self) -> dict[str, object]:
        return {
            "decision_id": self.decision_id,
            "request_id": self.request_id,
            "action": self.action,
            "payload": dict(self.payload),
            "propensity": self.propensity,
            "served": self.served,
            "why": self.why,
            "policy_version": self.policy_version,
            "valid_until": None if self.valid_until is None else self.valid_until.isoformat(),
        }


@dataclass(frozen=True)
class RewardRevision:
    """The reward of a decision as of a time; a later outcome, correction or refund makes the next revision."""

    decision_id: str
    revision: int  # from 1
    amount: Decimal  # in the business's currency, action cost off
    reward_version: str  # name@version of the reward function
    as_of: datetime
    cause: str  # outcome:ID | matured


@dataclass(frozen=True)
class Experience:
    """One row of the replay buffer: a decision with its newest reward."""

    decision_id: str
    decision_point: str
    unit: str
    decided_at: datetime
    reward: Decimal
    revision: int
    is_matured: bool
    updated_at: datetime
