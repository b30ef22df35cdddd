"""Section `decision_points`: where something is chosen, and between what."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from config.quantities import DurationText, RateText
from config.section import NonNegative, Scalar, Section, Share
from domain.actions import Action
from domain.segments import Condition, Predicate


class Mode(StrEnum):
    """off: not served · log: the product acts, AMSO records · shadow: AMSO also says what it would have done.

    gated: AMSO acts, under approval.
    """

    OFF = "off"
    LOG = "log"
    SHADOW = "shadow"
    GATED = "gated"


Values = Annotated[tuple[Scalar, ...], Field(min_length=1)]


class Allowed(Section):
    """What a column may hold: a number in [min, max), one of `any_of`, none of `none_of`; missing if it says so."""

    min: float | None = None
    max: float | None = None
    any_of: Values | None = None
    none_of: Values | None = None
    or_missing: bool = False

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        is_bounded = self.min is not None or self.max is not None
        if is_bounded == bool(self.any_of or self.none_of):
            raise ValueError("expected either bounds (min, max) or values (any_of, none_of)")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"found min {self.min:g} and max {self.max:g}, expected min < max")
        return self


def _form(value: object) -> str | None:
    if isinstance(value, (dict, Allowed)):
        return "allowed"
    return "values" if isinstance(value, (list, tuple)) else None


Eligible = Mapping[
    str, Annotated[Annotated[Allowed, Tag("allowed")] | Annotated[Values, Tag("values")], Discriminator(_form)]
]


class ActionSettings(Section):
    """One lever. Amounts are in the business's currency, per execution."""

    cost: NonNegative = 0.0
    max_cost: NonNegative | None = None  # the worst case, reserved from caps; None = cost
    discount: Share = 0.0
    price: str | None = None  # names an entry of `prices`
    max_per_unit: RateText | None = None
    capacity: RateText | None = None  # over all units
    reversible: bool = True
    eligible: Eligible = Field(default_factory=dict)
    payload: Mapping[str, JsonValue] = Field(default_factory=dict)  # goes to the product untouched

    @model_validator(mode="after")
    def _worst_case_is_worst(self) -> Self:
        if self.max_cost is not None and self.max_cost < self.cost:
            raise ValueError(f"found max_cost {self.max_cost:g} below cost {self.cost:g}, expected at least the cost")
        return self

    def to_domain(self, action_id: str) -> Action:
        return Action(
            action_id,
            price=self.price,
            discount_rate=self.discount,
            cost_amount=self.cost,
            max_cost_amount=self.cost if self.max_cost is None else self.max_cost,
            is_reversible=self.reversible,
            eligible=to_predicate(self.eligible),
            payload=self.payload,
        )


class DecisionPoint(Section):
    """A moment in the product."""

    mode: Mode = Mode.LOG
    baseline: str | None = None  # the action served without AMSO; None = what the product sends or the log did
    context: tuple[str, ...] = ()  # what may be used to choose, without x_; none named = all of the log
    answer_within: DurationText | None = None  # after that the product shows its baseline
    reward_wait: DurationText | None = None  # nothing is learned from a younger decision
    actions: Mapping[str, ActionSettings] = Field(default_factory=dict)  # none named = those of the log


def to_predicate(eligible: Eligible) -> Predicate:
    """The settings' form of eligibility as a predicate over context."""
    return Predicate(tuple(_condition(column, allowed) for column, allowed in eligible.items()))


def _condition(column: str, allowed: Allowed | tuple[Scalar, ...]) -> Condition:
    if not isinstance(allowed, Allowed):
        return Condition(column, any_of=_as_text(allowed))
    return Condition(
        column,
        any_of=_as_text(allowed.any_of),
        min=allowed.min,
        max=allowed.max,
        none_of=_as_text(allowed.none_of),
        or_missing=allowed.or_missing,
    )


def _as_text(values: tuple[Scalar, ...] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(dict.fromkeys(text for value in values for text in _texts(value)))


def _texts(value: Scalar) -> tuple[str, ...]:
    """How a context writes the value: booleans stand there as 1 and 0, or as the text they came as."""
    if isinstance(value, bool):
        return (str(int(value)), str(value).lower())
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)),)
    return (str(value),)
