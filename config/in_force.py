"""What a file may say before anything enforces it. A later version that enforces a block strikes its line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from config.sources import Content, is_log_file

if TYPE_CHECKING:
    from config.settings import Settings

# Paths; * stands for any name.
NOT_IN_FORCE = (
    "business.environment",
    "business.exchange_rates",
    "sources.*.every",
    "sources.*.max_age",
    "units",
    "decision_points.*.answer_within",
    "decision_points.*.reward_wait",
    "decision_points.*.actions.*.max_per_unit",
    "decision_points.*.actions.*.capacity",
    "decision_points.*.actions.*.eligible",
    "prices",
    "costs",
    "guardrails",
    "limits",
    "holdout",
    "exploration",
    "calendar",
    "people",
    "approvals",
    "notify",
    "privacy",
    "effects",
)


def not_in_force(settings: Settings) -> tuple[str, ...]:
    """Paths of what the settings say beyond the defaults and nothing enforces yet."""
    data = settings.model_dump(by_alias=True, exclude_defaults=True)
    blocks = [place for path in NOT_IN_FORCE for place in _places(data, path.split("."))]
    unread = [name for name, s in settings.sources.items() if s.content is Content.DECISION_LOG and not is_log_file(s)]
    return (*blocks, *(f"sources.{name}" for name in unread))


def _places(data: object, keys: Sequence[str], place: str = "") -> Iterator[str]:
    if not keys:
        yield place.removeprefix(".")
    elif isinstance(data, Mapping):
        for name in data if keys[0] == "*" else {keys[0]} & set(data):
            yield from _places(data[name], keys[1:], f"{place}.{name}")
