"""What may be served to one customer now: the catalogue's and the business's limits, and a frozen picture of the unit.

The baseline may always be served. Any other action is out as soon as one rule says so, and the rule is kept in words.
Rules ask no store: what was served before and what still fits the caps comes in as a `UnitState`. Doubt restricts: an
action whose column is missing is not eligible, and a customer of whom nobody can tell whether they opted out or are
excluded gets the baseline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

from config.business import Business
from config.decision_points import Allowed, DecisionPoint, to_predicate
from config.limits import Limits
from config.privacy import Privacy
from config.quantities import QuietHours, Rate
from domain.actions import Action, ActionSet
from domain.arrays import BoolArray
from domain.context import Context, text_of
from domain.segments import Condition
from policies.windows import is_quiet

NOT_OPTED_OUT = ("0", "false", "False", "no", "No", "off")  # anything else, and nothing at all, counts as opted out


@dataclass(frozen=True)
class UnitState:
    """What counts against the limits, up to `now`. An action that is not in a mapping was not served."""

    now: datetime  # aware
    served_to_unit: Mapping[str, int] = field(default_factory=dict)  # action -> inside its `max_per_unit` window
    served_to_all: Mapping[str, int] = field(default_factory=dict)  # action -> inside its `capacity` window
    n_contacts: int = 0  # of the unit over all decision points, inside the window of `limits.contacts.max`
    affordable: frozenset[str] | None = None  # actions whose worst case still fits the caps; None = no cap


@dataclass(frozen=True)
class Restricted:
    """What is left of a catalogue for one customer."""

    actions: ActionSet  # the catalogue's, in its order
    allowed: BoolArray  # (n_actions,)
    reasons: Mapping[str, str]  # why each other action is out; also of actions that were asked for and do not exist

    @property
    def eligible(self) -> tuple[str, ...]:
        """The allowed actions in the catalogue's order: what a decision keeps."""
        return tuple(a for a, ok in zip(self.actions.ids, self.allowed.tolist(), strict=True) if ok)

    def allowed_over(self, actions: ActionSet) -> BoolArray:
        """(n_actions,) the same over a policy's actions; what the catalogue lacks, it may not choose."""
        aligned: BoolArray = self.actions.align_mask(self.allowed[None], to=actions)[0]
        return aligned


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """The rules of one decision point, compiled once a catalogue."""

    actions: tuple[Action, ...]
    max_per_unit: Mapping[str, Rate]
    capacity: Mapping[str, Rate]
    contacts: Rate | None  # a unit, over all decision points
    quiet: QuietHours | None
    max_discount_rate: float | None
    personal: tuple[tuple[Condition, str], ...]  # what must hold for anything but the baseline, and what to say if not
    zone: ZoneInfo

    @cached_property
    def action_set(self) -> ActionSet:
        return ActionSet(tuple(action.action_id for action in self.actions))

    def restrict(
        self, context: Context, *, baseline: str, state: UnitState, asked: Sequence[str] | None = None
    ) -> Restricted:
        """What may be served.

        Args:
            context: of one row.
            baseline: what is served without AMSO.
            state: what counts against the limits.
            asked: the actions that the product can show; None = all.

        Raises:
            UnsupportedAction: the catalogue lacks the baseline.
        """
        place = self.action_set.index(baseline)
        for_all = self._against_everything(context, state)
        reasons = {
            action.action_id: reason
            for i, action in enumerate(self.actions)
            if i != place and (reason := for_all or self._against(action, context, state, asked)) is not None
        }
        allowed = np.array([action_id not in reasons for action_id in self.action_set.ids], dtype=np.bool_)
        unknown = [action_id for action_id in asked or () if action_id not in self.action_set]
        return Restricted(
            self.action_set, allowed, reasons | dict.fromkeys(unknown, "the catalogue has no such action")
        )

    def _against_everything(self, context: Context, state: UnitState) -> str | None:
        """Why this customer gets nothing but the baseline now."""
        for condition, words in self.personal:
            if unmet(condition, context) is not None:
                return words
        if self.quiet is not None and is_quiet(self.quiet, state.now, self.zone):
            return f"quiet hours {self.quiet} in {self.zone.key}"
        if self.contacts is not None and state.n_contacts + 1 > self.contacts.amount:
            return f"{state.n_contacts} contacts so far, at most {self.contacts} over all decision points"
        return None

    def _against(self, action: Action, context: Context, state: UnitState, asked: Sequence[str] | None) -> str | None:
        """Why this action is out."""
        action_id = action.action_id
        if asked is not None and action_id not in asked:
            return "the request does not list it"
        if self.max_discount_rate is not None and action.discount_rate > self.max_discount_rate:
            return f"its discount {action.discount_rate:g} is above max_discount {self.max_discount_rate:g}"
        for condition in action.eligible.conditions:
            if (reason := unmet(condition, context)) is not None:
                return reason
        return self._used_up(action_id, state)

    def _used_up(self, action_id: str, state: UnitState) -> str | None:
        """Which count or cap leaves no room for one more."""
        n, rate = state.served_to_unit.get(action_id, 0), self.max_per_unit.get(action_id)
        if rate is not None and n + 1 > rate.amount:
            return f"the unit had it {n} times, at most {rate}"
        n, rate = state.served_to_all.get(action_id, 0), self.capacity.get(action_id)
        if rate is not None and n + 1 > rate.amount:
            return f"served {n} times to all units, at most {rate}"
        if state.affordable is not None and action_id not in state.affordable:
            return "its worst case no longer fits the caps"
        return None


