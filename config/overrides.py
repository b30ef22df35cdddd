"""`--set a.b=c` and the environment, laid over the file's data before it is validated."""

import re
from collections.abc import Mapping, Sequence

from config.problems import shown
from config.yaml_text import read_yaml
from domain.errors import ConfigError

Data = dict[str, object]
_ENVIRONMENT = {"AMSO_DATA_DIR": "data_dir", "AMSO_REDIS_URL": "redis", "AMSO_SQL_URL": "sql"}
_PASSWORD = re.compile(r"^[a-z0-9+.-]+://(?:[^:/?]*:.*@|[^?]*\?(?:.*&)?(?:ssl)?password=)", re.IGNORECASE)


def apply_overrides(data: Data, overrides: Sequence[str]) -> tuple[Data, list[str]]:
    """The data with every `a.b=c` set, values read by the file's own YAML rules; and what could not be set."""
    problems: list[str] = []
    for override in overrides:
        try:
            data = _apply(data, override)
        except ConfigError as error:
            problems.append(error.message)
    return data, problems


def apply_environment(data: Data, environ: Mapping[str, str]) -> Data:
    """AMSO_DATA_DIR, AMSO_REDIS_URL and AMSO_SQL_URL win over the file."""
    stores = data.get("stores", {})
    found = {key: environ[name] for name, key in _ENVIRONMENT.items() if environ.get(name)}
    if not found or not isinstance(stores, dict):  # a wrong `stores` is reported by validation
        return data
    return data | {"stores": stores | found}


def passwords_in(value: object, path: str = "") -> list[str]:
    """Places that hold a URL with a password; the message does not repeat it."""
    if isinstance(value, dict):
        return [line for key, child in value.items() for line in passwords_in(child, f"{path}.{key}")]
    if isinstance(value, list):
        return [line for i, child in enumerate(value) for line in passwords_in(child, f"{path}[{i}]")]
    if not isinstance(value, str) or not _PASSWORD.match(value):
        return []
    return [
        (
            f"{path.removeprefix('.')}: found a URL with a password, expected one without: passwords come from the "
            "environment only (AMSO_SQL_URL, AMSO_REDIS_URL, AMSO_SOURCE_<NAME>_URL)"
        )
    ]


def without_password(url: str) -> str:
    """The URL as a run record may keep it."""
    if not _PASSWORD.match(url):
        return url
    scheme, rest = url.split("://", 1)
    rest = re.sub(r"^([^:/?]*):.*@", r"\1@", rest)
    rest = re.sub(r"([?&])(?:ssl)?password=[^&]*&?", r"\1", rest, flags=re.IGNORECASE).rstrip("?&")
    return f"{scheme}://{rest}"


def _apply(data: Data, override: str) -> Data:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: expected KEY.KEY=VALUE")
    value, duplicates = read_yaml(text, f"--set {name}")
    if duplicates:
        raise ConfigError(f"--set {name}: {'; '.join(duplicates)}")
    return _with(data, keys, value, name)


def _with(data: Data, keys: Sequence[str], value: object, name: str) -> Data:
    key, *rest = keys
    if not rest:
        return data | {key: value}
    child = data.get(key)
    if child is not None and not isinstance(child, dict):
        raise ConfigError(f"--set {name}: `{key}` is {shown(child)}, expected a mapping there")
    return data | {key: _with(child or {}, rest, value, name)}
