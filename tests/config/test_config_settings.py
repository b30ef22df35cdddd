"""What the program asks of settings; the example of the design loads whole."""

import os
from pathlib import Path

import numpy as np
import pytest

from config.decision_points import to_predicate
from config.load import load_settings
from config.settings import Settings
from config.yaml_text import read_yaml
from domain.actions import Action
from domain.context import Context
from domain.errors import ConfigError
from domain.objective import Direction, Objective
from domain.segments import Condition, Predicate, predicate_to_data

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
EXAMPLE = DATA.parent / "examples" / "amso.subscription.yaml"
needs_example = pytest.mark.skipif(not EXAMPLE.is_file(), reason="the example of the design is not on this machine")


def make_settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "amso.yaml"
    path.write_text(text)
    return load_settings(path, environ={})


def _lost(given: object, kept: object, place: str = "") -> list[str]:
    if isinstance(given, dict) and isinstance(kept, dict):
        return [line for key, value in given.items() for line in _lost(value, kept.get(key), f"{place}.{key}")]
    return [] if given == kept and type(given) is type(kept) else [f"{place}: {given!r} became {kept!r}"]


@needs_example
def test_example__loads_whole_and_keeps_every_value() -> None:
    settings = load_settings(EXAMPLE, environ={})
    given, duplicates = read_yaml(EXAMPLE.read_text(), "example")
    lost = _lost(given, settings.to_data())
    assert [line for line in lost if " became " in line and not _is_same_number(line)] == []
    assert duplicates == ()


def _is_same_number(line: str) -> bool:
    """A whole number stands as a float where shares and amounts are meant."""
    given, _, kept = line.partition(": ")[2].partition(" became ")
    return given.isdigit() and kept == f"{given}.0"


@needs_example
def test_example__lists_what_is_not_in_force() -> None:
    blocks = load_settings(EXAMPLE, environ={}).not_in_force()
    assert {"limits.budget", "limits.max_price_change", "privacy.max_price_gap", "notify"} <= set(blocks)
    assert not {"people", "approvals", "guardrails", "holdout", "exploration", "limits.loss_cap"} & set(blocks)
    assert not {"sources.subscribers", "sources.payments", "sources.books", "stores.prefix"} & set(blocks)
    assert "decision_points.cancel_flow.answer_within" in blocks
    assert "sources.past_offers" not in blocks
    assert "objective" not in blocks


def test_decision_log__is_in_force_only_as_a_file(tmp_path: Path) -> None:
    log = "{kind: redis_json, content: decision_log, key: log}"
    settings = make_settings(tmp_path, f"{{stores: {{prefix: shop, redis: 'redis://h'}}, sources: {{log: {log}}}}}")
    assert settings.not_in_force() == ("sources.log",)


def test_gated__is_refused_while_a_limit_would_not_be_kept(tmp_path: Path) -> None:
    points = "decision_points: {m: {mode: gated}, n: {mode: log}}"
    limited = make_settings(tmp_path, f"{{{points}, limits: {{max_price_change: 0.1}}}}")
    with pytest.raises(ConfigError, match="m: mode `gated` is refused while limits"):
        limited.refuse_unenforced_modes()
    make_settings(tmp_path, points).refuse_unenforced_modes()
    shadow = "{decision_points: {m: {mode: shadow}}, limits: {max_price_change: 0.1}}"
    make_settings(tmp_path, shadow).refuse_unenforced_modes()


def test_tier_without_a_person__is_only_the_lowest(tmp_path: Path) -> None:
    tier = "{approvers: {any: 1}, auto: true, decide_within: 1d, valid_for: 9d}"
    make_settings(tmp_path, f"approvals: {{tiers: {{low: {tier}}}}}")
    with pytest.raises(ConfigError, match=r"approvals.tiers.high.auto: found true"):
        make_settings(tmp_path, f"approvals: {{tiers: {{low: {tier}, high: {tier}}}}}")


