"""What comes over the wire, validated: envelopes and their bodies (DESIGN section 5), one frozen record a kind.

Unit ids are raw here, as the product knows them; `collection/` turns them into pseudonyms at the edge, before anything
is stored. Times are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

Scalar = str | float | bool | None
Features = Mapping[str, Scalar]  # context as a product sends it: text, numbers, flags, null where unknown


@dataclass(frozen=True)
class StreamEntry:
    """An entry as Redis hands it out."""

    entry_id: str
    fields: Mapping[str, str]
    deliveries: int = 1  # how often it was handed out, this time included


@dataclass(frozen=True)
class Envelope:
    """An entry whose fields are there and readable; the body is still plain data."""

    event_id: str  # the producer's idempotency key
    producer: str
    seq: int | None  # per producer, gapless; None where the producer counts nothing
    at: datetime
    kind: str  # customer | market | finance | context | exposure | outcome | customer.merged
    body: Mapping[str, object]


@dataclass(frozen=True)
class CustomerSnapshot:
    unit_id: str
    features: Features


@dataclass(frozen=True)
class MarketPoint:
    series: str
    value: float


@dataclass(frozen=True)
class FinanceEntry:
    account: str
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class DecisionRequest:
    """A context that wants an answer. The same `request_id` gets the same answer for ever."""

    request_id: str
    decision_point: str
    unit_id: str
    features: Features
    eligible: tuple[str, ...] | None = None  # None = all that the catalogue allows
    baseline_action: str | None = None  # what the product would do, where the config names no baseline


@dataclass(frozen=True)
class Exposure:
    """The product says what it really showed."""

    decision_id: str
    shown_action: str


@dataclass(frozen=True)
class Outcome:
    """A measured consequence. `corrects` names an earlier outcome whose amount this one replaces."""

    outcome_id: str
    unit_id: str
    metric: str
    amount: Decimal
    currency: str
    decision_id: str | None = None
    corrects: str | None = None
    environment: str | None = None  # events of another one than the business's are counted and ignored


@dataclass(frozen=True)
class UnitsMerged:
    """An anonymous id became a known one; the first assignment stays."""

    from_unit_id: str
    to_unit_id: str


Body = CustomerSnapshot | MarketPoint | FinanceEntry | DecisionRequest | Exposure | Outcome | UnitsMerged
