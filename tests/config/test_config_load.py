"""Files, overrides and environment become settings, or every problem is listed."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_settings
from config.settings import Settings
from config.template import NAMES, template
from config.yaml_text import read_yaml
from domain.errors import ConfigError, UsageError

NAME = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
SHARE = st.floats(0, 1)
VALUES = st.lists(st.booleans() | st.integers() | st.floats(-1e9, 1e9) | NAME, min_size=1, max_size=3)
BOUNDS = st.fixed_dictionaries(
    {"min": st.floats(-9, 0)}, optional={"max": st.floats(1, 9), "or_missing": st.booleans()}
)
PAYLOAD = st.dictionaries(NAME, st.none() | st.booleans() | st.integers() | NAME | st.lists(NAME), max_size=3)
ACTIONS = st.fixed_dictionaries(
    {},
    optional={
        "cost": st.floats(0, 1e6),
        "discount": SHARE,
        "max_per_unit": st.sampled_from(["1 per 365d", "2 per week"]),
        "reversible": st.booleans(),
        "eligible": st.dictionaries(NAME, VALUES | BOUNDS, max_size=2),
        "payload": PAYLOAD,
    },
)
POINTS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["off", "log", "shadow", "gated"]),
        "context": st.lists(NAME, max_size=3),
        "reward_wait": st.sampled_from(["30d", "12h"]),
        "actions": st.dictionaries(NAME, ACTIONS, max_size=3),
    },
)
FILES = st.fixed_dictionaries(
    {},
    optional={
        "decision_points": st.dictionaries(NAME, POINTS, min_size=1, max_size=2),
        "prices": st.dictionaries(
            NAME, st.fixed_dictionaries({"EUR": st.decimals(0, 9999, places=2).map(float), "version": NAME})
        ),
        "holdout": st.fixed_dictionaries({"share": SHARE}),
        "limits": st.fixed_dictionaries({"contacts": st.just({"max": "2 per 7d", "quiet": "21:00-08:00"})}),
        "calendar": st.just({"holidays": ["DE", "NO"], "freeze": [{"from": "2026-11-24", "to": "2026-12-02"}]}),
    },
)


def load_text(folder: Path, text: str, overrides: Sequence[str] = (), **environ: str) -> Settings:
    path = folder / "amso.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, overrides, environ)


def problems(folder: Path, text: str, overrides: Sequence[str] = (), **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text, overrides, **environ)
    return caught.value.message


def test_no_file__is_one_decision_point_in_mode_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    assert settings.decision_point_name(None) == "main"
    assert settings.decision_point(None).mode == "log"
    assert settings.business.currency == "EUR"
    assert settings.sql_url == "sqlite:///amso-data/amso.db"
    assert settings.not_in_force() == ()


def test_amso_yaml_of_the_working_directory__is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("amso.yaml").write_text("business: {name: found}")
    assert load_settings(environ={}).business.name == "found"


@given(FILES)
def test_loading_what_settings_print__is_identity(data: dict[str, object]) -> None:
    settings = Settings.model_validate_json(json.dumps(data))
    text = yaml.safe_dump(json.loads(json.dumps(settings.to_data())))
    again, _ = read_yaml(text, "run record")
    assert Settings.model_validate_json(json.dumps(again)) == settings


@pytest.mark.parametrize("name", NAMES)
def test_template__loads_whole_and_marks_what_to_fill(name: str, tmp_path: Path) -> None:
    text = template(name)
    settings = load_text(tmp_path, text)
    point = settings.decision_point(None)
    assert point.baseline in point.actions
    assert settings.log_source(None)[0] is not None
    assert text.count("(you)") >= 5
    settings.refuse_unenforced_modes()


def test_unknown_template__is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="unknown template 'subscriptoin'") as caught:
        template("subscriptoin")
    assert "did you mean `subscription`?" in caught.value.hint


def test_all_problems__are_listed_at_once(tmp_path: Path) -> None:
    text = """
        bussiness: {name: x}
        business: {name: 42, currency: eur}
        stores: {sql: "postgresql://ann:secret@host/d"}
        stores: {redis: "redis://:hidden@host"}
        sources: {a: {kind: fil, content: outcome}, b: {kind: file, content: outcome, path: p, rewrd: r}}
        decision_points:
          m:
            mode: shadw
            reward_wait: 30 days
            actions: {a: {cost: six, eligible: {plan: monthly, age: {mn: 3}, x: [null]}}}
        approvals: {tiers: {low: {approvers: {any: 0}}}}
    """
    message = problems(tmp_path, text, ["nonsense"])
    for line in (
        "bussiness: unknown key; did you mean `business`?",
        "business.name: found number 42, expected text",
        "business.currency: found text 'eur'",
        "key `stores` appears twice",
        "stores.redis: found a URL with a password",
        "sources.a: found kind 'fil', expected one of 'file'",
        "sources.b.rewrd: unknown key; did you mean `reward`?",
        "decision_points.m.mode: found text 'shadw', expected one of 'off', 'log', 'shadow', 'gated'; did you mean",
        "decision_points.m.reward_wait: found '30 days', expected a duration such as",
        "decision_points.m.actions.a.cost: found text 'six', expected a number",
        "decision_points.m.actions.a.eligible.plan: found text 'monthly', expected a list of values, or a mapping",
        "decision_points.m.actions.a.eligible.age.mn: unknown key; did you mean `min`?",
        "decision_points.m.actions.a.eligible.x[0]: found nothing, expected text",
        "approvals.tiers.low.valid_for: is missing",
        "approvals.tiers.low.approvers.any: found number 0, expected at least 1",
        "--set nonsense: expected KEY.KEY=VALUE",
    ):
        assert line in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("decision_points: {m: {baseline: b, actions: {a: {}}}}", "decision_points.m.baseline: found 'b'"),
        ("decision_points: {m: {actions: {a: {price: p}}}}", "decision_points.m.actions.a.price: found 'p'"),
        (
            "{limits: {max_discount: 0.3}, decision_points: {m: {actions: {a: {discount: 0.4}}}}}",
            "decision_points.m.actions.a.discount: found 0.4, expected at most limits.max_discount = 0.3",
        ),
        (
            "{privacy: {protected: [age]}, decision_points: {m: {context: [plan, age]}}}",
            "decision_points.m.context: found 'age', which privacy.protected forbids",
        ),
        ("effects: {m: {via: http}}", "effects.m: found 'm', expected a decision point: main"),
        ("decision_points: {m: {actions: {a: {cost: 2.5, max_cost: 1}}}}", "found max_cost 1 below cost 2.5"),
        ("approvals: {canary: {steps: [0.3, 0.1], min_days: 7, min_per_action: 1}}", "expected shares that rise"),
        ("sources: {s: {kind: file, content: outcome, path: p, reward: r}}", "expected only on a decision_log"),
    ],
)
def test_contradiction__is_refused(text: str, line: str, tmp_path: Path) -> None:
    assert line in problems(tmp_path, text)


def test_contradictions__stand_on_lines_of_their_own(tmp_path: Path) -> None:
    message = problems(tmp_path, "decision_points: {m: {baseline: b, actions: {a: {price: p}}}}")
    assert "2 problems\n  - decision_points.m.baseline" in message
    assert "\n  - decision_points.m.actions.a.price" in message


@pytest.mark.parametrize(("text", "found"), [("[1]", "a list"), ("42", "number 42"), ("hello", "text 'hello'")])
def test_file_that_is_no_mapping__is_refused(text: str, found: str, tmp_path: Path) -> None:
    assert f"holds {found}, expected a mapping" in problems(tmp_path, text)


def test_unreadable_file__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml", environ={})
    (tmp_path / "amso.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "amso.yaml", environ={})


def test_overrides__win_over_the_file_and_are_read_like_it(tmp_path: Path) -> None:
    overrides = ["business.name=NO", "decision_points.main.mode=off", "calendar.holidays=[NO, DE]", "holdout.share=0.1"]
    settings = load_text(tmp_path, "business: {name: x, currency: USD}", overrides)
    assert (settings.business.name, settings.business.currency) == ("NO", "USD")
    assert settings.decision_point("main").mode == "off"
    assert settings.calendar.holidays == ("NO", "DE")
    assert settings.holdout is not None
    assert settings.holdout.share == 0.1


def test_override_through_a_scalar__is_refused(tmp_path: Path) -> None:
    message = problems(tmp_path, "business: {name: x}", ["business.name.first=y"])
    assert "--set business.name.first: `name` is text 'x', expected a mapping there" in message


def test_environment__wins_over_everything(tmp_path: Path) -> None:
    url = "postgresql+psycopg://ann:secret@host/d"
    settings = load_text(
        tmp_path, "stores: {data_dir: there, redis: embedded}", ["stores.data_dir=here"],
        AMSO_DATA_DIR="/data", AMSO_SQL_URL=url, AMSO_REDIS_URL="redis://:secret@host:6379/0",
    )  # fmt: skip
    assert settings.data_dir == Path("/data")
    assert settings.sql_url == url
    assert settings.stores.redis == "redis://:secret@host:6379/0"


def test_passwords_of_the_environment__stay_out_of_records_and_prints(tmp_path: Path) -> None:
    settings = load_text(
        tmp_path, "{}", AMSO_SQL_URL="postgresql://ann:secret@h/d?sslmode=require", AMSO_REDIS_URL="redis://:secret@h/0"
    )
    kept = settings.to_data()["stores"]
    sql, redis = "postgresql://ann@h/d?sslmode=require", "redis://@h/0"
    assert kept == {"data_dir": "amso-data", "sql": sql, "redis": redis, "prefix": "amso"}
    assert "secret" not in repr(settings) + json.dumps(settings.to_data())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:secret@host/d",
        "redis://:secret@host:6379",
        "postgresql://ann:se/cret#1@host/d",
        "postgresql+psycopg://ann:secret?x@host/d",
        "redis://:a@secret@host",
        "postgresql://host/d?user=ann&password=secret",
    ],
)
def test_password_in_file_or_override__is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    for message in (
        problems(tmp_path, f"stores: {{sql: '{url}'}}"),
        problems(tmp_path, "{}", [f"stores.sql={url}"]),
    ):
        assert "stores.sql: found a URL with a password" in message
        assert not re.search("secret|cret#1", message)


@pytest.mark.parametrize(
    "url", ["sqlite:////data/a:b@c.db", "postgresql+psycopg://ann@host:5432/d", "redis://h:6379/0"]
)
def test_url_without_password__is_fine(url: str, tmp_path: Path) -> None:
    assert load_text(tmp_path, f"stores: {{sql: '{url}'}}").sql_url == url
