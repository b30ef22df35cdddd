"""Sections `objective`, `costs` and `prices`: what counts as better, and what things cost."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from config.section import Amount, NonNegative, Section, Share
from domain.objective import Direction, Objective


class ObjectiveSettings(Section):
    metric: str = "net_revenue"
    direction: Direction = Direction.MAXIMIZE
    horizon_days: Annotated[int, Field(ge=1)] = 365
    discount_rate: Share = 0.0  # a year

    def to_domain(self) -> Objective:
        return Objective(self.metric, self.direction, self.horizon_days, self.discount_rate)


class PaymentFee(Section):
    """Of each payment: a share and an amount."""

    rate: Share = 0.0
    fixed: NonNegative = 0.0


class IncludedTax(Section):
    """Prices contain this tax rate."""

    included: Share


def _form(value: object) -> str:
    return "included" if isinstance(value, (dict, IncludedTax)) else "from_event"


Tax = Annotated[
    Annotated[Literal["from_event"], Tag("from_event")] | Annotated[IncludedTax, Tag("included")], Discriminator(_form)
]


class Costs(Section):
    """Used where an event carries no cost of its own."""

    store_commission: Mapping[str, Share] = Field(default_factory=dict)  # store -> share of the price
    payment_fee: PaymentFee = PaymentFee()
    tax: Tax = "from_event"
    unit_cost_per_month: NonNegative = 0.0


class Price(Section):
    """A list price: one amount a currency, under a version."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Amount]
    version: str

    @property
    def amounts(self) -> Mapping[str, Decimal]:
        """Currency -> amount."""
        return self.__pydantic_extra__

    @model_validator(mode="after")
    def _has_an_amount(self) -> Self:
        if not self.__pydantic_extra__:
            raise ValueError("found no amount, expected at least one such as EUR: 9.99")
        return self
