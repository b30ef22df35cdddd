"""Outcomes to rewards: attributed, converted, corrected, parked, matured; each once, in whatever order it came."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.decisions import Arm
from domain.events import Outcome
from domain.ports import UnitOfWork
from domain.proposals import Coverage, Scope
from knowledge.database import SqlKnowledgeBase
from tests.tracker.conftest import Undo
from tests.tracker.office import DAY, NOON, make_decision, make_envelope, make_outcome, make_settings
from tracker.caps import budget_cap, open_budget, reserve
from tracker.outcomes import (
    AlreadyKnown,
    Ignored,
    OutcomeResult,
    Parked,
    Recorded,
    Rejected,
    mature,
    outcome_rules,
    record_outcome,
)

RULES = outcome_rules(make_settings(), {(NOON.date() + DAY, "USD"): Decimal("0.9")})
COST = Decimal("1.5")  # of an offer


def take(
    books: UnitOfWork, outcome: Outcome, *, at: datetime = NOON + DAY, now: datetime = NOON + DAY, unit: str = "u-1"
) -> OutcomeResult:
    return record_outcome(books, outcome, envelope=make_envelope(at), pseudonym=unit, rules=RULES, now=now)


def reward_of(books: UnitOfWork, decision_id: str = "d-1") -> Decimal | None:
    latest = books.rewards.latest(decision_id)
    return None if latest is None else latest.amount


@pytest.fixture
def decided(books: UnitOfWork) -> UnitOfWork:
    books.decisions.add([make_decision()])
    return books


def test_outcome__becomes_a_revision_and_a_replay_row(decided: UnitOfWork) -> None:
    result = take(decided, make_outcome(amount="10"))
    assert isinstance(result, Recorded)
    assert result.revision is not None
    assert (result.revision.revision, result.revision.amount, result.revision.cause) == (1, 10 - COST, "outcome:o-1")
    assert result.revision.reward_version == "net_revenue@1"
    (row,) = decided.replay.observed("flow", only_matured=False)
    assert (row.reward, row.revision) == (10 - COST, 1)
    assert decided.replay.counts() == {"matured": 0, "waiting": 1}
    assert result.outcome.unit == "u-1"


def test_same_outcome_again__changes_nothing(decided: UnitOfWork) -> None:
    take(decided, make_outcome())
    assert take(decided, make_outcome(), now=NOON + 9 * DAY) == AlreadyKnown("o-1")
    assert len(decided.rewards.history("d-1")) == 1


def test_same_id_with_another_content__is_rejected_and_the_first_stands(decided: UnitOfWork) -> None:
    take(decided, make_outcome(amount="10"))
    again = take(decided, make_outcome(amount="11"))
    assert again == Rejected("o-1", "came before with another content; the first one stands")
    assert reward_of(decided) == 10 - COST


def test_unknown_decision__is_rejected(decided: UnitOfWork) -> None:
    result = take(decided, make_outcome(decision_id="d-9"))
    assert result == Rejected("o-1", "names a decision that was never made")
    assert decided.outcomes.get("o-1") is None


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e15"])
def test_amount_that_is_none__is_rejected(decided: UnitOfWork, amount: str) -> None:
    assert isinstance(take(decided, make_outcome(amount=amount)), Rejected)


def test_other_environment__is_ignored(decided: UnitOfWork) -> None:
    assert isinstance(take(decided, make_outcome(environment="sandbox")), Ignored)
    assert isinstance(take(decided, make_outcome(environment="production")), Recorded)


def test_other_currency__is_converted_at_its_day_s_rate(decided: UnitOfWork) -> None:
    result = take(decided, make_outcome(amount="10", currency="USD"))
    assert isinstance(result, Recorded)
    assert (result.outcome.converted_amount, result.outcome.exchange_rate) == (Decimal(9), Decimal("0.9"))
    assert reward_of(decided) == 9 - COST
    other_day = take(decided, make_outcome("o-2", currency="USD"), at=NOON + 2 * DAY)
    assert other_day == Rejected("o-2", "not in EUR, and no exchange rate for its day")


def test_unnamed_outcome__goes_to_the_unit_s_last_decision_inside_the_wait(books: UnitOfWork) -> None:
    early, late = make_decision("d-1"), make_decision("d-2", decided_at=NOON + 5 * DAY)
    books.decisions.add([early, late, make_decision("d-3", unit="u-2", decided_at=NOON + 6 * DAY)])
    days = {1: "d-1", 6: "d-2", 19: "d-2", 20: None}
    for day, decision_id in days.items():
        result = take(books, make_outcome(f"o-{day}", decision_id=None), at=NOON + day * DAY)
        assert isinstance(result, Recorded)
        assert (result.outcome.decision_id, result.outcome.is_named) == (decision_id, False)
    assert books.outcomes.count() == {"attributed": 3, "unattributed": 1}


def test_named_outcome__counts_however_late(decided: UnitOfWork) -> None:
    mature(decided, "flow", rules=RULES, now=NOON + 14 * DAY)
    assert reward_of(decided) == -COST
    result = take(decided, make_outcome(amount="-20", metric="refund"), at=NOON + 99 * DAY, now=NOON + 99 * DAY)
    assert isinstance(result, Recorded)
    assert reward_of(decided) == -20 - COST
    assert decided.replay.counts() == {"matured": 1, "waiting": 0}
    assert [r.cause for r in decided.rewards.history("d-1")] == ["matured", "outcome:o-1"]


def test_correction__goes_where_its_original_went(decided: UnitOfWork) -> None:
    take(decided, make_outcome("o-1", "10"))
    take(decided, make_outcome("o-2", "4", decision_id=None, corrects="o-1"), at=NOON + 80 * DAY)
    assert reward_of(decided) == 4 - COST


def test_correction_that_names_another_decision_or_itself__is_rejected(decided: UnitOfWork) -> None:
    decided.decisions.add([make_decision("d-2")])
    take(decided, make_outcome("o-1"))
    other = take(decided, make_outcome("o-2", decision_id="d-2", corrects="o-1"))
    assert other == Rejected("o-2", "names another decision than the outcome that it corrects")
    assert take(decided, make_outcome("o-3", corrects="o-3")) == Rejected("o-3", "corrects itself")


def test_correction_before_its_original__waits_without_the_raw_unit(decided: UnitOfWork) -> None:
    correction = make_outcome("o-2", "4", corrects="o-1")
    for _ in range(2):
        assert take(decided, correction, at=NOON + 2 * DAY) == Parked("o-2", "o-1")
    conflict = take(decided, replace(correction, amount=Decimal(5)), at=NOON + 2 * DAY)
    assert isinstance(conflict, Rejected)
    (parked,) = decided.outcomes.parked()
    assert "raw-1" not in str(parked)
    result = take(decided, make_outcome("o-1", "10"), now=NOON + 3 * DAY)
    assert isinstance(result, Recorded)
    assert [type(r) for r in result.taken_up] == [Recorded]
    assert reward_of(decided) == 4 - COST
    assert decided.outcomes.parked() == []
    assert take(decided, correction, at=NOON + 2 * DAY) == AlreadyKnown("o-2")


def test_decision_nobody_answered__matures_with_its_default(decided: UnitOfWork) -> None:
    decided.decisions.add([make_decision("d-2", arm=Arm.HOLDOUT, action="nothing"), make_decision("d-3", mode="log")])
    assert mature(decided, "flow", rules=RULES, now=NOON + 14 * DAY - timedelta(seconds=1)) == 0
    assert mature(decided, "flow", rules=RULES, now=NOON + 14 * DAY) == 3
    assert mature(decided, "flow", rules=RULES, now=NOON + 15 * DAY) == 0
    rewards = {row.decision.decision_id: row.reward for row in decided.replay.observed("flow")}
    assert rewards == {"d-1": -COST, "d-2": 0, "d-3": -COST}


def test_maturing__keeps_what_outcomes_made_and_takes_the_oldest_first(books: UnitOfWork) -> None:
    books.decisions.add([make_decision(f"d-{n}", decided_at=NOON - n * DAY) for n in range(5)])
    take(books, make_outcome(decision_id="d-4"), now=NOON)
    assert mature(books, "flow", rules=RULES, now=NOON + 14 * DAY, limit=2) == 2
    rows = {row.decision.decision_id: (row.reward, row.revision) for row in books.replay.observed("flow")}
    assert rows == {"d-4": (10 - COST, 2), "d-3": (-COST, 1)}


def test_first_outcome_after_the_wait__closes_the_decision(decided: UnitOfWork) -> None:
    result = take(decided, make_outcome(), now=NOON + 14 * DAY)
    assert isinstance(result, Recorded)
    assert result.revision is not None
    assert (result.revision.cause, result.revision.revision) == ("matured", 2)
    assert decided.replay.counts() == {"matured": 1, "waiting": 0}
    assert mature(decided, "flow", rules=RULES, now=NOON + 15 * DAY) == 0


def test_budget__is_held_when_deciding_and_settled_once(books: UnitOfWork) -> None:
    covered = Coverage(Scope(budget_amount=Decimal(4)), NOON + 90 * DAY)
    open_budget(books, "pr-1", covered)
    held = Decimal(2)
    assert [reserve(books, "pr-1", covered, held) for _ in range(3)] == [True, True, False]
    assert reserve(books, "pr-9", Coverage(Scope(), NOON), held)  # no budget, no bound
    books.decisions.add(
        [make_decision(f"d-{n}", proposal_id="pr-1", reserved_amount=held) for n in (1, 2)]
        + [make_decision("d-3", proposal_id="pr-1", action="nothing")]
    )
    take(books, make_outcome(), now=NOON + 14 * DAY)
    mature(books, "flow", rules=RULES, now=NOON + 14 * DAY)
    take(books, make_outcome("o-2"), now=NOON + 15 * DAY)
    cap = books.caps.get(budget_cap("pr-1"))
    assert cap is not None
    assert (cap.reserved_amount, cap.spent_amount) == (Decimal(0), 2 * COST)


Told = tuple[Outcome, datetime]


@st.composite
def tellings(draw: st.DrawFn) -> list[Told]:
    """Outcomes of two decisions and of nobody, with corrections of corrections, each at its own minute."""
    told: list[Told] = []
    for n in range(draw(st.integers(1, 9))):
        corrects = draw(st.sampled_from([None, *(o.outcome_id for o, _ in told)]))
        outcome = make_outcome(
            f"o-{n}",
            str(Decimal(draw(st.integers(-5000, 5000))) / 100),
            metric=draw(st.sampled_from(["net_revenue", "refund", "support_contacts"])),
            currency=draw(st.sampled_from(["EUR", "USD"])),
            decision_id=None if corrects else draw(st.sampled_from(["d-1", "d-2", None])),
            corrects=corrects,
        )
        told.append((outcome, NOON + DAY + timedelta(minutes=draw(st.integers(0, 3)))))
    return told


def ledger(told: Sequence[Told], decision_id: str) -> Decimal:
    """An independent account: a table of standing entries that corrections overwrite, read when all is known."""
    by_id = {o.outcome_id: (o, at) for o, at in told}

    def root(o: Outcome) -> Outcome:
        return o if o.corrects is None else root(by_id[o.corrects][0])

    total = -COST
    for outcome, _ in told:
        owner = root(outcome).decision_id or "d-2"  # the unit's last decision
        heirs = [(at, o.outcome_id) for o, at in told if o.corrects is not None and o.corrects == outcome.outcome_id]
        is_standing = not heirs and _is_chosen(outcome, by_id, told)
        if owner == decision_id and is_standing and outcome.metric != "support_contacts":
            value = outcome.amount * (Decimal("0.9") if outcome.currency == "USD" else 1)
            total += -abs(value) if outcome.metric == "refund" else value
    return total


def _is_chosen(outcome: Outcome, by_id: dict[str, Told], told: Sequence[Told]) -> bool:
    """Whether on its way up it is, at each fork, the newest correction."""
    while outcome.corrects is not None:
        rivals = [(at, o.outcome_id) for o, at in told if o.corrects == outcome.corrects]
        if max(rivals)[1] != outcome.outcome_id:
            return False
        outcome = by_id[outcome.corrects][0]
    return True


@settings(max_examples=60, deadline=None)
@given(told=tellings(), data=st.data())
def test_rewards__equal_an_independent_ledger_in_whatever_order_things_come(
    shared_base: SqlKnowledgeBase, told: list[Told], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(told + told[:2]))  # some come twice
    matures_after = data.draw(st.integers(0, len(order)))
    try:
        with shared_base.transaction() as books:
            books.decisions.add([make_decision("d-1"), make_decision("d-2", decided_at=NOON + timedelta(hours=1))])
            for n, (outcome, at) in enumerate(order):
                if n == matures_after:
                    mature(books, "flow", rules=RULES, now=NOON + 20 * DAY)
                take(books, outcome, at=at, now=NOON + DAY)
            mature(books, "flow", rules=RULES, now=NOON + 20 * DAY)
            for decision_id in ("d-1", "d-2"):
                assert reward_of(books, decision_id) == ledger(told, decision_id)
            assert sum(books.outcomes.count().values()) == len(told)
            assert books.outcomes.parked() == []
            assert books.replay.counts() == {"matured": 2, "waiting": 0}
            raise Undo
    except Undo:
        pass


def test_unnamed_outcome_of_a_merged_unit__finds_what_was_decided_under_its_earlier_name(books: UnitOfWork) -> None:
    books.decisions.add([make_decision(unit="cookie")])
    books.units.merge("cookie", "account", NOON)
    for name, unit in (("o-1", "account"), ("o-2", "cookie")):
        result = take(books, make_outcome(name, decision_id=None, amount="10"), unit=unit)
        assert isinstance(result, Recorded)
        assert (result.outcome.decision_id, result.outcome.unit) == ("d-1", "account")
    assert reward_of(books) == 20 - COST


def test_same_outcome_again_after_a_merge__is_known(books: UnitOfWork) -> None:
    books.decisions.add([make_decision(unit="cookie")])
    take(books, make_outcome(decision_id=None), unit="cookie")
    books.units.merge("cookie", "account", NOON)
    assert take(books, make_outcome(decision_id=None), unit="cookie") == AlreadyKnown("o-1")
