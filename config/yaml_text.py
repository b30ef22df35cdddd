"""YAML as people mean it: plain scalars are text unless they are a number, true, false or null.

YAML 1.1 reads `NO` as false, `21:00` as 1260 and `0123` as 83; here they stay text (DESIGN section 5). Numbers follow
JSON's grammar, except that an exponent needs a decimal point: `12e4` is more often an id than 120000.
"""

import math
import re

import yaml
from yaml.constructor import ConstructorError

from domain.errors import ConfigError

_TAG = "tag:yaml.org,2002:"


class _TextLoader(yaml.SafeLoader):
    """Knows mappings, lists, text, numbers, booleans and null; lists duplicate keys; refuses aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's class registry
    yaml_constructors = {  # noqa: RUF012 - PyYAML's class registry
        tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (f"{_TAG}map", f"{_TAG}seq", f"{_TAG}str", None)
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it bare
            raise ConstructorError(None, None, "found an alias (*name), expected the value written out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = True) -> dict[str, object]:  # type: ignore[override]  # keys are text here
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConstructorError(None, None, "found a list or mapping as a key", key_node.start_mark)
            if key_node.value in result:
                self.duplicates.append(f"line {key_node.start_mark.line + 1}: key `{key_node.value}` appears twice")
            result[key_node.value] = self.construct_object(value_node, deep=deep)
        return result


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    value = float(loader.construct_scalar(node))
    if not math.isfinite(value):
        raise ConstructorError(None, None, f"found {node.value}, expected a finite number", node.start_mark)
    return value


def _construct_bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return loader.construct_scalar(node) == "true"


def _construct_null(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> None:
    loader.construct_scalar(node)


for _name, _pattern, _first, _construct in (
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789", _construct_int),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?", "-0123456789", _construct_float),
    ("bool", r"true|false", "tf", _construct_bool),
    ("null", r"null|", ["n", ""], _construct_null),
):
    _TextLoader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), list(_first))
    _TextLoader.add_constructor(_TAG + _name, _construct)


def read_yaml(text: str, source: str) -> tuple[object, tuple[str, ...]]:
    """The document in `text`, and its duplicate keys as problems with their lines.

    Raises:
        ConfigError: the text is no YAML, or uses what a config does not need (aliases, tags, several documents).
    """
    try:
        loader = _TextLoader(text)
        try:
            return loader.get_single_data(), tuple(loader.duplicates)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{source}{line}: {error.problem}", "mend the YAML there") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source} cannot be read as YAML: {error}", "mend the YAML there") from error
