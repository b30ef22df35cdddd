"""Envelopes and bodies: what goes out comes back; whatever is malformed has a reason that counts well."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.bodies import KINDS, kind_of, parse_body
from collection.envelope import body_hash, entry_fields, parse_envelope, raw_text
from domain.errors import InvalidRecord
from domain.events import (
    Body,
    CustomerSnapshot,
    DecisionRequest,
    Exposure,
    FinanceEntry,
    MarketPoint,
    Outcome,
    StreamEntry,
    UnitsMerged,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BODIES: dict[str, dict[str, object]] = {
    "customer": {"unit_id": "u", "features": {"plan": "monthly", "age": 31, "is_new": True, "left": None}},
    "market": {"series": "competitor_price", "value": 9.99},
    "finance": {"account": "revenue", "amount": "12.50", "currency": "EUR"},
    "context": {
        "request_id": "r",
        "decision_point": "paywall",
        "unit_id": "u",
        "features": {"age": 31},
        "eligible": ["a", "b"],
        "baseline_action": "a",
    },
    "exposure": {"decision_id": "d", "shown_action": "a"},
    "outcome": {
        "outcome_id": "o",
        "decision_id": "d",
        "unit_id": "u",
        "metric": "net_revenue",
        "amount": "9.99",
        "currency": "EUR",
        "corrects": "o0",
        "environment": "production",
    },
    "customer.merged": {"from": "anonymous", "to": "u"},
}


def make_fields(kind: str = "outcome", body: object = None, **changes: str | None) -> dict[str, str]:
    text = body if isinstance(body, str) else json.dumps(BODIES[kind] if body is None else body)
    fields = {"id": "e-1", "producer": "shop", "seq": "7", "at": NOW.isoformat(), "type": kind, "body": text}
    return {name: value for name, value in (fields | changes).items() if value is not None}


def parse(fields: dict[str, str]) -> Body:
    return parse_body(parse_envelope(StreamEntry("1-0", fields)))


def reason(fields: dict[str, str]) -> str:
    with pytest.raises(InvalidRecord) as caught:
        parse(fields)
    return caught.value.message


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda t: bool(t.strip())
)
maybe = st.none() | text
amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=6)
currencies = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
scalars = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | text | st.just("")
features = st.dictionaries(text, scalars, max_size=5)
bodies = st.one_of(
    st.builds(CustomerSnapshot, text, features),
    st.builds(MarketPoint, text, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(FinanceEntry, text, amounts, currencies),
    st.builds(DecisionRequest, text, text, text, features, st.none() | st.lists(text, max_size=4).map(tuple), maybe),
    st.builds(Exposure, text, text),
    st.builds(Outcome, text, text, text, amounts, currencies, maybe, maybe, maybe).filter(
        lambda o: o.corrects != o.outcome_id
    ),
    st.tuples(text, text).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: UnitsMerged(*pair)),
)


@given(body=bodies, event_id=text, producer=text, seq=st.none() | st.integers(0, 2**63 - 1), at=st.datetimes())
def test_round_trip__gives_back_what_a_producer_wrote(
    body: Body, event_id: str, producer: str, seq: int | None, at: datetime
) -> None:
    aware = at.replace(tzinfo=UTC)
    fields = entry_fields(body, event_id=event_id, producer=producer, at=aware, seq=seq)
    envelope = parse_envelope(StreamEntry("1-0", fields))
    assert parse_body(envelope) == body
    assert (envelope.event_id, envelope.producer, envelope.seq, envelope.at) == (event_id, producer, seq, aware)
    assert envelope.kind == kind_of(body)


@given(fields=st.dictionaries(st.sampled_from(["id", "producer", "seq", "at", "type", "body", "x"]), st.text()))
def test_any_text__is_read_or_refused_never_worse(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidRecord):
        parse(fields)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(kind=st.sampled_from(KINDS), key=st.integers(0, 7), value=json_values)
def test_any_value_of_any_key__is_read_or_refused_never_worse(kind: str, key: int, value: object) -> None:
    body = dict(BODIES[kind])
    body[list(body)[key % len(body)]] = value
    with suppress(InvalidRecord):
        parsed = parse(make_fields(kind, body))
        assert parse(entry_fields(parsed, event_id="e", producer="p", at=NOW)) == parsed


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind__is_read(kind: str) -> None:
    assert kind_of(parse(make_fields(kind))) == kind


def test_outcome__by_hand() -> None:
    assert parse(make_fields("outcome")) == Outcome(
        "o", "u", "net_revenue", Decimal("9.99"), "EUR", "d", "o0", "production"
    )


def test_amounts__are_exact_from_text_and_as_written_from_numbers() -> None:
    for amount in ("9.99", 9.99):
        body = parse(make_fields("finance", BODIES["finance"] | {"amount": amount}))
        assert isinstance(body, FinanceEntry)
        assert body.amount == Decimal("9.99")


def test_times__become_utc() -> None:
    at = datetime(2026, 3, 2, 14, tzinfo=timezone(timedelta(hours=2)))
    for written in (at.isoformat(), "2026-03-02T12:00:00Z"):
        assert parse_envelope(StreamEntry("1-0", make_fields(at=written))).at == NOW


def test_optional_keys__may_be_absent_or_null() -> None:
    body = {key: BODIES["outcome"][key] for key in ("outcome_id", "unit_id", "metric", "amount", "currency")}
    assert parse(make_fields("outcome", body)) == parse(make_fields("outcome", body | {"decision_id": None}))
    context = {key: BODIES["context"][key] for key in ("request_id", "decision_point", "unit_id", "features")}
    parsed = parse(make_fields("context", context))
    assert isinstance(parsed, DecisionRequest)
    assert parsed.eligible is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": None}, "`id` is missing"),
        ({"id": ""}, "`id` is missing"),
        ({"id": " "}, "`id` is empty"),
        ({"id": "x" * 201}, "`id` is longer than 200 characters"),
        ({"id": "a\0b"}, "`id` holds what is no text"),
        ({"id": "a\udcffb"}, "`id` holds what is no text"),
        ({"producer": None}, "`producer` is missing"),
        ({"seq": "-1"}, "`seq` is not a whole number from 0 to 2^63 - 1"),
        ({"seq": "1.5"}, "`seq` is not a whole number from 0 to 2^63 - 1"),
        ({"seq": "٣"}, "`seq` is not a whole number from 0 to 2^63 - 1"),
        ({"seq": str(2**63)}, "`seq` is not a whole number from 0 to 2^63 - 1"),
        ({"at": None}, "`at` is missing"),
        ({"at": "yesterday"}, "`at` is not an ISO 8601 time"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "`at` is not an ISO 8601 time"),
        ({"at": "2026-03-02T12:00:00"}, "`at` has no time zone"),
        ({"type": None}, "`type` is missing"),
        ({"type": "outcom"}, "unknown type; did you mean `outcome`?"),
        ({"body": ""}, "`body` is missing"),
        ({"body": '{"outcome_id": "o", '}, "`body` is not JSON"),
        ({"body": "[" * 100_000}, "`body` is not JSON"),
        ({"body": "1" * 5000}, "`body` is not JSON"),
        ({"body": '{"a": "\\ud800"}'}, "`body` is not JSON"),
        ({"body": "[]"}, "`body` is not a JSON object"),
        ({"body": '{"a": 1, "a": 2}'}, "`body` has a key twice"),
        ({"body": '{"amount": NaN}'}, "`body` holds NaN or an infinity"),
        ({"bdy": "{}"}, "unknown field; did you mean `body`?"),
    ],
)
def test_malformed_envelope__has_its_reason(changes: dict[str, str | None], expected: str) -> None:
    assert reason(make_fields("outcome", **changes)) == expected


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("outcome", {"outcome_id": None}, "outcome: `outcome_id` is missing"),
        ("outcome", {"outcome_id": 7}, "outcome: `outcome_id` is not text"),
        ("outcome", {"unit_id": "a\0"}, "outcome: `unit_id` holds what is no text"),
        ("outcome", {"amount": "ten"}, "outcome: `amount` is not an amount"),
        ("outcome", {"amount": "NaN"}, "outcome: `amount` is not an amount"),
        ("outcome", {"amount": "1_000"}, "outcome: `amount` is not an amount"),
        ("outcome", {"amount": True}, "outcome: `amount` is not an amount"),
        ("outcome", {"amount": ["9"]}, "outcome: `amount` is not an amount"),
        ("outcome", {"amount": 1e300}, "outcome: `amount` is beyond 10^15, or has more than 12 places after the point"),
        (
            "outcome",
            {"amount": "0.1234567890123"},
            "outcome: `amount` is beyond 10^15, or has more than 12 places after the point",
        ),
        ("outcome", {"currency": "euro"}, "outcome: `currency` is not a currency code of three capitals"),
        ("outcome", {"currency": "eur"}, "outcome: `currency` is not a currency code of three capitals"),
        ("outcome", {"corrects": "o"}, "outcome: corrects itself"),
        ("outcome", {"curency": "EUR"}, "outcome: unknown key; did you mean `currency`?"),
        ("outcome", {"zzz": 1}, "outcome: unknown key"),
        ("market", {"value": "9"}, "market: `value` is not a number"),
        ("market", {"value": True}, "market: `value` is not a number"),
        ("market", {"value": 2**53 + 1}, "market: `value` is a whole number beyond 2^53, which text would keep"),
        ("finance", {"account": ""}, "finance: `account` is empty"),
        ("customer", {"features": None}, "customer: `features` is missing"),
        ("customer", {"features": [1]}, "customer: `features` is not an object"),
        ("customer", {"features": {"a": [1]}}, "an entry of customer: `features` is not a number"),
        ("customer", {"features": {"": 1}}, "a name in customer: `features` is empty"),
        ("customer", {"features": {"a": "\0"}}, "an entry of customer: `features` holds what is no text"),
        ("context", {"eligible": "a"}, "context: `eligible` is not a list"),
        ("context", {"eligible": [1]}, "an entry of context: `eligible` is not text"),
        ("exposure", {"shown_action": None}, "exposure: `shown_action` is missing"),
        ("customer.merged", {"to": "anonymous"}, "customer.merged: `from` and `to` are the same unit"),
    ],
)
def test_malformed_body__has_its_reason(kind: str, changes: dict[str, object], expected: str) -> None:
    assert reason(make_fields(kind, BODIES[kind] | changes)) == expected


def test_infinite_number__is_refused() -> None:
    assert reason(make_fields("market", '{"series": "s", "value": 1e999}')) == "market: `value` is not finite"
    assert reason(make_fields("outcome", json.dumps(BODIES["outcome"]).replace('"9.99"', "1e999"))) == (
        "outcome: `amount` is not finite"
    )


def test_body_hash__ignores_the_order_of_keys_and_sees_every_value() -> None:
    def hash_of(body: dict[str, object]) -> str:
        return body_hash(parse_envelope(StreamEntry("1-0", make_fields("market", body))))

    one = hash_of({"series": "s", "value": 1.5})
    assert one == hash_of({"value": 1.5, "series": "s"})
    assert one != hash_of({"series": "s", "value": 1.6})


def test_raw_text__holds_whatever_came() -> None:
    raw = raw_text({"a": "\udcff\0", "b": float("nan"), "c": float("inf"), "d": Decimal("1.5"), "e": NOW})
    assert raw.isascii()
    assert json.loads(raw) == {"a": "\udcff\0", "b": "nan", "c": "inf", "d": "1.5", "e": "2026-03-02 12:00:00+00:00"}
