"""Names that refer to nothing, and options that contradict each other: refused, never mended silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings


def contradictions(settings: Settings) -> tuple[str, ...]:
    """One line each, with the full path of the key to mend."""
    checks = (_baselines, _prices, _points, _discounts, _protected, _automatic)
    return tuple(line for check in checks for line in check(settings))


def _baselines(settings: Settings) -> Iterator[str]:
    for name, point in settings.decision_points.items():
        if point.baseline is not None and point.actions and point.baseline not in point.actions:
            known = ", ".join(point.actions)
            yield f"decision_points.{name}.baseline: found {point.baseline!r}, expected one of its actions: {known}"


def _prices(settings: Settings) -> Iterator[str]:
    for name, point in settings.decision_points.items():
        for action_id, action in point.actions.items():
            if action.price is not None and action.price not in settings.prices:
                place = f"decision_points.{name}.actions.{action_id}.price"
                known = ", ".join(settings.prices) or "which is empty"
                yield f"{place}: found {action.price!r}, expected an entry of `prices`: {known}"


def _points(settings: Settings) -> Iterator[str]:
    known = ", ".join(settings.decision_points)
    named = {f"effects.{name}": name for name in settings.effects}
    named |= {f"sources.{n}.decision_point": s.decision_point for n, s in settings.sources.items() if s.decision_point}
    for place, name in named.items():
        if name not in settings.decision_points:
            yield f"{place}: found {name!r}, expected a decision point: {known}"


def _discounts(settings: Settings) -> Iterator[str]:
    most = settings.limits.max_discount
    for name, point in settings.decision_points.items():
        for action_id, action in point.actions.items():
            if most is not None and action.discount > most:
                place = f"decision_points.{name}.actions.{action_id}.discount"
                yield f"{place}: found {action.discount:g}, expected at most limits.max_discount = {most:g}"


def _protected(settings: Settings) -> Iterator[str]:
    contexts = {f"decision_points.{name}.context": point.context for name, point in settings.decision_points.items()}
    contexts |= {f"sources.{name}.context": source.context or () for name, source in settings.sources.items()}
    for place, context in contexts.items():
        for column in sorted(set(context) & set(settings.privacy.protected)):
            yield f"{place}: found {column!r}, which privacy.protected forbids in any context"


def _automatic(settings: Settings) -> Iterator[str]:
    for i, (name, tier) in enumerate(settings.approvals.tiers.items()):
        if tier.auto and i > 0:
            yield f"approvals.tiers.{name}.auto: found true, expected it on the lowest tier alone, which stands first"
