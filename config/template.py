"""The files that `amso init --template` writes; each loads whole."""

from importlib.resources import files

from config.known_keys import suggest
from domain.errors import UsageError

NAMES = ("subscription", "shop", "app", "media")


def template(name: str) -> str:
    """The text of one template.

    Raises:
        UsageError: no such template.
    """
    if name not in NAMES:
        hint = suggest(name, NAMES).removeprefix("; ")
        raise UsageError(f"unknown template {name!r}; the known ones are {', '.join(NAMES)}", hint)
    return (files("config") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
