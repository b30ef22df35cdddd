"""YAML as people mean it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.yaml_text import read_yaml
from domain.errors import ConfigError

PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PLAIN,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(PLAIN, children, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "text",
    ["NO", "no", "off", "on", "yes", "y", "True", "NULL", "~", "21:00", "0123", "2026-11", "2026-11-24", "1_000",
     "12e4", "0x1F", ".5", "+1", ".inf", "1.2.3", "<<", "=", "1 per 365d"],
)  # fmt: skip
def test_plain_scalar__stays_text(text: str) -> None:
    assert read_yaml(f"key: {text}", "file") == ({"key": text}, ())
    assert read_yaml(f"[{text}]", "file") == ([text], ())


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-7", -7), ("0.30", 0.3), ("6.50", 6.5), ("1.0e-05", 1e-5), ("true", True), ("null", None), ("", None)],
)
def test_number_boolean_and_null__are_what_they_look_like(text: str, value: object) -> None:
    (data, _) = read_yaml(f"key: {text}", "file")
    assert data == {"key": value}
    assert isinstance(data, dict)
    assert type(data["key"]) is type(value)


@given(JSON)
def test_what_pyyaml_writes__is_read_back(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value, allow_unicode=True), "file") == (value, ())


@given(PLAIN)
def test_quoted_text__survives(text: str) -> None:
    assert read_yaml("key: '" + text.replace("'", "''") + "'", "file") == ({"key": text}, ())


def test_keys__are_text_too() -> None:
    assert read_yaml("{1: a, true: b, NO: c, null: d}", "file")[0] == {"1": "a", "true": "b", "NO": "c", "null": "d"}


def test_duplicate_keys__are_listed_with_their_lines() -> None:
    data, problems = read_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\n", "file")
    assert data == {"a": 3, "b": {"c": 2}}
    assert sorted(problems) == ["line 2: key `c` appears twice", "line 3: key `a` appears twice"]


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: b: c",
        "a: &x [*x]",
        "a: !!python/object/apply:os.system [ls]",
        "a: !!timestamp 2026-01-01",
        "--- 1\n--- 2",
        "{[1]: 2}",
        "a: \x00",
        "a: !!int x",
        "a: 1.0e999",
        "[" * 5000,
    ],
)
def test_what_a_config_does_not_need__is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"amso\.yaml"):
        read_yaml(text, "amso.yaml")
