"""Makes two logs of the same decision point fit together: actions, columns, codes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from domain.actions import ActionSet
from domain.context import Context
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions


def over(log: LoggedDecisions, actions: ActionSet) -> LoggedDecisions:
    """The log over the catalogue's actions, in its order; rounds of others are left out."""
    kept = np.array([a in actions for a in log.actions.ids])
    if log.panel is not None and not kept.all():
        gone = ", ".join(a for a, ok in zip(log.actions.ids, kept, strict=True) if not ok)
        raise InvalidSnapshot(f"the configured log holds {gone}, which the catalogue lacks", "add them, at their cost")
    log = log.take(kept[log.action])
    places = np.array([actions.index(a) if a in actions else -1 for a in log.actions.ids])
    distribution = log.logged_distribution
    return replace(
        log,
        actions=actions,
        action=places[log.action],
        logged_distribution=None if distribution is None else log.actions.align(distribution * kept, to=actions),
        eligible=None if log.eligible is None else log.actions.align_mask(log.eligible, to=actions),
        probabilities={},
    )


def with_columns_of(log: LoggedDecisions, other: LoggedDecisions) -> LoggedDecisions:
    """Only what both know, so that they can be joined."""
    assert log.panel is not None
    panel = replace(log.panel, next_context=_columns(log.panel.next_context, other.context.columns))
    return replace(log, context=_columns(log.context, other.context.columns), panel=panel)


def _columns(context: Context, names: Mapping[str, object]) -> Context:
    missing = [name for name in context.columns if name not in names]
    if missing:
        raise InvalidSnapshot(
            f"live contexts lack {', '.join(missing)}, which the configured log has",
            "send them with every context, or leave them out of `context:`",
        )
    return Context({name: context.columns[name] for name in names if name in context.columns}, context.n_rounds)


def shifted(log: LoggedDecisions, units: int, episodes: int) -> LoggedDecisions:
    """A panel whose unit and episode codes begin there, so that they are nobody else's."""
    assert log.panel is not None
    panel = replace(log.panel, episode=log.panel.episode + episodes)
    return replace(log, unit=log.unit + units, panel=panel)
