from dataclasses import replace

import numpy as np
import pytest

from analysis.diagnosis import content_findings, diagnose, refuse_unknown_actions
from domain.actions import Action, ActionSet
from domain.arrays import Column, FloatArray
from domain.context import Context
from domain.errors import UnsupportedAction
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions

ACTIONS = ActionSet(("none", "promo", "gift"))
N = 3000
COUNTED = np.arange(N, dtype=np.float64) % 400


def make_log(n: int = N, seed: int = 0, columns: dict[str, Column] | None = None) -> LoggedDecisions:
    rng = np.random.default_rng(seed)
    context = Context(columns or {"spend": rng.normal(size=n)}, n)
    action = rng.integers(0, 3, n)
    return LoggedDecisions(ACTIONS, action, rng.normal(size=n), "reward", context, np.arange(n), np.full(n, 1 / 3))


def the(kind: FindingKind, findings: tuple[Finding, ...]) -> Finding:
    (found,) = [f for f in findings if f.kind is kind]
    return found


def test_a_fair_log_has_no_findings() -> None:
    rng = np.random.default_rng(1)
    plan = rng.choice(np.array(["m", "y"], dtype=object), N)
    tenure = rng.integers(0, 400, N).astype(np.float64)
    log = make_log(columns={"tenure_days": tenure, "plan": plan, "price": rng.uniform(5, 9, N)})
    assert diagnose(log, [Action(a, discount_rate=d) for a, d in zip(ACTIONS.ids, (0, 0.1, 0), strict=True)]) == ()


def test_one_action__refuses_and_asks_for_a_second() -> None:
    log = make_log()
    found = the(FindingKind.ONE_ACTION, diagnose(log.take(log.action == 0)))
    assert (found.n_rounds, found.is_refusal) == (int((log.action == 0).sum()), True)
    assert "(none)" in found.text
    assert "two or more" in found.text


@pytest.mark.parametrize(
    ("column", "is_one"), [(np.full(N, 9.99), True), (np.where(np.arange(N) < 5, 8.0, 9.99), False)]
)
def test_one_price_in_a_column__is_told(column: FloatArray, is_one: bool) -> None:
    found = diagnose(make_log(columns={"list_price": column, "spend": COUNTED}))
    assert [(f.kind, f.n_rounds, f.is_refusal) for f in found] == (
        [(FindingKind.ONE_PRICE, N, False)] if is_one else []
    )
    assert all("x_list_price is 9.99 in all 3,000 rows" in f.text for f in found)


def test_one_price_in_the_catalogue__is_told_and_an_unpriced_catalogue_is_not() -> None:
    same = [Action(a, price="monthly", discount_rate=0.1) for a in ACTIONS.ids]
    found = the(FindingKind.ONE_PRICE, diagnose(make_log(), same))
    assert "monthly less 10%" in found.text
    assert diagnose(make_log(), [Action(a) for a in ACTIONS.ids]) == ()
    assert diagnose(make_log(), [*same[:2], replace(same[2], discount_rate=0.2)]) == ()


@pytest.mark.parametrize(("n_columns", "is_short"), [(200, True), (149, False)])
def test_fewer_rows_than_features__forbids_learning_and_estimated_propensities(n_columns: int, is_short: bool) -> None:
    rng = np.random.default_rng(0)
    log = make_log(150, columns={f"f{i}": rng.normal(size=150) for i in range(n_columns)})
    assert [f.kind for f in diagnose(log)] == ([FindingKind.FEW_ROUNDS] if is_short else [])
    if is_short:
        found = the(FindingKind.FEW_ROUNDS, diagnose(log))
        assert (found.n_rounds, found.is_refusal) == (150, True)
        assert "150 rows for 200 features" in found.text
        assert not the(FindingKind.FEW_ROUNDS, content_findings(log, learns=False)).is_refusal
        without = replace(log, propensity=None)
        assert the(FindingKind.FEW_ROUNDS, content_findings(without, learns=False)).is_refusal


@pytest.mark.parametrize(
    ("name", "values", "n_below"),
    [
        ("tenure_days", np.where(np.arange(N) < 40, -1.0, COUNTED), 40),
        ("tenure", -COUNTED - 1.0, N),  # the sign turned over
        ("months_since_order", np.where(np.arange(N) % 5 == 0, -COUNTED, COUNTED), None),
        ("n_orders", np.where(np.arange(N) == 7, -2.0, 1.0), 1),
        ("age", np.random.default_rng(0).normal(size=N), 0),  # somebody centered it
        ("spend_change", -COUNTED, 0),
        ("days_to_renewal", COUNTED - 30.0, 0),  # overdue
        ("page", -COUNTED, 0),
        ("balance", -COUNTED, 0),
    ],
)
def test_negative_lengths_and_counts__are_told_where_the_name_says_so(
    name: str, values: FloatArray, n_below: int | None
) -> None:
    expected = int((values < 0).sum()) if n_below is None else n_below
    found = diagnose(make_log(columns={name: values}))
    assert [(f.kind, f.n_rounds, f.is_refusal) for f in found] == (
        [(FindingKind.NEGATIVE, expected, False)] if expected else []
    )
    assert all(f"x_{name} is negative in {expected:,} of 3,000 rows" in f.text for f in found)


def test_catalogue__what_it_lacks_and_what_was_never_logged() -> None:
    log = make_log()
    catalogue = [Action("none"), Action("promo"), Action("yearly")]
    n_gifts = int((log.action == 2).sum())
    unknown = the(FindingKind.NOT_IN_CATALOGUE, diagnose(log, catalogue))
    assert (unknown.n_rounds, unknown.is_refusal) == (n_gifts, False)
    assert f"gift in {n_gifts:,} of 3,000 rows" in unknown.text
    assert "yearly of the catalogue never occurs" in the(FindingKind.NEVER_LOGGED, diagnose(log, catalogue)).text
    with pytest.raises(UnsupportedAction, match=f"gift in {n_gifts:,}") as raised:
        refuse_unknown_actions(log, catalogue)
    assert "--exclude-action gift" in raised.value.hint
    refuse_unknown_actions(log, ())
    refuse_unknown_actions(log.take(log.action != 2), catalogue)


@pytest.mark.parametrize("column", ["plan", "spend"])
def test_segment_never_offered_anything__is_named_with_its_rows(column: str) -> None:
    rng = np.random.default_rng(3)
    plan, spend = rng.choice(np.array(["m", "y"], dtype=object), N), rng.normal(20, 5, N)
    is_kept_out = plan == "y" if column == "plan" else spend < 15
    log = make_log(columns={"plan": plan, "spend": spend})
    log = replace(log, action=np.where(is_kept_out, 0, log.action), propensity=None)
    found = the(FindingKind.UNTRIED_SEGMENT, diagnose(log))
    assert found.n_rounds == pytest.approx(int(is_kept_out.sum()), abs=15)
    assert not found.is_refusal
    assert f"where {column} " in found.text
    assert "only none was ever logged" in found.text
    eligible = np.ones((N, 3), dtype=np.bool_)
    eligible[is_kept_out, 1:] = False  # a rule of the business, not a gap of the log
    assert diagnose(replace(log, eligible=eligible)) == ()


def test_segments__rare_but_random_offers_make_none() -> None:
    n_found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        log = make_log(2000, seed, {name: rng.normal(size=2000) for name in "abc"})
        log = replace(log, action=(rng.random(2000) < 0.03).astype(np.int64), propensity=None)
        n_found += sum(f.kind is FindingKind.UNTRIED_SEGMENT for f in diagnose(log))
    assert n_found == 0
