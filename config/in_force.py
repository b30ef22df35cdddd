"""What a file may say before anything enforces it. A later version that enforces a block strikes its line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from config.effects import HttpEffect
from config.sources import Content, is_log_file, is_log_query

if TYPE_CHECKING:
    from config.settings import Settings

# Paths; * stands for any name.
NOT_IN_FORCE = (
    "sources.*.max_age",
    "decision_points.*.answer_within",
    "costs.unit_cost_per_month",
    "limits.max_price_change",
    "limits.budget",
    "calendar.holidays",
    "notify",
    "privacy.keep",
    "privacy.max_price_gap",
    "privacy.disclose",
)
GATING = ("limits.max_price_change", "limits.budget", "privacy.max_price_gap")  # without them nothing may be gated


def not_in_force(settings: Settings) -> tuple[str, ...]:
    """Paths of what the settings say beyond the defaults and nothing enforces yet."""
    data = settings.model_dump(by_alias=True, exclude_defaults=True)
    blocks = [place for path in NOT_IN_FORCE for place in _places(data, path.split("."))]
    logs = {name: s for name, s in settings.sources.items() if s.content is Content.DECISION_LOG}
    unread = [name for name, s in logs.items() if not is_log_file(s) and not is_log_query(s)]
    unsent = [name for name, effect in settings.effects.items() if not isinstance(effect, HttpEffect)]
    return (*blocks, *(f"sources.{name}" for name in unread), *(f"effects.{name}" for name in unsent))


def missing_for_gated(settings: Settings) -> tuple[str, ...]:
    """Limits that the settings name and nothing enforces: no decision point may act while they are there."""
    return tuple(place for place in not_in_force(settings) if place in GATING)


def _places(data: object, keys: Sequence[str], place: str = "") -> Iterator[str]:
    if not keys:
        yield place.removeprefix(".")
    elif isinstance(data, Mapping):
        for name in data if keys[0] == "*" else {keys[0]} & set(data):
            yield from _places(data[name], keys[1:], f"{place}.{name}")
