"""The reward by hand: corrections, refunds, costs of a payment, direction, as of a time."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.records import StoredOutcome
from tests.tracker.office import DAY, NOON, make_settings
from tracker.rewards import RewardRule, in_force, reward_rule

NET = RewardRule()


def make_stored(outcome_id: str, amount: str, **changes: object) -> StoredOutcome:
    value = Decimal(amount)
    stored = StoredOutcome(
        outcome_id, "d-1", "u-1", "net_revenue", value, "EUR", value, Decimal(1), NOON, NOON, None, is_named=True
    )
    return replace(stored, **changes)  # type: ignore[arg-type]  # tests say what they change


def reward(*outcomes: StoredOutcome, rule: RewardRule = NET, cost: str = "0") -> Decimal:
    return rule.reward(outcomes, action_cost=Decimal(cost))


def test_reward__is_what_came_in_minus_the_action_s_cost() -> None:
    assert reward(make_stored("a", "10.10"), make_stored("b", "0.20"), cost="1.50") == Decimal("8.80")
    assert reward(cost="1.50") == Decimal("-1.50")


def test_refunds__come_off_whatever_their_sign() -> None:
    refund = make_stored("r", "4", metric="refund")
    charged_back = make_stored("c", "-3", metric="chargeback")
    assert reward(make_stored("a", "10"), refund, charged_back, make_stored("n", "-1")) == Decimal(2)


def test_other_metrics__count_for_nothing() -> None:
    assert reward(make_stored("a", "10"), make_stored("s", "7", metric="support_contacts")) == Decimal(10)


def test_correction__stands_in_place_of_what_it_corrects() -> None:
    first = make_stored("a", "10")
    second = make_stored("b", "7", corrects="a", observed_at=NOON + DAY)
    third = make_stored("c", "6", corrects="b", observed_at=NOON + 2 * DAY)
    assert reward(first, second) == Decimal(7)
    assert reward(third, second, first) == Decimal(6)


def test_two_corrections_of_one__the_newest_counts_and_ties_go_by_id() -> None:
    first, late = make_stored("a", "10"), make_stored("z", "7", corrects="a", observed_at=NOON + DAY)
    later = make_stored("b", "3", corrects="a", observed_at=NOON + 2 * DAY)
    assert reward(first, late, later) == reward(later, late, first) == Decimal(3)
    tied = replace(later, observed_at=NOON + DAY)
    assert reward(first, late, tied) == reward(tied, late, first) == Decimal(7)


def test_correction_without_its_original__counts_for_nothing() -> None:
    assert in_force([make_stored("b", "7", corrects="a")]) == []


def test_as_of__counts_what_was_known_then() -> None:
    outcomes = [
        make_stored("a", "10"),
        make_stored("b", "7", corrects="a", received_at=NOON + 5 * DAY),
        make_stored("c", "1", received_at=NOON + 9 * DAY),
    ]
    found = [NET.reward(outcomes, action_cost=Decimal(0), as_of=NOON + n * DAY) for n in (-1, 0, 5, 9)]
    assert found == [0, 10, 7, 8]


def test_minimized_metric__is_a_reward_when_it_is_small() -> None:
    rule = reward_rule(make_settings(objective={"metric": "churn", "direction": "minimize"}))
    assert rule.version == "churn@1"
    assert reward(make_stored("a", "1", metric="churn"), rule=rule, cost="2") == Decimal(-3)
    assert reward(make_stored("a", "5", metric="refund"), rule=rule) == 0


COSTS = {
    "store_commission": {"app_store": 0.30, "web": 0.0},
    "payment_fee": {"rate": 0.029, "fixed": 0.30},
    "tax": {"included": 0.19},
}


@pytest.mark.parametrize(
    ("metric", "amount", "net"),
    [
        ("payment:web", "119", "96.249"),  # 119 - 19 tax - 3.451 - 0.30
        ("payment:app_store", "119", "60.549"),  # and 35.70 commission
        ("payment", "119", "60.549"),  # the store is not known: the dearest
        ("payment:web", "-119", "-100"),  # taken back: the tax returns, the fee does not
        ("net_revenue", "119", "119"),  # net already
        ("refund", "119", "-119"),
    ],
)
def test_gross_payment__pays_tax_commission_and_fee(metric: str, amount: str, net: str) -> None:
    rule = reward_rule(make_settings(costs=COSTS))
    assert reward(make_stored("a", amount, metric=metric), rule=rule) == Decimal(net)
