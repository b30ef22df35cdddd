"""The decision log on both engines: decisions come back bit for bit, and are found every way the loop asks."""

import struct
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.decisions import Arm, Decision
from domain.errors import AlreadyRecorded, InvalidSnapshot, NotFound
from knowledge.database import SqlKnowledgeBase
from tests.knowledge.making import at, fresh, make_decision, without_offer

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SHARES = st.dictionaries(TEXT, st.floats(0, 1), max_size=4)
MONEY = st.decimals(allow_nan=False, allow_infinity=False)
DECISIONS = st.builds(
    replace,
    st.builds(lambda minutes: make_decision(fresh("d"), minutes=minutes), st.integers(0, 10**7)),
    arm=st.sampled_from(Arm),
    propensity=st.floats(0, 1, exclude_min=True),
    draw=st.floats(0, 1, exclude_max=True),
    why=TEXT,
    eligible=st.lists(TEXT, max_size=4).map(tuple),
    distribution=SHARES,
    features=st.dictionaries(TEXT, TEXT | NUMBER | st.booleans() | st.none(), max_size=5),
    payload=st.dictionaries(TEXT, st.lists(NUMBER, max_size=2), max_size=3),
    reserved_amount=MONEY,
    shadow_distribution=st.none() | SHARES,
    shadow_action=st.none() | TEXT,
)


def add(base: SqlKnowledgeBase, *decisions: Decision) -> None:
    with base.transaction() as books:
        books.decisions.add(decisions)


def bits(values: object) -> list[bytes]:
    assert isinstance(values, dict)
    return [struct.pack("<d", value) for value in values.values() if isinstance(value, float)]


