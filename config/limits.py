"""Sections `guardrails`, `limits`, `holdout`, `exploration` and `calendar`: what must not happen."""

from collections.abc import Mapping
from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from config.quantities import DurationText, MarginText, QuietHoursText, RateText
from config.section import NonNegative, Section, Share


class Guardrail(Section):
    harm_if: MarginText  # tested against the baseline; breach rolls back


class Contacts(Section):
    """Across all decision points, in the customer's time zone."""

    max: RateText | None = None  # per customer
    quiet: QuietHoursText | None = None


class Limits(Section):
    same_price_for: DurationText | None = None  # one customer, one price
    contacts: Contacts = Contacts()
    max_price_change: Share | None = None  # of a set price against the list price, per 90 days
    max_discount: Share | None = None
    budget: Mapping[str, RateText] = Field(default_factory=dict)  # in the business's currency
    loss_cap: NonNegative | None = None  # per strategy against the baseline, in the business's currency


class Holdout(Section):
    """Gets the baseline: shows what the whole programme earned."""

    share: Share
    permanent: bool = True


class Exploration(Section):
    """Inside approved strategies."""

    share: Share
    only: Literal["eligible"] = "eligible"


class Freeze(Section):
    """Days on which nothing widens or starts; both ends included."""

    starts_on: date = Field(alias="from")
    ends_on: date = Field(alias="to")
    why: str = ""

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.ends_on < self.starts_on:
            raise ValueError(f"found from {self.starts_on} to {self.ends_on}, expected to not before from")
        return self


class Calendar(Section):
    holidays: tuple[str, ...] = ()  # ISO 3166 countries
    freeze: tuple[Freeze, ...] = ()
