"""The bodies of DESIGN section 5, one reader a kind: plain data to frozen records and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collection.body_reader import BodyReader
from domain.errors import InvalidRecord
from domain.events import (
    Body,
    CustomerSnapshot,
    DecisionRequest,
    Envelope,
    Exposure,
    FinanceEntry,
    MarketPoint,
    Outcome,
    UnitsMerged,
)


def parse_body(envelope: Envelope) -> Body:
    """The body as its kind's record.

    Raises:
        InvalidRecord: a key is missing, unknown or of another form; the reason is the same for all such records.
    """
    kind = _KINDS.get(envelope.kind)
    if kind is None:
        raise InvalidRecord("unknown type", f"expected {', '.join(_KINDS)}")
    return kind.read(BodyReader(envelope.kind, envelope.body, kind.keys))


def body_data(body: Body) -> dict[str, object]:
    """The inverse of `parse_body`: JSON-able, without what is not there; amounts as text, which is exact."""
    data = _KINDS[kind_of(body)].write(body)
    return {key: value for key, value in data.items() if value is not None}


def kind_of(body: Body) -> str:
    """The entry type under which a body travels."""
    return next(name for name, kind in _KINDS.items() if isinstance(body, kind.record))


def keys_of(kind: str) -> tuple[str, ...]:
    return _KINDS[kind].keys


@dataclass(frozen=True)
class _Kind:
    record: type
    keys: tuple[str, ...]
    read: Callable[[BodyReader], Body]

    def write(self, body: Body) -> Mapping[str, object]:
        fields = _FIELD_NAMES.get(self.record, {})
        return {key: _plain(getattr(body, fields.get(key, key))) for key in self.keys}


def _customer(body: BodyReader) -> CustomerSnapshot:
    return CustomerSnapshot(body.text("unit_id"), body.features("features"))


def _market(body: BodyReader) -> MarketPoint:
    return MarketPoint(body.text("series"), body.number("value"))


def _finance(body: BodyReader) -> FinanceEntry:
    return FinanceEntry(body.text("account"), body.amount("amount"), body.currency("currency"))


def _context(body: BodyReader) -> DecisionRequest:
    return DecisionRequest(
        request_id=body.text("request_id"),
        decision_point=body.text("decision_point"),
        unit_id=body.text("unit_id"),
        features=body.features("features"),
        eligible=body.optional_texts("eligible"),
        baseline_action=body.optional_text("baseline_action"),
    )


def _exposure(body: BodyReader) -> Exposure:
    return Exposure(body.text("decision_id"), body.text("shown_action"))


def _outcome(body: BodyReader) -> Outcome:
    outcome = Outcome(
        outcome_id=body.text("outcome_id"),
        unit_id=body.text("unit_id"),
        metric=body.text("metric"),
        amount=body.amount("amount"),
        currency=body.currency("currency"),
        decision_id=body.optional_text("decision_id"),
        corrects=body.optional_text("corrects"),
        environment=body.optional_text("environment"),
    )
    if outcome.corrects == outcome.outcome_id:
        raise InvalidRecord("outcome: corrects itself")
    return outcome


def _merged(body: BodyReader) -> UnitsMerged:
    merged = UnitsMerged(body.text("from"), body.text("to"))
    if merged.from_unit_id == merged.to_unit_id:
        raise InvalidRecord("customer.merged: `from` and `to` are the same unit")
    return merged


_OUTCOME_KEYS = (
    "outcome_id",
    "decision_id",
    "unit_id",
    "metric",
    "amount",
    "currency",
    "corrects",
    "environment",
)
_CONTEXT_KEYS = ("request_id", "decision_point", "unit_id", "features", "eligible", "baseline_action")
_KINDS = {
    "customer": _Kind(CustomerSnapshot, ("unit_id", "features"), _customer),
    "market": _Kind(MarketPoint, ("series", "value"), _market),
    "finance": _Kind(FinanceEntry, ("account", "amount", "currency"), _finance),
    "context": _Kind(DecisionRequest, _CONTEXT_KEYS, _context),
    "exposure": _Kind(Exposure, ("decision_id", "shown_action"), _exposure),
    "outcome": _Kind(Outcome, _OUTCOME_KEYS, _outcome),
    "customer.merged": _Kind(UnitsMerged, ("from", "to"), _merged),
}
_FIELD_NAMES: Mapping[type, Mapping[str, str]] = {
    UnitsMerged: {"from": "from_unit_id", "to": "to_unit_id"}
}  # where a key is a word of the language
KINDS = tuple(_KINDS)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, (str, float)) else str(value)
