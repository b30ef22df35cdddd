"""What a guardrail's test says of a live proposal: evaluation/ reads it, tracker/ acts on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GuardrailReading:
    """Policy minus baseline a decision, with an interval that holds whenever one looks."""

    metric: str  # `reward`, or a guardrail's own
    n_policy: int  # decisions whose reward has matured
    n_baseline: int
    difference: float
    low: float
    high: float
    harm_margin: float  # what the approver calls harm
    is_breached: bool
