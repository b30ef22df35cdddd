"""Validation errors in words: the full path of the key, what was found, what was expected."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.known_keys import known_keys, suggest
from config.section import Section

_EXPECTED = {
    "string_type": "text (put it in quotes)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "date_type": "a date such as 2026-11-24",
    "date_parsing": "a date such as 2026-11-24",
    "date_from_datetime_parsing": "a date such as 2026-11-24",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def problems_of(error: ValidationError, root: type[Section], data: Mapping[str, object]) -> list[str]:
    """One line a place of `data`; members of a union that failed at one place share its line."""
    lines: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail, data)
        lines.setdefault(path, []).append(_words(detail, root))
    whole = [line for words in lines.pop("", []) for line in words.split("\n")]  # contradictions name their own place
    return [*(f"{path}: {_joined(words)}" for path, words in lines.items()), *whole]


def shown(value: object) -> str:
    """A value as a message names it: with its kind, and never at length."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"number {value}"
        case str():
            return f"text {value[:60]!r}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _words(detail: ErrorDetails, root: type[Section]) -> str:
    kind, ctx = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key" + suggest(str(detail["loc"][-1]), known_keys(root, detail["loc"][:-1]))
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(ctx["error"])
    return f"found {_found(detail)}, expected {_expected(detail)}"


def _found(detail: ErrorDetails) -> str:
    if detail["type"] == "union_tag_invalid":
        return f"{str(detail['ctx']['discriminator']).strip(chr(39))} {detail['ctx']['tag']!r}"
    return shown(detail["input"])


def _expected(detail: ErrorDetails) -> str:
    kind, ctx = detail["type"], detail.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{words} {ctx[key]:g}"
    if kind in ("enum", "literal_error", "union_tag_invalid"):
        choices = str(ctx.get("expected") or ctx.get("expected_tags"))
        return f"one of {choices.replace(' or ', ', ')}" + _nearest(detail, choices)
    if kind == "union_tag_not_found":
        discriminator = str(ctx["discriminator"])
        return "a list of values, or a mapping with min and max" if "(" in discriminator else f"a key {discriminator}"
    if kind == "string_pattern_mismatch":
        return f"text that matches {ctx['pattern']}"
    return detail["msg"].removeprefix("Input should be ").lower()


def _nearest(detail: ErrorDetails, choices: str) -> str:
    word = detail.get("ctx", {}).get("tag", detail["input"])
    return suggest(str(word), choices.replace("'", "").replace(" or ", ", ").split(", "))


def _joined(words: Sequence[str]) -> str:
    """`found x, expected a` and `found x, expected b` become one sentence."""
    first, *rest = dict.fromkeys(words)
    return " or ".join([first, *(word.split("expected ", 1)[-1] for word in rest)])


def _path(detail: ErrorDetails, data: object) -> str:
    """The key's place as people write it; tags that pydantic puts between are left out."""
    *parents, last = detail["loc"] or ("",)
    path = ""
    for part in parents:
        data, path = _descend(data, path, part)
    is_key = detail["type"] in ("missing", "extra_forbidden")
    return (f"{path}.{last}" if is_key else _descend(data, path, last)[1]).removeprefix(".")


def _descend(data: object, path: str, part: str | int) -> tuple[object, str]:
    if isinstance(part, int) and isinstance(data, list):
        return data[part], f"{path}[{part}]"
    if isinstance(data, dict) and part in data:
        return data[part], f"{path}.{part}"
    return data, path