def test_several_decision_points__must_be_named(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "decision_points: {paywall: {}, cancel_flow: {}}")
    with pytest.raises(ConfigError, match="paywall, cancel_flow"):
        settings.decision_point(None)
    with pytest.raises(ConfigError) as caught:
        settings.decision_point("paywal")
    assert "did you mean `paywall`?" in caught.value.hint


def test_actions__become_the_domain_s(tmp_path: Path) -> None:
    text = "decision_points: {m: {actions: {nothing: {}, call: {cost: 6.5, reversible: false, payload: {a: [1]}}}}}"
    nothing, call = make_settings(tmp_path, text).actions("m")
    assert nothing == Action("nothing")
    assert call == Action("call", cost_amount=6.5, max_cost_amount=6.5, is_reversible=False, payload={"a": [1]})


def test_eligibility__masks_as_written(tmp_path: Path) -> None:
    text = "decision_points: {m: {actions: {a: {eligible: {plan: [monthly, 2], tenure: {min: 60}, minor: [false]}}}}}"
    (action,) = make_settings(tmp_path, text).actions(None)
    plan = np.array(["monthly", "monthly", "2", "annual", "2"], dtype=object)
    tenure, minor = np.array([60.0, 59.0, 61.0, 99.0, np.nan]), np.array([0.0, 0.0, 0.0, 0.0, 0.0])
    mask = action.eligible.mask(Context({"plan": plan, "tenure": tenure, "minor": minor}, n_rounds=5))
    assert mask.tolist() == [True, False, True, False, False]


def test_boolean__matches_its_number_and_its_text() -> None:
    assert to_predicate({"minor": (True,)}) == Predicate((Condition("minor", any_of=("1", "true")),))
    assert to_predicate({"n": (3.0, 2)}) == Predicate((Condition("n", any_of=("3", "2")),))


def test_segment_s_form__is_also_the_file_s(tmp_path: Path) -> None:
    predicate = Predicate(
        (Condition("country", none_of=("DE",), or_missing=True), Condition("age", min=18.0, max=30.0, or_missing=True))
    )
    settings = make_settings(
        tmp_path, f"decision_points: {{m: {{actions: {{a: {{eligible: {_flow(predicate_to_data(predicate))}}}}}}}}}"
    )
    assert settings.actions(None)[0].eligible == predicate


def _flow(value: object) -> str:
    return str(value).replace("True", "true").replace("False", "false")


def test_objective__becomes_the_domain_s(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "objective: {metric: churn_rate, direction: minimize, horizon_days: 90}")
    assert settings.objective.to_domain() == Objective("churn_rate", Direction.MINIMIZE, 90, 0.0)


def test_log_source__reads_as_the_file_says(tmp_path: Path) -> None:
    source = "kind: file, content: decision_log, path: a.csv, columns: {action: offer}, reward: reward_profit"
    settings = make_settings(
        tmp_path,
        f"{{decision_points: {{m: {{context: [x, y]}}}}, sources: {{s: {{{source}, exclude_actions: [p5]}}}}}}",
    )
    path, options = settings.log_source("m")
    assert path == Path("a.csv")
    assert (options.columns, options.reward) == ({"action": "offer"}, "reward_profit")
    assert (options.context, options.exclude_actions) == (("x", "y"), ("p5",))
    assert Settings().log_source(None)[0] is None


def test_log_source__is_the_decision_point_s_own(tmp_path: Path) -> None:
    source = "kind: file, content: decision_log, context: [z], "
    settings = make_settings(
        tmp_path,
        f"""
        decision_points: {{m: {{context: [x]}}, n: {{}}}}
        sources: {{a: {{{source}path: a.csv, decision_point: m}}, b: {{{source}path: b.csv, decision_point: n}}}}
        """,
    )
    path, options = settings.log_source("n")
    assert (path, options.context) == (Path("b.csv"), ("z",))


def test_prices__are_decimals(tmp_path: Path) -> None:
    price = make_settings(tmp_path, "prices: {monthly: {EUR: 9.99, version: 2026-11}}").prices["monthly"]
    assert str(price.amounts["EUR"]) == "9.99"
    assert price.version == "2026-11"