@given(DECISIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_decision__comes_back_equal_to_the_bit(base: SqlKnowledgeBase, decision: Decision) -> None:
    add(base, decision)
    with base.transaction() as books:
        found = books.decisions.get(decision.decision_id)
    assert found == decision
    assert type(found.arm) is Arm
    assert str(found.reserved_amount) == str(decision.reserved_amount)
    assert list(found.distribution) == list(decision.distribution)  # the order that is cumulated
    for name in ("features", "distribution"):
        assert bits(getattr(found, name)) == bits(getattr(decision, name))


def test_decision_id_taken__is_refused_and_the_first_stays(base: SqlKnowledgeBase) -> None:
    add(base, make_decision())
    with pytest.raises(AlreadyRecorded):
        add(base, make_decision("d-2"), replace(make_decision(), action="none"))
    with base.transaction() as books:
        assert books.decisions.find(["d-1", "d-2", "d-1"]) == {"d-1": make_decision()}
        with pytest.raises(NotFound, match="d-2"):
            books.decisions.get("d-2")


def test_propensity_that_is_no_number__is_refused(base: SqlKnowledgeBase) -> None:
    with pytest.raises(InvalidSnapshot, match="finite"):
        add(base, replace(make_decision(), propensity=float("nan")))


def test_request__gets_its_decision_and_a_repeat_may_share_it(base: SqlKnowledgeBase) -> None:
    add(base, make_decision())
    with base.transaction() as books:
        books.decisions.note_requests({"r-1": ("d-1", "hash 1"), "r-2": ("d-1", "hash 2")}, "main", at(0))
        books.decisions.note_requests({"r-1": ("d-1", "hash 1")}, "main", at(1))  # redelivered
    with base.transaction() as books:
        answered = books.decisions.of_requests("main", ["r-1", "r-2", "r-3"])
        assert answered == {"r-1": (make_decision(), "hash 1"), "r-2": (make_decision(), "hash 2")}
        assert books.decisions.of_requests("renewal", ["r-1"]) == {}


def test_request_answered_otherwise__is_refused(base: SqlKnowledgeBase) -> None:
    with base.transaction() as books:
        books.decisions.note_requests({"r-1": ("d-1", "hash")}, "main", at(0))
    with pytest.raises(AlreadyRecorded, match="answered by decision d-1"), base.transaction() as books:
        books.decisions.note_requests({"r-0": ("d-2", "hash"), "r-1": ("d-2", "hash")}, "main", at(0))
    with base.transaction() as books:
        books.decisions.note_requests({"r-1": ("d-2", "hash")}, "renewal", at(0))  # another point's request


def test_standing_offer__is_the_newest_still_valid(base: SqlKnowledgeBase) -> None:
    old, new = make_decision("d-1"), make_decision("d-2", minutes=5)
    add(base, old, new, without_offer(make_decision("d-3", minutes=9)), make_decision("d-4", unit="u-2"))
    with base.transaction() as books:
        offers = books.decisions.standing_offers
        assert offers("main", ["u-1"], at(10)) == {"u-1": new}
        assert offers("main", ["u-1", "u-2", "u-3"], at(59)) == {"u-1": new, "u-2": make_decision("d-4", unit="u-2")}
        assert offers("main", ["u-1"], at(65)) == {}
        assert offers("renewal", ["u-1"], at(10)) == {}


def test_last_eligible__is_the_newest_inside_its_point_s_window(base: SqlKnowledgeBase) -> None:
    paywall, renewal = make_decision("d-1", minutes=10), make_decision("d-2", point="renewal")
    add(base, paywall, renewal, make_decision("d-3", minutes=11, unit="u-2"))
    windows = {"main": 600.0, "renewal": 3600.0}
    with base.transaction() as books:
        found = {m: books.decisions.last_eligible(["u-1"], at(m), windows) for m in (-1, 0, 10, 20, 20.1, 60, 60.1)}
        assert books.decisions.last_eligible(["u-1"], at(10), {}) is None
    ids = {minutes: decision and decision.decision_id for minutes, decision in found.items()}
    assert ids == {-1: None, 0: "d-2", 10: "d-1", 20: "d-1", 20.1: "d-2", 60: "d-2", 60.1: None}


def test_what_was_served__counts_policy_alone(base: SqlKnowledgeBase) -> None:
    add(
        base,
        make_decision("d-1"),
        make_decision("d-2", minutes=1, unit="u-2"),
        make_decision("d-3", minutes=2, arm=Arm.HOLDOUT),
        make_decision("d-4", minutes=3, point="renewal"),
    )
    with base.transaction() as books:
        served = books.decisions.served_since("main", ["u-2", "u-1"], at(0))
        assert served == [("u-1", "discount_10", at(0)), ("u-2", "discount_10", at(1))]
        assert books.decisions.n_served_since("main", "discount_10", at(0.5)) == 1
        assert books.decisions.count("main") == {"holdout": 1, "policy": 2}
        assert books.decisions.count() == {"holdout": 1, "policy": 3}
        assert books.decisions.tally("prop-1", at(1)) == {"discount_10": 3}
        assert [d.decision_id for d in books.decisions.recent(2)] == ["d-4", "d-3"]
        assert [d.decision_id for d in books.decisions.recent(1, "main")] == ["d-3"]


def test_decisions__are_counted_by_span_and_by_what_was_served(base: SqlKnowledgeBase) -> None:
    add(
        base,
        make_decision("d-1"),
        make_decision("d-2", minutes=9.9, unit="u-2"),
        make_decision("d-3", minutes=10, unit="u-3"),
        make_decision("d-4", minutes=12, arm=Arm.HOLDOUT),
        make_decision("d-5", minutes=20, arm=Arm.BASELINE),
    )
    with base.transaction() as books:
        counted = books.decisions.count_between([at(0), at(10), at(20)])
        assert counted == {"holdout": (0, 1), "policy": (2, 1)}
        assert books.decisions.count_between([at(0)]) == {}


def test_more_decisions_than_one_statement_asks_for__are_all_found_in_seconds(base: SqlKnowledgeBase) -> None:
    decisions = [make_decision(f"d-{i:05d}", minutes=i / 60) for i in range(12_000)]
    started = time.process_time()
    add(base, *decisions)
    with base.transaction() as books:
        found = books.decisions.find([decision.decision_id for decision in decisions])
    assert time.process_time() - started < 12  # under 1 s on a quiet core: fails only if rows go one by one
    assert len(found) == 12_000
    assert found["d-11999"] == decisions[-1]
