"""Section `privacy`: people's rights."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from config.decision_points import Values
from config.quantities import DurationText
from config.section import Section


class Retention(Section):
    raw_events: DurationText | None = None
    decisions: DurationText | None = None
    quarantine: DurationText | None = None


class OptOut(Section):
    column: str  # where true: the baseline, and not learned from


class PriceGap(Section):
    between: Annotated[tuple[str, ...], Field(min_length=1)]  # protected columns
    ratio: Annotated[float, Field(ge=1)]  # of mean prices between any two groups


class Privacy(Section):
    keep: Retention = Retention()
    opt_out: OptOut | None = None
    exclude: Mapping[str, Values] = Field(default_factory=dict)  # column -> values that get the baseline
    protected: tuple[str, ...] = ()  # never a context; kept to check fairness
    max_price_gap: PriceGap | None = None
    disclose: Mapping[str, str] = Field(default_factory=dict)  # place -> id of the text returned with a set price
