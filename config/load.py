"""From file, `--set` and environment to settings; every problem is listed at once."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from config.overrides import Data, apply_environment, apply_overrides, passwords_in
from config.problems import problems_of, shown
from config.settings import Settings
from config.yaml_text import read_yaml
from domain.errors import ConfigError

DEFAULT_FILE = Path("amso.yaml")


def load_settings(
    path: Path | None = None, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings in force: file, then `a.b=c` overrides, then AMSO_* of the environment.

    Args:
        path: the file; None = amso.yaml in the working directory if there is one, else built-in defaults.
        overrides: `--set` texts.
        environ: the environment; None = the process's own.

    Raises:
        ConfigError: unreadable file, unknown key, wrong value, password in the file: all of them listed.
    """
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    data, problems = ({}, []) if path is None else _read(path)
    data, unset = apply_overrides(data, overrides)
    problems += passwords_in(data)
    data = apply_environment(data, os.environ if environ is None else environ)
    settings, wrong = _validate(data)
    problems += [*unset, *wrong]
    if settings is None or problems:
        raise _error(path, problems)
    return settings


def _read(path: Path) -> tuple[Data, list[str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} cannot be read: {error}", "`amso init` writes one") from error
    data, duplicates = read_yaml(text, str(path))
    if data is None:
        return {}, list(duplicates)
    if not isinstance(data, dict):
        raise ConfigError(
            f"config {path} holds {shown(data)}, expected a mapping (key: value)", "`amso init` writes one"
        )
    return data, list(duplicates)


def _validate(data: Data) -> tuple[Settings | None, list[str]]:
    try:
        return Settings.model_validate_json(json.dumps(data)), []
    except ValidationError as error:
        return None, problems_of(error, Settings, data)


def _error(path: Path | None, problems: Sequence[str]) -> ConfigError:
    where = "settings" if path is None else str(path)
    if len(problems) == 1:
        return ConfigError(f"{where}: {problems[0]}", "mend it; `amso doctor` checks the whole file")
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return ConfigError(f"{where}: {len(problems)} problems{lines}", "mend them; `amso doctor` checks the whole file")
