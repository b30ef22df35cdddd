"""Section `learning`: when `live` learns again from what its decisions earned."""

from typing import Annotated

from pydantic import Field

from config.quantities import Duration, DurationText
from config.section import Count, NonNegative, Section


class Learning(Section):
    """A new version must pass evaluation to be proposed, and people to be served."""

    every: DurationText = Duration(7.0, "d")  # between two attempts, a decision point
    window: DurationText | None = None  # of matured decisions to learn from; None = all of them
    # what a successor may earn less a decision than the version in force, at most, provably; 0 = it must be better
    margin: NonNegative = 0.0
    min_rounds: Annotated[Count, Field(ge=100)] = 2000  # matured decisions without which nothing is tried
    active_for: DurationText | None = None  # what a proposal asks for after its canary; None = while its approval holds
    # of what the agent of a panel replays, at most this share are live rounds; its market is fitted to them already
    replay_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    left_metric: str = "left"  # outcomes of this metric say that the unit is gone, which ends its episode
