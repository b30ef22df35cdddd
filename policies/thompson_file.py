"""Reads a frozen Thompson-sampling policy from a small YAML or JSON file (`config/thompson.py`)."""

import json
from pathlib import Path

from pydantic import ValidationError

from config.problems import problems_of, shown
from config.thompson import ThompsonSettings
from config.yaml_text import read_yaml
from domain.actions import ActionSet
from domain.errors import ConfigError, UsageError
from policies.thompson import ThompsonPolicy

_HINT = "it holds `actions`, `alpha` and `beta`, one of each an action, and `position: COLUMN` where a page has several"


def read_thompson(path: Path) -> ThompsonPolicy:
    """The policy that a file describes.

    Raises:
        ConfigError: no such file, neither YAML nor JSON, or not what the settings ask for.
    """
    data = _mapping(path)
    try:
        settings = ThompsonSettings.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(problems_of(error, ThompsonSettings, data))}", _HINT) from error
    position = None if settings.position is None else settings.position.removeprefix("x_")
    try:
        return ThompsonPolicy(ActionSet(settings.actions), settings.alpha, settings.beta, position)
    except UsageError as error:
        raise ConfigError(f"{path}: {error.message}", error.hint) from error


def _mapping(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
        data, duplicates = (json.loads(text), ()) if path.suffix == ".json" else read_yaml(text, str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"policy file {path} cannot be read: {error}", _HINT) from error
    if duplicates:
        raise ConfigError(f"{path}: {'; '.join(duplicates)}", _HINT)
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds {shown(data)}, expected a mapping (key: value)", _HINT)
    return data
