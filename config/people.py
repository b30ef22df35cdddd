"""Sections `people`, `approvals` and `notify`: who must agree, and who hears of it."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.quantities import DurationText
from config.section import Count, NonNegative, Section, Share


class Person(Section):
    """What one person may do; who they are is proved elsewhere."""

    roles: Annotated[tuple[Literal["proposer", "approver"], ...], Field(min_length=1)]
    team: str | None = None


class Tier(Section):
    """Which proposals fall under it (a bound left out is open), and what they need."""

    reach: Share | None = None  # share of units
    price_change: Share | None = None
    loss_cap: NonNegative | None = None  # in the business's currency
    approvers: Annotated[Mapping[str, Annotated[int, Field(ge=1)]], Field(min_length=1)]  # `any` or a team -> people
    auto: bool = False  # approved without a person, recorded as such
    decide_within: DurationText
    valid_for: DurationText


class Canary(Section):
    steps: tuple[Share, ...]  # share of the scope, widening
    min_days: Count
    min_per_action: Count  # decisions before a step counts
    on_inconclusive: Literal["pause"] = "pause"

    @model_validator(mode="after")
    def _steps_widen(self) -> Self:
        steps = (0.0, *self.steps)
        if len(steps) < 2 or any(b <= a for a, b in itertools.pairwise(steps)):
            raise ValueError(f"found steps {list(self.steps)}, expected shares that rise, such as [0.02, 0.10, 0.30]")
        return self


class Approvals(Section):
    tiers: Mapping[str, Tier] = Field(default_factory=dict)  # the first that fits
    canary: Canary | None = None


class Notify(Section):
    webhook: str | None = None  # receives signed JSON
