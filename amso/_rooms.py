"""Puts AMSO's rooms on the import path: the folder `_app` of a wheel, the root of a checkout.

Rooms are imported by their own short names (`env`, `agents`, ...). Another distribution that already brought a module
of such a name would be taken for ours, silently; so that is refused.
"""

import sys
from pathlib import Path

ROOMS = (
    "runner",
    "commands",
    "dashboard",
    "loop",
    "recommendation",
    "evaluation",
    "agents",
    "policies",
    "env",
    "analysis",
    "collection",
    "tracker",
    "knowledge",
    "config",
    "domain",
)


def rooms_root() -> Path:
    """The folder that holds the rooms."""
    package = Path(__file__).resolve().parent
    bundled = package / "_app"
    return bundled if bundled.is_dir() else package.parent


def put_rooms_on_path() -> None:
    """Makes every room importable.

    Raises:
        ImportError: another distribution's module of a room's name is already imported.
    """
    root = rooms_root()
    for room in ROOMS:
        module = sys.modules.get(room)
        if module is not None and not _belongs(module, root):
            where = getattr(module, "__file__", None) or "an unknown place"
            raise ImportError(
                f"AMSO's room {room!r} cannot be imported: a module of that name is already imported from {where}. "
                "Import amso first, or use a separate environment for the package that owns it."
            )
    if sys.path[0] != str(root):  # an editable install has it at the end, behind a user's own config.py
        sys.path[:] = [str(root), *(place for place in sys.path if place != str(root))]


def _belongs(module: object, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", []))
    return any(Path(place).resolve().is_relative_to(root) for place in places)