def compile_restriction(
    point: DecisionPoint, *, limits: Limits, privacy: Privacy, business: Business, actions: Sequence[str] = ()
) -> Restriction:
    """The rules of a decision point.

    Args:
        point: its catalogue.
        limits: the business's.
        privacy: who gets the baseline only.
        business: whose time zone days and quiet hours are in.
        actions: ids of the log's actions, where the point names none itself.
    """
    catalogue = tuple(settings.to_domain(action_id) for action_id, settings in point.actions.items())
    rated = point.actions.items()
    return Restriction(
        actions=catalogue or tuple(map(Action, actions)),
        max_per_unit={action_id: s.max_per_unit for action_id, s in rated if s.max_per_unit is not None},
        capacity={action_id: s.capacity for action_id, s in rated if s.capacity is not None},
        contacts=limits.contacts.max,
        quiet=limits.contacts.quiet,
        max_discount_rate=limits.max_discount,
        personal=tuple(_personal(privacy)),
        zone=ZoneInfo(business.time_zone),
    )


def _personal(privacy: Privacy) -> list[tuple[Condition, str]]:
    rules = []
    if privacy.opt_out is not None:
        column = privacy.opt_out.column
        rules.append((Condition(column, any_of=NOT_OPTED_OUT), f"the customer opted out, or {column} does not say"))
    excluded = {column: Allowed(none_of=values) for column, values in privacy.exclude.items()}
    rules += [
        (condition, f"privacy.exclude: {condition.column} is excluded, or does not say")
        for condition in to_predicate(excluded).conditions
    ]
    return rules


def unmet(condition: Condition, context: Context) -> str | None:
    """Why one row does not satisfy a condition, None if it does: `Condition.mask` without arrays on the way."""
    values = context.columns.get(condition.column)
    if values is None:
        return f"the context lacks {condition.column}, and it needs {condition}"
    value = values.item(0)
    if condition.any_of is not None or condition.none_of is not None:
        text = text_of(value)
        is_met = condition.or_missing if text is None else _lists(condition, text)
    else:
        is_met = _bounds(condition, value)
    return None if is_met else f"{condition.column} is {value!r}, and it needs {condition}"


def _lists(condition: Condition, text: str) -> bool:
    return (condition.any_of is None or text in condition.any_of) and text not in (condition.none_of or ())


def _bounds(condition: Condition, value: object) -> bool:
    if value is None:
        return condition.or_missing
    try:
        number = float(value)  # type: ignore[arg-type] # whatever it is, it converts or it is no number
    except (TypeError, ValueError):
        return False  # text where a number was expected: doubt restricts
    if np.isnan(number):
        return condition.or_missing
    return (condition.min is None or number >= condition.min) and (condition.max is None or number < condition.max)
